"""Tells the calls of one answer: numbers and names them, and tells one only when it is sure to be one. Any thread."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from hoshikage.tools.cursor import MAX_NAME, EndOfText, Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import CallArguments, CallStart, Content, Delta

Schemas = Mapping[str, Mapping[str, Any]]
"""The name of a function leads here to the JSON schema of its parameters."""


def new_id() -> str:
    return f"call_{secrets.token_hex(12)}"


class Calls:
    """Counts calls and knows the one that is open.

    What has been told of a call is never taken back. One that is marked as a call and names a function of the request
    is told as it comes; where its text breaks off or breaks, its arguments are that text as it stands. Any other is
    told when it is whole, and else is text of the answer.
    """

    def __init__(
        self,
        schemas: Schemas,
        id_maker: Callable[[], str] = new_id,
        opens: tuple[str, ...] = (),
        closes: tuple[str, ...] = (),
    ) -> None:
        """A broken call ends at the marks `opens` and `closes`; those of `closes` are its own."""
        self.schemas: Final = schemas
        self.told = 0
        """There are so many calls."""
        self.parsed = True
        self._id_maker = id_maker
        self._ends = Markers(*opens, *closes) if opens or closes else None
        self._closes = closes
        self._marks = (*opens, *closes)
        self._whole = 0
        self._open: CallStart | None = None
        self._held: list[Delta] | None = None
        """These are not told yet of the open call; None where it is told as it comes."""
        self._told_at = 0
        """The last delta of a call stood at this place in the text."""
        self._cut = False

    def start(self, name: str, call_id: str | None = None) -> CallStart:
        """Raises NotACall for a name that is none, or while a call is open."""
        if not name.isprintable() or not 0 < len(name) <= MAX_NAME or self._open is not None:
            raise NotACall
        if any(mark in f"{call_id} {name}" for mark in self._marks):
            raise NotACall  # a mark between the two is broken, and this is the head of another call
        self._open = CallStart(self.told, call_id or self._id_maker(), name)
        self.told += 1
        return self._open

    @property
    def is_open(self) -> bool:
        """Tells whether a call has begun and has not ended."""
        return self._open is not None

    def piece(self, text: str) -> CallArguments:
        return CallArguments(self.told - 1, text)

    def end(self, cursor: TextCursor) -> None:
        """The open call is whole, and what was read of it is not needed any more."""
        self._open = None
        self._whole += 1
        cursor.begin()

    def attempt(
        self, cursor: TextCursor, steps: Steps[None], *, marked: bool = True, held: bool = False, forced: bool = False
    ) -> Steps[bool]:
        """Runs a parser of calls; False where it met none: what it read since `begin` has come as content.

        `marked`: the text said that a call follows, so that one which cannot be read is worth a warning. `held`: it may
        be none before it is whole, whatever it names. `forced`: a grammar has written it, so that what the end leaves
        of its head is no word of the model's, and is told to nobody.
        """
        unfinished = False
        try:
            yield from self._followed(cursor, steps, held)
        except NotACall:
            pass
        except EndOfText:
            # Calls that are whole need no closing bracket; one that is cut off stays as it came.
            if self._open is None and self._whole and not any(map(str.isalnum, cursor.since + cursor.rest)):
                cursor.take(len(cursor.rest))
                cursor.begin()
                return True
            cursor.take(len(cursor.rest))
            unfinished = True
        else:
            return True
        if self._open is not None and self._held is None:
            self._open = None
            self.parsed = self.parsed and self._cut
            yield from self._broken(cursor)
            return False
        if self._open is not None:
            self._open, self._held = None, None
            self.told -= 1
        self.parsed = self.parsed and (not marked or self._cut)
        if text := cursor.since:
            cursor.begin()
            if not (forced and unfinished):
                yield Content(text)
        return False

    def several(
        self,
        cursor: TextCursor,
        begin: str,
        ends: tuple[str, ...],
        call: Callable[[TextCursor, Calls], Steps[None]],
        *,
        begun: bool = False,
    ) -> Steps[None]:
        """Reads calls with the mark `begin` in front of each, and one of `ends` behind the last where there is one.
        `call` reads one, from behind that mark on; `begun` where the first one's has been read. Raises NotACall,
        EndOfText."""
        if not begun:
            yield from cursor.space()
            yield from cursor.expect(begin)
        while True:
            yield from call(cursor, self)
            yield from cursor.space()
            if (yield from cursor.skip(begin, *ends)) != begin:
                cursor.begin()
                yield from cursor.space()
                return

    def cut(self) -> None:
        """The answer was cut off, so that a call that is not whole is no mistake."""
        self._cut = True

    def _followed(self, cursor: TextCursor, steps: Steps[None], held: bool) -> Steps[None]:
        """Yields the steps, without what is not sure to be a call. Raises NotACall, EndOfText."""
        for delta in steps:
            if self._open is None and self._held is not None:
                yield from self._released()
            if isinstance(delta, CallStart) and (held or delta.name not in self.schemas):
                self._held = []
            if isinstance(delta, CallStart | CallArguments):
                self._told_at = cursor.offset
            if self._held is None or delta is None:
                yield delta
            else:
                self._held.append(delta)
        yield from self._released()

    def _released(self) -> Steps[None]:
        held, self._held = self._held, None
        yield from held or ()

    def _broken(self, cursor: TextCursor) -> Steps[None]:
        """Yields the rest of a call that has begun, as it stands: up to a mark of the format, or the end."""
        untold = cursor.offset - self._told_at
        if text := cursor.since[-untold:] if untold else "":
            yield self.piece(text)
        while True:
            start, met = len(cursor.rest), None
            if self._ends is not None:
                start, met, _ = self._ends.search(cursor.rest, cursor.ended)
            if start:
                yield self.piece(cursor.take(start))
            if met is not None or cursor.ended:
                break
            yield None
        yield from cursor.space()
        while self._closes and (yield from cursor.skip(*self._closes)) is not None:
            yield from cursor.space()
        cursor.begin()
