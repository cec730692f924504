"""Finds the chat templates of a GGUF, which may bring several. Pure; any thread."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hoshikage.errors import GgufInvalid
from hoshikage.gguf.header import GgufHeader

KEY: Final = "tokenizer.chat_template"
DEFAULT: Final = "default"
TOOL_USE: Final = "tool_use"
NO_CHAT: Final = frozenset({"rerank"})
"""These templates are no chat's."""


def templates(header: GgufHeader) -> dict[str, str]:
    """Maps each name to its Jinja source. The one without a name is `default`; for chats with tools `tool_use` is
    taken."""
    result = {
        name.removeprefix(KEY).removeprefix(".") or DEFAULT: source
        for name, source in header.values.items()
        if (name == KEY or name.startswith(f"{KEY}.")) and isinstance(source, str)
    }
    return {name: source for name, source in sorted(result.items()) if name not in NO_CHAT}


def require_template(file: Path, header: GgufHeader, name: str) -> None:
    """Raises GgufInvalid where a name is given and the file has no template of it."""
    result = templates(header)
    if name and name not in result:
        raise GgufInvalid("model.template_unnamed", file=str(file), name=name, known=", ".join(result) or "-")


def tool_template(header: GgufHeader, name: str = "") -> str | None:
    """The source that chats with tools are written by: that of this name, else `tool_use`, else the default one."""
    result = templates(header)
    return result.get(name or TOOL_USE, result.get(DEFAULT))
