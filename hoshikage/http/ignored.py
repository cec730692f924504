"""Gathers what a request says and nobody obeys, while it is read, and tells it in a header and a debug line. Event
loop.

One mechanism serves every protocol. A route reads its body with `read_body`, which finds the fields that no schema
knows and those that a schema accepts without effect; what is left out later (a tool that cannot be offered, an image)
is added with `current().add(place)`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from aiohttp import web

from hoshikage.http.json_body import read_json

HEADER: Final = "X-Hoshikage-Ignored"
MAX_NAMES: Final = 32
MAX_CHARACTERS: Final = 80
"""A longer name is cut; names are the client's own words."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.\[\]:=/ -]")
log: Final = logging.getLogger("hoshikage.server")
T = TypeVar("T")


class Ignored:
    """These places of one request are obeyed by nobody; each stands once, in the order in which they were found."""

    def __init__(self) -> None:
        self._places: dict[str, None] = {}
        self._more = False
        self.lacks_content = False
        """`lacks_content` tells whether a part of what was said is among them, which the answer's own warnings tell."""

    def add(self, place: str) -> None:
        """Names a place, such as `tools[4]: web_search`. Characters that do not belong into a header become `?`."""
        place = _UNSAFE.sub("?", place[:MAX_CHARACTERS])
        if place in self._places:
            return
        if len(self._places) >= MAX_NAMES:
            self._more = True
        else:
            self._places[place] = None

    def update(self, places: Iterable[str]) -> None:
        for place in places:
            self.add(place)

    def __str__(self) -> str:
        return ", ".join((*self._places, *(("...",) if self._more else ())))


_CURRENT: Final[ContextVar[Ignored]] = ContextVar("ignored")


def begin() -> None:
    """Gives the request that the current task answers a collector of its own."""
    _CURRENT.set(Ignored())


def current() -> Ignored:
    """Returns the collector of the request that the current task answers; it is told when the answer's headers go
    out."""
    return _CURRENT.get()


def note(place: str, *, is_content: bool = False) -> None:
    """Adds a place to the collector of the request that is being answered, if one is. `is_content`: of a message."""
    result = _CURRENT.get(None)
    if result is not None:
        result.add(place)
        result.lacks_content = result.lacks_content or is_content


def lacks_content() -> bool:
    """Returns whether the request that is being answered has said something that could not be taken."""
    result = _CURRENT.get(None)
    return result is not None and result.lacks_content


async def read_body(
    request: web.Request, parse: Callable[[Any], T], without_effect: Mapping[str, str] = {}, *, media: bool = False
) -> T:
    """Returns the body as `parse` makes it of the request's JSON. Raises what `read_json` and `parse` raise.

    `without_effect` maps the fields that are accepted and change nothing to the reason. `media`: there may be
    pictures and sounds in it.
    """
    tree = await read_json(request, media=media)
    body = parse(tree)
    look(tree, type(body), without_effect)
    return body


def look(tree: Any, kind: type[Any], without_effect: Mapping[str, str]) -> None:
    """Gathers the fields of `tree` that the schema `kind` does not know, and those that change nothing."""
    from hoshikage.http.unknown_fields import idle_fields, unknown_fields

    current().update(unknown_fields(tree, kind, maximum=MAX_NAMES + 1))
    current().update(idle_fields(tree, without_effect))


async def add_header(_request: web.Request, response: web.StreamResponse) -> None:
    """Names what was ignored, as the headers of the answer go out."""
    result = _CURRENT.get(None)
    if result is None or not (places := str(result)):
        return
    response.headers[HEADER] = places
    log.debug("ignored: %s", places)
