"""This is the bench's client: one chat over a plain socket, light enough not to disturb what it measures. Main
thread."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from screen import Refused


@dataclass(frozen=True, slots=True)
class Answer:
    """This is one answer, with what its stream told."""

    text: str
    tokens: int
    prompt_tokens: int
    first_s: float
    """`first_s` is the time to the first text; nothing where the answer comes in one piece."""
    total_s: float
    gaps_ms: tuple[float, float] = (0.0, 0.0)
    """`gaps_ms` lie between two pieces of the text, where it comes in pieces: the median and the 99th percentile."""


def ask(url: str, question: str, maximum: int, *, stream: bool, model: str = "bench", **more: Any) -> Answer:
    """Asks in one chat. `more` goes into the request as it is."""
    messages = more.pop("messages", [{"role": "user", "content": question}])
    body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": maximum, **more}
    return post(url, "/v1/chat/completions", body, b'"content":"', stream=stream)


def go_on(url: str, tokens: Sequence[int], maximum: int, *, stream: bool, **more: Any) -> Answer:
    """Returns what follows these tokens."""
    body = {"model": "bench", "prompt": list(tokens), "temperature": 0, "max_tokens": maximum, **more}
    return post(url, "/v1/completions", body, b'"text":"', stream=stream)


def post(url: str, path: str, body: dict[str, Any], mark: bytes, *, stream: bool) -> Answer:
    """Gets one answer over a plain socket. While it comes nothing is parsed: only the first text's mark is looked
    for."""
    body = {**body, "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    raw = json.dumps(body).encode()
    parts = urlsplit(url)
    head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(raw)}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 80)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received, first, times = bytearray(), 0.0, list[float]()
        started = time.perf_counter()
        connection.sendall(head.encode() + raw)
        while data := connection.recv(1 << 16):
            received += data
            if stream and not first and mark in received:
                first = time.perf_counter()
            if first:
                times.append(time.perf_counter())
            if stream and b"data: [DONE]" in received[-64:]:
                break
        ended = time.perf_counter()
    first_s = first - started if stream else ended - started
    return _parsed(bytes(received), first_s, ended - started, percentiles(times), stream=stream)


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """Returns the median and the 99th percentile of what lies between the moments, in milliseconds."""
    gaps = sorted((after - before) * 1e3 for before, after in pairwise(times))
    return (gaps[len(gaps) // 2], gaps[len(gaps) * 99 // 100]) if gaps else (0.0, 0.0)


def _parsed(received: bytes, first_s: float, total_s: float, gaps_ms: tuple[float, float], *, stream: bool) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise Refused("chat_refused", status=head.split(b" ")[1].decode(), message=body.decode("utf-8", "replace"))
    if b"transfer-encoding: chunked" in head.lower():
        body = _unchunked(body)
    if not stream:
        whole = json.loads(body)
        usage, text = whole["usage"], _text(whole["choices"][0], "message")
    else:
        lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
        chunks = [json.loads(line) for line in lines]
        usage = next(chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage"))
        text = "".join(_text(choice, "delta") for chunk in chunks for choice in chunk["choices"])
    return Answer(text, usage["completion_tokens"], usage["prompt_tokens"], first_s, total_s, gaps_ms)


def _text(choice: dict[str, Any], part: str) -> str:
    """Returns the text of a chat's choice, or of a continued text's."""
    return str(choice["text"] if "text" in choice else choice[part].get("content") or "")


def _unchunked(body: bytes) -> bytes:
    """Returns the content of HTTP's chunked coding, as far as it was received."""
    parts, at = [], 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:end].partition(b";")[0] or b"0", 16)
        if size == 0:
            break
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)
