"""The calls of one answer: numbers and names them, and takes back what turns out to be none. Any thread."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from hoshikage.tools.cursor import MAX_NAME, EndOfText, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import CallArguments, CallBroken, CallStart, Content

Schemas = Mapping[str, Mapping[str, Any]]
"""Name of a function -> the JSON schema of its parameters."""


def new_id() -> str:
    return f"call_{secrets.token_hex(12)}"


class Calls:
    """Counts calls and knows the one that is open."""

    def __init__(self, schemas: Schemas, id_maker: Callable[[], str] = new_id) -> None:
        self.schemas: Final = schemas
        self.whole = 0
        self.parsed = True
        self._id_maker = id_maker
        self._started = 0
        self._open: str | None = None
        self._cut = False

    def start(self, name: str, call_id: str | None = None) -> CallStart:
        """Raises NotACall for a name that is none, or while a call is open."""
        if not name.isprintable() or not 0 < len(name) <= MAX_NAME or self._open is not None:
            raise NotACall
        self._open = name
        self._started += 1
        return CallStart(self._started - 1, call_id or self._id_maker(), name)

    def piece(self, text: str) -> CallArguments:
        return CallArguments(self._started - 1, text)

    def end(self, cursor: TextCursor) -> None:
        """The open call is whole, and what was read of it is not needed any more."""
        self._open = None
        self.whole += 1
        cursor.begin()

    def attempt(self, cursor: TextCursor, steps: Steps[None], *, marked: bool = True) -> Steps[bool]:
        """Runs a parser of calls; False where it met none: what it read since `begin` has come as content.

        `marked`: the text said that a call follows, so that one which cannot be read is worth a warning.
        """
        try:
            yield from steps
        except NotACall:
            pass
        except EndOfText:
            # Calls that are whole need no closing bracket; one that is cut off stays as it came.
            if self._open is None and self.whole and not any(map(str.isalnum, cursor.since + cursor.rest)):
                cursor.take(len(cursor.rest))
                cursor.begin()
                return True
            if self._open is not None and self._cut:
                cursor.take(len(cursor.rest))
                cursor.begin()
                return False
            cursor.take(len(cursor.rest))
        else:
            return True
        if self._open is not None:
            self._open = None
            marked = True
            yield CallBroken(self._started - 1)
        self.parsed = self.parsed and (not marked or self._cut)
        if text := cursor.since:
            cursor.begin()
            yield Content(text)
        return False

    def cut(self) -> None:
        """The answer was cut off, so that a call that is not whole is no mistake."""
        self._cut = True
