"""Makes stand-ins for the check program, files that look like libraries, and an HTTP server on this machine."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

STAND_IN = Path(__file__).with_name("stand_in.py")
ELF = b"\x7fELF\x02\x01\x01" + bytes(57)


@pytest.fixture
def tries() -> Callable[[str], tuple[str, ...]]:
    """Returns the command of a check program that does what the named mode of `stand_in.py` says."""
    return lambda mode: (sys.executable, "-SE", str(STAND_IN), mode)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts how often a check program has run."""
    log = tmp_path / "stand_in.log"
    log.touch()
    monkeypatch.setenv("STAND_IN_LOG", str(log))
    return lambda: len(log.read_text("utf-8").splitlines())


def make(folder: Path, *names: str, content: bytes = ELF) -> Path:
    """Makes `folder` with files of these names, each in the ELF format as far as first bytes go."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content + name.encode())
    return folder


@dataclass
class Site:
    """Answers GET by path. `moves` maps a path to the address it redirects to."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)
    cut_short: set[str] = field(default_factory=set)
    """The answers of these paths end before their announced length."""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            path = self.path.partition("?")[0]
            if path in site.moves:
                self.send_response(302)
                self.send_header("Location", site.moves[path])
                self.end_headers()
                return
            body = site.files.get(path)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if path in site.cut_short else body)

        def log_message(self, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()
