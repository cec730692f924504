"""The body of POST /admin/models. Any thread; pure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from hoshikage.answer.schema.chat import StopText
from hoshikage.answer.schema.validation import convert
from hoshikage.errors import InvalidRequest


class NewModel(Struct, frozen=True):
    """A model to register."""

    name: str
    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    """Of the GGUF file; absolute, as the server's working folder is not the client's."""
    stop: Annotated[list[StopText], Meta(max_length=64)] | None = None


def parse(tree: Any) -> NewModel:
    """The typed body. Raises InvalidRequest."""
    body = convert(tree, NewModel, {})
    if "\0" in body.path or not Path(body.path).is_absolute():
        raise InvalidRequest("http.path_relative", param="path", path=body.path.replace("\0", "\ufffd"))
    return body
