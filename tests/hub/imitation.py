"""Imitates a hub on this machine: the endpoints that huggingface-hub and ModelScope's API speak, and faults to order.

The files come from another host name than the repository's pages, as on the real hub, so that a token which is shown
to the wrong one is seen.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"
REPO: Final = "org/Star-GGUF"
Act = Callable[["Page", bytes], None]
"""The hub does this instead of giving a file."""


@dataclass
class Asked:
    """This is one request that came."""

    method: str
    host: str
    path: str
    range: str
    token: str


@dataclass
class Hub:
    """This has the repository's files, what goes wrong with the next requests, and what was asked for."""

    files: dict[str, bytes]
    faults: list[Act] = field(default_factory=list)
    """Each is used up by one request for a file's bytes."""
    api: Act | None = None
    """`api` happens to every request for the list of files."""
    about: Act | None = None
    """`about` happens to every HEAD of a file."""
    lists_sums: bool = True
    """`lists_sums` tells whether the list of files has them; some mirrors' lists do not."""
    sums: dict[str, str] = field(default_factory=dict)
    """The hub tells `sums` instead of the right ones."""
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def sum(self, path: str) -> str:
        return self.sums.get(path) or hashlib.sha256(self.files[path]).hexdigest()

    def ranges(self) -> list[str]:
        """Lists the ranges of the requests for bytes, in order."""
        return [one.range for one in self.asked if one.method == "GET" and one.path.startswith(("/cdn/", "/plain/"))]


@contextmanager
def running(files: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(files)

    class Bound(Page):
        the_hub = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Page(BaseHTTPRequestHandler):
    the_hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, parts = self.the_hub, urlsplit(self.path)
        path = unquote(parts.path)
        names = self.headers
        hub.asked.append(
            Asked(self.command, names["Host"], path, names.get("Range", ""), names.get("Authorization", ""))
        )
        if path.startswith("/api/models/"):
            self._list()
        elif path.startswith("/api/v1/models/"):
            self._modelscope(parse_qs(parts.query))
        elif path.startswith(("/cdn/", "/plain/")):
            self._bytes(path.partition("/")[2].partition("/")[2])
        elif "/resolve/" in path:
            self._resolve(path.partition("/resolve/")[2].partition("/")[2])
        else:
            self.send(404, b"{}")

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        named = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in named.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    def _list(self) -> None:
        hub = self.the_hub
        if hub.api is not None:
            hub.api(self, b"")
            return
        siblings = [
            {
                "rfilename": path,
                "size": len(content),
                "blobId": "0" * 40,
                **(
                    {"lfs": {"sha256": hub.sum(path), "size": len(content), "pointerSize": 130}}
                    if hub.lists_sums
                    else {}
                ),
            }
            for path, content in hub.files.items()
        ]
        told = {"id": REPO, "modelId": REPO, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings}
        self.send(200, json.dumps(told).encode())

    def _resolve(self, path: str) -> None:
        hub = self.the_hub
        if path not in hub.files:
            self.send(404, b"", X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            return
        if hub.about is not None and self.command == "HEAD":
            hub.about(self, hub.files[path])
            return
        self.send(
            302,
            b"",
            Location=f"http://localhost:{hub.port}/cdn/{path}",
            X_Repo_Commit=COMMIT,
            X_Linked_Size=str(len(hub.files[path])),
            X_Linked_Etag=f'"{hub.sum(path)}"',
        )

    def _modelscope(self, query: dict[str, list[str]]) -> None:
        hub = self.the_hub
        if "FilePath" in query:
            self._bytes(query["FilePath"][0])
            return
        if hub.api is not None:
            hub.api(self, b"")
            return
        files = [
            {"Path": path, "Name": path, "Size": len(content), "Sha256": hub.sum(path), "Type": "blob"}
            for path, content in hub.files.items()
        ]
        folder = {"Path": "folder", "Name": "folder", "Size": 0, "Type": "tree"}
        self.send(200, json.dumps({"Code": 200, "Data": {"Files": [folder, *files]}}).encode())

    def _bytes(self, path: str) -> None:
        hub = self.the_hub
        if path not in hub.files:
            self.send(404, b"not here")
        elif self.command == "GET" and hub.faults:
            hub.faults.pop(0)(self, hub.files[path])
        else:
            whole(self, hub.files[path])


def _start(page: Page, content: bytes) -> int:
    value = page.headers.get("Range", "")
    return int(value.removeprefix("bytes=").rstrip("-")) if value else 0


def whole(page: Page, content: bytes) -> None:
    """Does what a good server does."""
    at, mark = _start(page, content), f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    if at > len(content):
        page.send(416, b"", Content_Range=f"bytes */{len(content)}")
    elif at:
        span = f"bytes {at}-{len(content) - 1}/{len(content)}"
        page.send(206, content[at:], Content_Range=span, ETag=mark)
    else:
        page.send(200, content, ETag=mark)


def cut(share: float, *, polite: bool = True) -> Act:
    """Ends after that share of what is left; without `polite` by a reset."""

    def act(page: Page, content: bytes) -> None:
        at = _start(page, content)
        rest = content[at:]
        page.send_response(206 if at else 200)
        page.send_header("Content-Length", str(len(rest)))
        if at:
            page.send_header("Content-Range", f"bytes {at}-{len(content) - 1}/{len(content)}")
        page.end_headers()
        page.wfile.write(rest[: int(len(rest) * share)])
        page.wfile.flush()
        if not polite:
            import socket
            import struct

            page.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        page.hang_up()

    return act


def status(code: int, body: bytes = b"{}", **headers: str) -> Act:
    return lambda page, _: page.send(code, body, **headers)


def as_if(change: Callable[[bytes], bytes], **headers: str) -> Act:
    """Gives something else, as if it were the file."""
    return lambda page, content: page.send(200, change(content), **headers)


def span(given: int | None, total: int | None = None) -> Act:
    """Gives another part than was asked for, or of another whole."""

    def act(page: Page, content: bytes) -> None:
        first = _start(page, content) if given is None else given
        said = f"bytes {first}-{len(content) - 1}/{len(content) if total is None else total}"
        page.send(206, content[first:], Content_Range=said)

    return act


def raw(answer: bytes) -> Act:
    """Sends what is no HTTP, or half of it."""

    def act(page: Page, _: bytes) -> None:
        page.wfile.write(answer)
        page.hang_up()

    return act


def without_length(share: float) -> Act:
    """Sends an answer that tells no length and ends when the connection does."""

    def act(page: Page, content: bytes) -> None:
        page.send_response(200)
        page.send_header("Connection", "close")
        page.end_headers()
        page.wfile.write(content[: int(len(content) * share)])
        page.hang_up()

    return act
