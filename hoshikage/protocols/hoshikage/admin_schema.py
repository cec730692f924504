"""Defines the bodies of /admin's POSTs. Any thread; pure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.schema.values import Stop
from hoshikage.errors import InvalidRequest
from hoshikage.options import OWN
from hoshikage.options import PERSONA as PERSONA_OPTIONS


class NewModel(Struct, frozen=True):
    """This is a model to register."""

    name: str
    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    """`path` names the GGUF file, and is absolute, as the server's working folder is not the client's."""
    stop: Annotated[list[Annotated[Stop, Meta(min_length=1)]], Meta(max_length=64)] | None = None


class CheckedModel(Struct, frozen=True):
    """This is a model file to look at."""

    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    n_ctx: Annotated[int, Meta(ge=16, le=16_777_216)] | None = None
    mmproj: Annotated[str, Meta(max_length=4096)] | None = None
    """`mmproj` is the model's projector; empty for none, None for the one that registering would take."""


class NewPersona(Struct, frozen=True):
    """This is a model with a character."""

    name: str
    model: str
    system: Annotated[str, Meta(max_length=262_144)]


class LibraryChoice(Struct, frozen=True):
    """This is the library to use from the next load on."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    now: bool = False


class LibraryRollback(Struct, frozen=True):
    """This asks for the way back to the library before."""

    now: bool = False


MODEL: Final = RequestBody(NewModel, options=OWN)
CHECK: Final = RequestBody(CheckedModel)
PERSONA: Final = RequestBody(NewPersona, options=PERSONA_OPTIONS)
USE: Final = RequestBody(LibraryChoice)
ROLLBACK: Final = RequestBody(LibraryRollback)


def parse(tree: Any) -> NewModel:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    body = convert(tree, NewModel, {})
    _require_absolute(body.path)
    return body


def parse_check(tree: Any) -> CheckedModel:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    body = convert(tree, CheckedModel, {})
    _require_absolute(body.path)
    return body


def parse_persona(tree: Any) -> NewPersona:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    return convert(tree, NewPersona, {})


def parse_use(tree: Any) -> LibraryChoice:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    return convert(tree, LibraryChoice, {})


def parse_rollback(tree: Any) -> LibraryRollback:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    return convert(tree, LibraryRollback, {})


def _require_absolute(path: str) -> None:
    if "\0" in path or not Path(path).is_absolute():
        raise InvalidRequest("http.path_relative", param="path", path=path.replace("\0", "\ufffd"))
