"""Keeps what the models' templates show of tools and thoughts, which is read from their files once. Event loop
thread."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from hoshikage import gguf
from hoshikage.errors import GgufInvalid, ModelLoadFailed
from hoshikage.registry import CHATML, ModelSpec, is_file, read_template, template_name

if TYPE_CHECKING:
    from hoshikage.tools import ChatFormat

MAX_KEPT: Final = 64
Signature = tuple[int, int, int]


class ChatFormats:
    """Keeps the chat format of each model file while neither it nor the template given for it changes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Path, str | None], tuple[tuple[Signature, ...], ChatFormat]] = {}

    async def of(self, spec: ModelSpec) -> ChatFormat:
        """Returns the format that the model's template shows. Where its file cannot be read it is that of a model
        without a template: the dispatcher says why it is refused."""
        from hoshikage.tools import ChatFormat  # only here: a server that is not asked for a chat reads no template

        key = (spec.file, spec.options.chat_template)
        try:
            signatures = _signatures(spec)
            kept = self._kept.get(key)
            if kept is not None and kept[0] == signatures:
                return kept[1]
            chat_format = await asyncio.to_thread(_read, spec)
        except (OSError, GgufInvalid, ModelLoadFailed):
            return ChatFormat()
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (signatures, chat_format)
        return chat_format


def _signatures(spec: ModelSpec) -> tuple[Signature, ...]:
    """Returns what changes when a file that the template comes from has changed. Raises OSError."""
    setting = spec.options.chat_template
    files = [] if setting == CHATML else [Path(setting)] if setting is not None and is_file(setting) else [spec.file]
    return tuple((state.st_mtime_ns, state.st_size, state.st_ino) for state in (file.stat() for file in files))


def _read(spec: ModelSpec) -> ChatFormat:
    from hoshikage.tools import ChatFormat

    setting = spec.options.chat_template
    source = read_template(setting)
    if source is None:
        header = gguf.read(spec.file)
        return ChatFormat.of(gguf.tool_template(header, template_name(setting)), header.marks)
    return ChatFormat.of(source or None)


CHAT_FORMATS: Final = web.AppKey("chat_formats", ChatFormats)
