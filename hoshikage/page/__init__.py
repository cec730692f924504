"""Holds the page for browsers: its built files, as `web/` makes them. Any thread; blocks on the disk.

They lie in `static`, compressed, under names that change with their content, `index.html` alone aside.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).with_name("static")
INDEX: Final = "index.html"
KINDS: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\.[a-z]{2,4}")


def kind(name: str) -> str | None:
    """Returns the media type of a file of the page; None where it is no name of one."""
    return KINDS.get(name[name.rfind(".") :]) if _NAME.fullmatch(name) else None


def read(name: str) -> bytes | None:
    """Returns the file as gzip has it; None where there is none of that name, as after an update."""
    if kind(name) is None:
        return None
    try:
        return (STATIC / f"{name}.gz").read_bytes()
    except FileNotFoundError:
        return None
