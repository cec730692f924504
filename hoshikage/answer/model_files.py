"""Reads what is known of the model files from the disk alone: size, age, header. Event loop thread; reads in others."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from hoshikage import gguf
from hoshikage.errors import GgufInvalid
from hoshikage.frozen import Frozen
from hoshikage.gguf import GgufHeader

MAX_KEPT: Final = 2048


class Facts(Frozen, frozen=True):
    """The facts are what the server knows of one model file."""

    size: int = 0
    modified: float = 0.0
    digest: str = ""
    """Tells one state of the file from another; it is not the sum of its bytes, which would take minutes."""
    header: GgufHeader | None = None
    """`header` is None where the file is missing or damaged."""

    @property
    def modified_at(self) -> str:
        return iso(self.modified)

    @property
    def purpose(self) -> str:
        """Says what the model was made for: `text`, `embeddings` or `rerank`; empty where the file does not tell."""
        return "" if self.header is None else gguf.purpose(self.header)

    @property
    def details(self) -> dict[str, Any]:
        header = self.header
        family = header.architecture if header else ""
        return {
            "parent_model": "",
            "format": "gguf",
            "family": family,
            "families": [family] if family else [],
            "parameter_size": parameters(header.n_params) if header else "",
            "quantization_level": header.file_type if header else "",
        }


class ModelFiles:
    """Keeps what was read of each file while the file does not change."""

    def __init__(self) -> None:
        self._kept: dict[Path, Facts] = {}

    async def facts(self, file: Path) -> Facts:
        """Reads in a thread; never fails."""
        kept = self._kept.get(file)
        result = await asyncio.to_thread(_read, file, kept)
        if result is not kept:
            while len(self._kept) >= MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[file] = result
        return result


def parameters(count: int) -> str:
    """Writes a count of parameters as `8.0B`, `270M` or `12K`."""
    for unit, name, digits in ((10**9, "B", 1), (10**6, "M", 0), (10**3, "K", 0)):
        if count >= unit:
            return f"{count / unit:.{digits}f}{name}"
    return str(count)


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


def _read(file: Path, kept: Facts | None) -> Facts:
    try:
        state = file.stat()
    except OSError:
        return Facts()
    mark = f"{file}\0{state.st_size}\0{state.st_mtime_ns}\0{state.st_ino}"
    digest = hashlib.sha256(mark.encode("utf-8", "surrogateescape")).hexdigest()
    if kept is not None and kept.digest == digest:
        return kept
    header = None
    with suppress(OSError, GgufInvalid):
        header = gguf.read_model(file)
    size = state.st_size if header is None else header.size_bytes  # of all its files
    return Facts(size, state.st_mtime, digest, header)


MODEL_FILES: Final = web.AppKey("model_files", ModelFiles)
