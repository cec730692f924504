"""Defines what an answer is made of, piece by piece: text, thoughts and calls of tools. Any thread; frozen values."""

from __future__ import annotations

from hoshikage.frozen import Frozen


class Content(Frozen, frozen=True):
    """This is text of the answer. Never empty."""

    text: str


class Reasoning(Frozen, frozen=True):
    """This is text of the thoughts before the answer. Never empty."""

    text: str


class CallStart(Frozen, frozen=True):
    """A call of a function begins; its arguments follow in pieces."""

    index: int
    """`index` is 0, 1, 2, in the order of the answer."""
    id: str
    name: str


class CallArguments(Frozen, frozen=True):
    """This is a piece of the arguments' text, which is JSON but where the call was cut off or is broken. Never
    empty."""

    index: int
    piece: str


Delta = Content | Reasoning | CallStart | CallArguments
"""Nothing that was told is taken back: an answer is what its deltas come to, however it is sent."""


class Rest(Frozen, frozen=True):
    """This is the end of an answer."""

    deltas: tuple[Delta, ...]
    parsed: bool
    """`parsed` is false where something that looked like a call could not be read to its end."""
    calls: int
    """`calls` says how many calls there are."""
