"""Runs a Hoshikage server as a child process, and one streaming chat with it. Main thread, and one that reads its log.

Standard library only.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

from screen import Refused

ADDRESS: Final = re.compile(r"http://\S+?:\d+")
START_PATIENCE_S: Final = 60.0
STOP_PATIENCE_S: Final = 20.0
ANSWER_PATIENCE_S: Final = 180.0
"""The first answer waits for the library's examination and the model's load."""
WAIT_PATIENCE_S: Final = 120.0
KEPT_LINES: Final = 30
_PR_SET_PDEATHSIG: Final = 1


class Server:
    """This is a running `hoshikage`; a context manager that always ends it."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        """`command` is everything that starts the server. Raises Refused when it does not come up."""
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._listening = threading.Event()
        self._url: str | None = None
        self.echo: Callable[[str], None] | None = None
        """It is called in the reading thread with every line that the server logs from now on."""
        self.process = subprocess.Popen(
            list(command),
            env=None if environ is None else dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches this script alone, which then stops the server once, not twice
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._await_address()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """Gives `http://host:port`, as the server says itself."""
        assert self._url is not None
        return self._url

    @property
    def output(self) -> str:
        return "\n".join(self._lines)

    def wait(self) -> int:
        """Returns the server's exit status, once it ends by itself."""
        return self.process.wait()

    def stop(self) -> None:
        """Asks the server to end, and ends it by force where it does not. Can be called twice."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(STOP_PATIENCE_S)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _await_address(self) -> None:
        if not self._listening.wait(START_PATIENCE_S):
            raise Refused("server_silent", seconds=START_PATIENCE_S, output=self.output)
        if self._url is None:
            self._reader.join()
            raise Refused("server_ended", status=self.process.wait(), output=self.output)
        if get_json(self._url, "/health") is None:
            raise Refused("server_silent", seconds=START_PATIENCE_S, output=self.output)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.append(line.rstrip())
                if self._url is None and (match := ADDRESS.search(line)):
                    self._url = match[0]
                    self._listening.set()
                if self.echo is not None:
                    self.echo(line.rstrip())
        self._listening.set()


def _die_with_parent() -> None:
    """Makes the server end with this script, however this script ends: it runs in the child, before exec."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def get_json(url: str, path: str, timeout_s: float = 5.0) -> Any:
    """Returns the JSON body of a GET, or None where nobody answers it with 200 and JSON."""
    try:
        with closing(_connection(url, timeout_s)) as connection:
            connection.request("GET", path)
            with connection.getresponse() as answer:
                body = answer.read(1 << 20)
                return json.loads(body) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None


def wait_until(reached: Callable[[], bool], key: str, *, pause_s: float = 0.05, **details: object) -> None:
    """Asks again and again whether it is so. Raises Refused of that key."""
    deadline = time.monotonic() + WAIT_PATIENCE_S
    while not reached():
        if time.monotonic() > deadline:
            raise Refused(key, seconds=WAIT_PATIENCE_S, **details)
        time.sleep(pause_s)  # a server tells nobody of its states: they can only be asked for


def is_unloaded(url: str) -> bool:
    """Returns whether the server has no model for chats in memory."""
    return bool(get_json(url, "/v1/status")["model"]["state"] == "unloaded")


def hoshikage_version(url: str, timeout_s: float) -> str | None:
    """Returns the version of the Hoshikage that answers there; None for any other program."""
    try:
        with closing(_connection(url, timeout_s)) as connection:
            connection.request("GET", "/v1/api/version")
            with connection.getresponse() as answer:
                if answer.status != 200 or answer.headers.get("Server") != "hoshikage":
                    return None
                version = json.loads(answer.read(1 << 16))["version"]
                return version if isinstance(version, str) else None
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None


@dataclass(slots=True)
class Chat:
    """This is one streaming chat: iterate it for the pieces of the answer, then read the figures."""

    url: str
    model: str
    question: str
    max_tokens: int | None = None
    first_s: float = 0.0
    """`first_s` is the seconds from the request to the first text."""
    total_s: float = 0.0
    tokens: int = 0
    """`tokens` counts the generated tokens, as the server does."""

    def __iter__(self) -> Iterator[str]:
        """Raises Refused when the server refuses the request or breaks the stream off."""
        started = time.monotonic()
        try:
            with closing(_connection(self.url, ANSWER_PATIENCE_S)) as connection:
                connection.request("POST", "/v1/chat/completions", self._body(), {"Content-Type": "application/json"})
                with connection.getresponse() as answer:
                    for piece in self._pieces(answer):
                        self.first_s = self.first_s or time.monotonic() - started
                        yield piece
        except (OSError, http.client.HTTPException) as error:
            raise Refused("chat_cut", reason=error) from None
        self.total_s = time.monotonic() - started

    def _pieces(self, answer: http.client.HTTPResponse) -> Iterator[str]:
        if answer.status != 200:
            raise Refused("chat_refused", status=answer.status, message=_message(answer.read()))
        for data in _events(answer):
            if data == "[DONE]":
                return
            chunk = json.loads(data)
            if "error" in chunk:
                raise Refused("chat_cut", reason=chunk["error"].get("message", ""))
            self.tokens = (chunk.get("usage") or {}).get("completion_tokens", self.tokens)
            for choice in chunk["choices"]:
                if piece := choice["delta"].get("content"):
                    yield piece
        raise Refused("chat_cut", reason="")

    def _body(self) -> bytes:
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": self.question}],
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.max_tokens is not None:
            request["max_tokens"] = self.max_tokens
        return json.dumps(request).encode()


def _events(answer: http.client.HTTPResponse) -> Iterator[str]:
    """Yields the data of each server-sent event. Hoshikage writes every event's data in one line."""
    for line in answer:
        if line.startswith(b"data: "):
            yield line[len(b"data: ") :].strip().decode()


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:500].decode("utf-8", "replace")


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
