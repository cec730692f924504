"""The bench's client: one chat over a plain socket, light enough not to disturb what it measures. Main thread."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from screen import Refused


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    tokens: int
    prompt_tokens: int
    first_s: float
    """To the first text; nothing where the answer comes in one piece."""
    total_s: float


def ask(url: str, question: str, most: int, *, stream: bool) -> Answer:
    """One chat over a plain socket. While it comes nothing is parsed: only the first text's mark is looked for."""
    body: dict[str, Any] = {
        "model": "bench",
        "messages": [{"role": "user", "content": question}],
        "temperature": 0,
        "max_tokens": most,
        "stream": stream,
    }
    if stream:
        body["stream_options"] = {"include_usage": True}
    raw = json.dumps(body).encode()
    parts = urlsplit(url)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(raw)}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 80)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received, first = bytearray(), 0.0
        started = time.perf_counter()
        connection.sendall(head.encode() + raw)
        while data := connection.recv(1 << 16):
            received += data
            if stream and not first and b'"content":"' in received:
                first = time.perf_counter()
            if stream and b"data: [DONE]" in received[-64:]:
                break
        ended = time.perf_counter()
    return _parsed(bytes(received), first - started if stream else ended - started, ended - started, stream=stream)


def _parsed(received: bytes, first_s: float, total_s: float, *, stream: bool) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise Refused("chat_refused", status=head.split(b" ")[1].decode(), message=body.decode("utf-8", "replace"))
    if b"transfer-encoding: chunked" in head.lower():
        body = _unchunked(body)
    if not stream:
        whole = json.loads(body)
        usage, text = whole["usage"], whole["choices"][0]["message"]["content"]
    else:
        lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
        chunks = [json.loads(line) for line in lines]
        usage = next(chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage"))
        text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    return Answer(text, usage["completion_tokens"], usage["prompt_tokens"], first_s, total_s)


def _unchunked(body: bytes) -> bytes:
    """The content of HTTP's chunked coding, as far as it was received."""
    parts, at = [], 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:end].partition(b";")[0] or b"0", 16)
        if size == 0:
            break
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)
