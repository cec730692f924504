"""Gives one model by HTTP on 127.0.0.1, as slowly as is wanted, from wherever an earlier try ended. Its own threads.

Standard library only.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

PIECE: Final = 64 * 1024
FROM: Final = re.compile(r"bytes=(\d+)-")


@contextmanager
def giving(model: Path, pace: float) -> Iterator[str]:
    """Gives the model's URL while it serves; each of its pieces takes `pace` seconds."""
    content = model.read_bytes()

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

        def do_HEAD(self) -> None:
            self._head(0)

        def do_GET(self) -> None:
            begins = FROM.match(self.headers.get("Range", ""))
            at = int(begins[1]) if begins else 0
            self._head(at)
            with suppress(OSError):  # whoever asked was killed
                while at < len(content):
                    self.wfile.write(content[at : at + PIECE])
                    at += PIECE
                    time.sleep(pace)  # as slow as the network that it stands for

        def _head(self, at: int) -> None:
            self.send_response(206 if at else 200)
            if at:
                self.send_header("Content-Range", f"bytes {at}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - at))
            self.send_header("ETag", '"1"')
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()

    host = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    host.daemon_threads = True
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{host.server_address[1]}/model.gguf"
    finally:
        host.shutdown()
        thread.join()
        host.server_close()
