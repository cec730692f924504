"""Describes the JSON that a route takes, and what becomes of fields that do no work. Values; any thread."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct

from hoshikage.frozen import Frozen
from hoshikage.option import Option


class RequestBody(Frozen, frozen=True):
    """This names a struct that a body becomes, with what its type alone does not say."""

    struct: type[Struct]
    without_effect: Mapping[str, str] = {}
    """`without_effect` maps the fields that are accepted and change nothing to the reason."""
    neutral: Mapping[str, tuple[Any, ...]] = {}
    """`neutral` maps fields to the only values that are taken of them, those that ask for nothing."""
    options: Iterable[Option] = ()
    """`options` are the settings that the body may have as fields of its own."""
    open_lists: Mapping[str, Collection[str]] = {}
    """The fields whose lists may hold objects of other kinds, which are left out -> the kinds that are known."""
    plain_texts: str = ""
    """`plain_texts` is the field of messages in whose lists of content a plain text may stand for a part."""
    list_alone: str = ""
    """`list_alone` is the field whose list may be sent in the body's place."""
