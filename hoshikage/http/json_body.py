"""Reads strict JSON request bodies: what is refused before a schema sees it. Event loop thread; large bodies in a
worker.

Refused: another media type from a browser, more than 4 MiB (and 16 MiB of pictures and sounds, where those may be),
bytes that are not UTF-8, a byte order mark, a name twice in one object, NaN and infinities, integers beyond 64 bits,
nesting beyond 32 levels, more than 100,000 values, lone surrogates.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final

from aiohttp import web

from hoshikage.errors import BodyEmpty, BodyTooLarge, Detail, InvalidRequest, UnsupportedMediaType
from hoshikage.frozen import Frozen
from hoshikage.http.bodies import MAX_BYTES, MAX_MEDIA_BYTES
from hoshikage.http.keys import BODIES

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 100_000
MAX_INTEGERS: Final = 1_000_000
"""Arrays of nothing but whole numbers may have this many, as they cost little: a prompt of token ids may be as long as
a context."""
NUMERIC: Final = b"0123456789-, \t\r\n"
BROWSERS_SEND: Final = ("Origin", "Sec-Fetch-Site")
"""Headers of which a browser sends at least one with every POST, and no other program has a need for."""
WORKER_BYTES: Final = 128 * 1024
"""A larger body, in bytes, is parsed in a worker thread: it would hold up other clients."""
MEDIA_FIELDS: Final = frozenset({"url", "image_url", "data", "images"})
"""Fields of these names hold pictures and sounds, in all protocols."""
STRUCTURE: Final = (b",", b"[", b"{")
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**64 - 1
SHOWN_CHARACTERS: Final = 60
SHOWN_PLACE: Final = 240
"""A path is cut in its middle where it has more characters than these."""

Link = tuple[Any, str | int]
"""A Link is a value's place: the link of its container, and its name or index there."""


async def read_json(request: web.Request, *, declared: bool = False, media: bool = False) -> Any:
    """Reads the body as Python values. Raises UnsupportedMediaType, BodyTooLarge, RequestTimedOut or InvalidRequest.

    A page of another site can send a body of another type than JSON without asking, but never without these headers;
    programs often send JSON under another type or none. `declared`: it must be declared as JSON all the same.
    `media`: there may be pictures and sounds in it, for which there is room of their own.
    """
    return await _read(request, parse, declared, MAX_BYTES + MAX_MEDIA_BYTES if media else MAX_BYTES)


async def read_json_if_any(request: web.Request, *, declared: bool = False) -> Any:
    """Returns the body as `read_json` does; None where it is empty."""
    return await _read(request, lambda raw: parse(raw) if raw else None, declared, MAX_BYTES)


async def _read(request: web.Request, made: Callable[[bytes], Any], declared: bool, limit: int) -> Any:
    by_browser = any(name in request.headers for name in BROWSERS_SEND)
    if request.content_type != "application/json" and (declared or by_browser):
        raise UnsupportedMediaType("http.content_type")
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("http.content_type")
    if (request.content_length or 0) > limit:
        raise BodyTooLarge("http.body_too_large", limit=limit)
    try:
        async with request.app[BODIES].of(request, limit) as raw:
            if not raw and request.headers.get("Content-Encoding"):  # aiohttp gives nothing for one that is cut short
                raise InvalidRequest("http.body_undecodable")
            return await asyncio.to_thread(made, raw) if len(raw) >= WORKER_BYTES else made(raw)
    except web.RequestPayloadError:
        raise InvalidRequest("http.body_undecodable") from None


