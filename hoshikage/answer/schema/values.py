"""Reads the small values that everyday clients send for "none", "off" and "no bound". Any thread; pure."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from hoshikage.errors import InvalidRequest

MAX_STOP_BYTES: Final = 256
MAX_STOPS: Final = 64

TokenCount = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""This is how many tokens an answer may have: below 0 there is no bound, 0 makes no text."""
Ttl = Annotated[float, Meta(ge=0, le=31_536_000)]
"""A model stays loaded for this many seconds after its last use, whatever IDLE_TIMEOUT says."""
Stop = Annotated[str, Meta(max_length=MAX_STOP_BYTES)]
Stops = Stop | Annotated[list[Stop], Meta(max_length=MAX_STOPS)]
"""A request has one stop string or several; an empty one is none."""


def bound(count: int | None) -> int | None:
    """Returns the most tokens of an answer; None for no bound."""
    return None if count is None or count < 0 else count


def stops(value: str | list[str] | None, place: str = "stop") -> tuple[str, ...]:
    """Returns the stop strings that are not empty. Raises InvalidRequest for one that is too long in UTF-8."""
    listed = [value] if isinstance(value, str) else list(value or ())
    for index, stop in enumerate(listed):
        if len(stop.encode()) > MAX_STOP_BYTES:
            where = place if isinstance(value, str) else f"{place}[{index}]"
            raise InvalidRequest("http.stop_bytes", param=where, place=where, limit=MAX_STOP_BYTES)
    return tuple(filter(None, listed))
