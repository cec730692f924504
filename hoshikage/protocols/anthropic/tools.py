"""Tools of a Messages request: the client's own, and Anthropic's that the client carries out. Any thread; pure.

A tool of Anthropic's has no schema in the request, since its models know it; others need one. Tools that Anthropic
itself would carry out cannot be offered: they are left out and named as ignored, unless the request insists on one.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Final

from msgspec import Meta, Struct

from hoshikage.answer.schema import tools
from hoshikage.answer.schema.output import Schema
from hoshikage.answer.schema.tools import FunctionSpec
from hoshikage.http.ignored import note
from hoshikage.protocols.anthropic.blocks import needed

_TEXT: Final[Schema] = {"type": "string"}
_EDITOR: Final[Schema] = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "enum": ["view", "create", "str_replace", "insert"]},
        "path": {"type": "string", "description": "Absolute path of a file or folder"},
        "file_text": {"type": "string", "description": "For create: the whole text"},
        "old_str": {"type": "string", "description": "For str_replace: the text to replace, which must be unique"},
        "new_str": {"type": "string", "description": "For str_replace: the text in its place"},
        "insert_line": {"type": "integer", "description": "For insert: the line behind which the text goes"},
        "insert_text": {"type": "string", "description": "For insert: the text"},
        "view_range": {"type": "array", "items": {"type": "integer"}, "description": "For view: first and last line"},
    },
    "required": ["command", "path"],
}
_BASH: Final[Schema] = {
    "type": "object",
    "properties": {"command": _TEXT, "restart": {"type": "boolean", "description": "Begin a new shell"}},
}
CLIENT_TOOLS: Final[dict[str, tuple[str, Schema]]] = {
    "bash": ("Runs a command in a shell that stays open between calls.", _BASH),
    "text_editor": ("Shows and changes files.", _EDITOR),
}
"""Maps the kind of a tool, without the date in its name, to what it does, and its schema."""
_DATE: Final = re.compile(r"_\d{8}$")


class AnthropicTool(Struct, frozen=True):
    """A client offers it to the model."""

    ECHOED: ClassVar[frozenset[str]] = frozenset({"cache_control"})

    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_.-]{1,256}$")]
    type: str | None = None
    description: str | None = None
    input_schema: Schema | None = None
    eager_input_streaming: bool | None = None
    """A call's input comes in pieces, before it is known to be one; else whole."""
    strict: bool | None = None
    defer_loading: bool | None = None
    """A tool whose loading is deferred is shown once a result has named it."""


def functions(offered: list[AnthropicTool], referenced: set[str], insisted: str | None) -> list[tools.Tool]:
    """Lists the functions that the model may call; `insisted` is the name of one that must be among them."""
    result: list[tools.Tool] = []
    for index, tool in enumerate(offered):
        place = f"tools[{index}]"
        if tool.defer_loading and tool.name not in referenced and tool.name != insisted:
            continue
        kind = None if tool.type in (None, "custom") else _DATE.sub("", str(tool.type))
        if kind is None:
            schema = needed(tool.input_schema, f"{place}.input_schema")
            result.append(tools.Tool("function", FunctionSpec(tool.name, tool.description, schema, tool.strict)))
        elif kind in CLIENT_TOOLS or tool.input_schema is not None:
            words, schema = CLIENT_TOOLS.get(kind, (tool.description, tool.input_schema))
            result.append(tools.Tool("function", FunctionSpec(tool.name, tool.description or words, schema)))
        else:
            note(f"{place}: {tool.type}")
    return result