def parse(raw: bytes) -> Any:
    """Parses strict JSON. Raises InvalidRequest that names the place."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("http.body_encoding", position=error.start) from None
    if not text.strip():
        raise BodyEmpty("http.body_empty")
    if text.startswith("\ufeff"):
        raise InvalidRequest("http.body_bom")
    values, integers = _values(raw)
    if values > MAX_VALUES or integers > MAX_INTEGERS:
        raise InvalidRequest("http.body_values", limit=MAX_VALUES if values > MAX_VALUES else MAX_INTEGERS)
    try:
        tree = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise InvalidRequest("http.body_syntax", line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise InvalidRequest("http.body_depth", place="body", limit=MAX_DEPTH) from None
    _examine(tree)
    if len(raw) > MAX_BYTES and len(raw) - _media_size(tree) > MAX_BYTES:
        raise BodyTooLarge("http.body_too_large", limit=MAX_BYTES)
    return tree


def _media_size(tree: Any) -> int:
    """Returns how much of the body is pictures and sounds, by the names that those have everywhere."""
    size = 0
    pending = [("", tree)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending += value.items()
        elif isinstance(value, list):
            pending += [(name, one) for one in value]
        elif name in MEDIA_FIELDS and isinstance(value, str):
            size += len(value)
    return size


def _values(raw: bytes) -> tuple[int, int]:
    """Returns about how many values it holds, and how many more in arrays of whole numbers; never fewer than a parser
    would make. A hostile 4 MiB has millions of them."""
    maximum = sum(map(raw.count, STRUCTURE))
    if maximum <= MAX_VALUES:
        return maximum, 0
    plain = raw.replace(rb"\\", b"").replace(rb"\"", b"")  # what is left of quotes begins and ends strings
    if (quotes := plain.count(b'"')) > 4 * MAX_VALUES:  # a value is two strings at most: its name and itself
        return quotes // 4, 0
    outside = b'"'.join(plain.split(b'"')[::2])
    if (arrays := outside.count(b"[")) > MAX_VALUES:
        return arrays, 0
    integers = 0
    for part in outside.split(b"[")[1:]:
        inner, closed, _ = part.partition(b"]")
        if closed and not inner.strip(NUMERIC):
            integers += inner.count(b",")
    return sum(map(outside.count, STRUCTURE)) - integers, integers


class _Flaw(Frozen, frozen=True):
    """Stands in the tree for a value that is refused, until its place is known."""

    key: str
    shown: str


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Flaw:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return _Flaw("http.duplicate_key", twice)


def _constant(name: str) -> _Flaw:
    return _Flaw("http.not_finite", name)


def _float(digits: str) -> float | _Flaw:
    number = float(digits)
    return number if math.isfinite(number) else _Flaw("http.not_finite", digits)


def _integer(digits: str) -> int | _Flaw:
    if len(digits) <= 20 and MIN_INTEGER <= (number := int(digits)) <= MAX_INTEGER:
        return number
    return _Flaw("http.integer_size", digits)


def _examine(tree: Any) -> None:
    """Raises InvalidRequest for the first refused value. Iterative: depth is what it guards against."""
    pending: list[tuple[Any, Link | None, int]] = [([tree], None, 0)]
    while pending:
        container, link, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise _refusal("http.body_depth", link, limit=MAX_DEPTH)
        named = type(container) is dict
        for name, value in container.items() if named else enumerate(container):
            kind = type(value)
            if kind is dict or kind is list:
                pending.append((value, (link, name), depth + 1))
            elif kind is _Flaw:
                raise _refusal(value.key, (link, name), shown=_printable(value.shown))
            elif kind is str and not _encodable(value):
                raise _refusal("http.surrogate", (link, name))
        if named and not all(map(_encodable, container)):
            raise _refusal("http.surrogate", link)


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refusal(key: str, link: Link | None, **details: Detail) -> InvalidRequest:
    place = _place(link)
    return InvalidRequest.of(key, {"place": place or "body", **details}, param=place or None)


def _place(link: Link | None) -> str:
    """Writes a place as `messages[0].content`, a long one as `tools[0].a.….z`; empty for the body itself."""
    names: list[str | int] = []
    while link is not None:
        link, name = link
        names.append(name)
    parts = [f"[{name}]" if isinstance(name, int) else f".{_printable(name)}" for name in names[-2::-1]]
    ends = [*accumulate(map(len, parts))]  # of the names, the last was the wrapping list's index
    if ends and ends[-1] > SHOWN_PLACE:
        last, half = ends[-1], SHOWN_PLACE // 2
        head = [part for part, end in zip(parts, ends, strict=True) if end <= half]
        tail = [part for part, end in zip(parts, ends, strict=True) if last - end + len(part) <= half]
        parts = [*head, ".…", *tail]
    return "".join(parts).removeprefix(".")


def _printable(text: str) -> str:
    """Makes a client's own word short and safe to quote in an answer."""
    short = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return short.encode("utf-8", "replace").decode()
