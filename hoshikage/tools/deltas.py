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
    """A piece of the arguments' JSON text. Never empty."""

    index: int
    piece: str


@dataclass(frozen=True, slots=True)
class CallBroken:
    """What has come of this call was none: its text follows as Content."""

    index: int


Delta = Content | Reasoning | CallStart | CallArguments | CallBroken


@dataclass(frozen=True, slots=True)
class Rest:
    """The end of an answer."""

    deltas: tuple[Delta, ...]
    parsed: bool
    """False where something that looked like a call could not be read and has come as Content."""
    calls: int
    """How many calls are whole."""
