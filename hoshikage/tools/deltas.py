"""What an answer is made of, piece by piece: text, thoughts and calls of tools. Any thread; frozen values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Content:
    """Text of the answer. Never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Text of the thoughts before the answer. Never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """A call of a function begins; its arguments follow in pieces."""

    index: int
    """0, 1, 2, in the order of the answer."""
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """A piece of the arguments' text, which is JSON but where the call was cut off or is broken. Never empty."""

    index: int
    piece: str


Delta = Content | Reasoning | CallStart | CallArguments
"""Nothing that was told is taken back: an answer is what its deltas come to, however it is sent."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The end of an answer."""

    deltas: tuple[Delta, ...]
    parsed: bool
    """False where something that looked like a call could not be read to its end."""
    calls: int
    """How many calls there are."""
