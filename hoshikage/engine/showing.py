"""Lets a session see a picture or hear a sound: it is computed alone, between the decodes of all. Engine thread."""

from __future__ import annotations

from collections.abc import Iterable

from hoshikage.engine.running import Running
from hoshikage.llama.context import Context
from hoshikage.llama.projector import Projector


class Showing:
    """Borrows its context and its projector."""

    def __init__(self, context: Context, projector: Projector) -> None:
        self._context = context
        self._projector = projector

    def next(self, sessions: Iterable[Running]) -> Running | None:
        """Returns the first session in whose text a picture or sound is next."""
        return next((one for one in sessions if one.sequence.spans is not None and not one.pending), None)

    def show(self, running: Running) -> bool:
        """Computes what is next in its text. False: it was aborted.

        Raises KvMemoryFull, InferenceFailed. Then, and where it was aborted, some of it may be in memory.
        """
        sequence, piece = running.sequence, running.medium
        assert piece is not None
        place = sequence.position(sequence.n_past)
        if not self._projector.show(self._context, piece, place, sequence.number):
            return False
        sequence.n_past += piece.n_tokens
        return True
