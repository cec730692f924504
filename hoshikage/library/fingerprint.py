"""Identifies a library set by its content: libllama with libggml and libmtmd beside it. Any thread; blocking.

Hashing a CUDA set takes about a second, so that file hashes are remembered under (path, size, mtime, inode).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from hoshikage import digests, durable
from hoshikage.library import names

VERDICTS: Final = "verdicts"
"""The cache has verdicts and the memo of hashes in this folder."""
BACKENDS: Final = "ggml/backends*"
_MEMO: Final = "hashes.json"
_MEMO_ENTRIES: Final = 512
_SETTLED_NS: Final = 2_000_000_000
"""A file changed within the clock step of a file system could change again unseen; it is not remembered."""


def folders(file: Path) -> tuple[Path, ...]:
    """Returns the folders of the set of libllama at `file`: its own, behind a link the one that the link leads to, and
    those below them for ggml's backends."""
    homes = dict.fromkeys((file.parent, file.resolve().parent))
    return *homes, *(folder for home in homes for folder in backend_folders(home))


def backend_folders(home: Path) -> list[Path]:
    """Returns the folders in which Debian's ggml has its backends, below that of libllama."""
    return sorted(folder for folder in home.glob(BACKENDS) if folder.is_dir())


def members(file: Path) -> tuple[Path, ...]:
    """Returns libllama and the files of libggml and libmtmd in the set's folders."""
    parts = {path for folder in folders(file) for path in folder.iterdir() if _is_part(path.name) and path.is_file()}
    return file, *sorted(parts - {file}, key=lambda path: (path.name, path))


def _is_part(name: str) -> bool:
    return names.is_ggml(name) or names.is_mtmd(name)


def look(file: Path) -> str:
    """Returns a text that changes with every change of the set by rename, by copying over or by another link; reads no
    content."""
    total = hashlib.sha256()
    for member in members(file):
        status = member.stat()
        row = f"{member.name}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}\n"
        total.update(row.encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def of_set(file: Path, cache_dir: Path) -> str:
    """Returns the identity of the set that libllama at `file` belongs to. Raises OSError."""
    return of(members(file), cache_dir / VERDICTS)


def of(files: Iterable[Path], folder: Path) -> str:
    """Makes one SHA-256 over names and contents. `folder` holds the memo, which may be damaged or not writable."""
    memo = _read(folder / _MEMO)
    total, changed = hashlib.sha256(), False
    for file in files:
        status = file.stat()
        known = f"{file}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"
        digest = memo.pop(known, None)
        if not isinstance(digest, str):
            digest, changed = sha256(file), True
        if time.time_ns() - status.st_mtime_ns > _SETTLED_NS:
            memo[known] = digest  # at the end: the newest entries survive
        total.update(f"{file.name}\0{digest}\n".encode("utf-8", "surrogateescape"))
    if changed:
        remember(folder / _MEMO, json.dumps(dict(list(memo.items())[-_MEMO_ENTRIES:])))
    return total.hexdigest()


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        digest = digests.sha256(os.fstat(stream.fileno()).st_size)
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def remember(file: Path, content: str) -> None:
    """Writes a file of the cache, whose loss costs only time: one that cannot be written is left as it is."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(file, content.encode())


def _read(file: Path) -> dict[str, Any]:
    try:
        memo = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return memo if isinstance(memo, dict) else {}
