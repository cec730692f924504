"""Decides what of the running sessions goes into the next decode. Engine thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from hoshikage.engine.costs import BatchCost
from hoshikage.engine.running import Running, Turns, parted
from hoshikage.engine.sequence_pool import SequencePool
from hoshikage.engine.session import Session
from hoshikage.llama.context import Context

Filled = list[tuple[Running, int]]
"""These are sessions with the number of their tokens in a batch."""


class Filling:
    """Fills the batch of a context from the sessions that run."""

    def __init__(
        self,
        context: Context,
        pool: SequencePool,
        running: Sequence[Running],
        several: BatchCost | None,
        send_away: Callable[[], bool],
        fail: Callable[[Session, Exception], None],
    ) -> None:
        """Groups and chunks go by `several`, where there are several sequences. `send_away` takes its sequence from one
        of them, and tells whether it could; `fail` ends one."""
        self._context = context
        self._pool = pool
        self._running = running
        self.fill: Callable[[], Filled] = self._fill_one if several is None else partial(self._fill_all, several)
        """Puts what is computed next into the batch: who has how many tokens in it."""
        self._send_away = send_away
        self._fail = fail
        self._turns = Turns()
        self.n_prompt = 0
        """So many prompt tokens were put into the last batch beside answers that flow."""

    def _fill_one(self) -> Filled:
        context, running = self._context, self._running[0]
        context.batch.clear()
        try:
            count = running.fill(context.batch, context.n_batch)
        except Exception as error:  # noqa: BLE001 - a fault in one job must not end those of others
            self._fail(running.session, error)
            return []
        return [(running, count)] if count else []

    def _fill_all(self, cost: BatchCost) -> Filled:
        """The answers that flow go first, each with all it has; prompts share what room is left."""
        context = self._context
        context.batch.clear()
        flowing, prompts = parted(self._running)
        needed = sum(running.pending for running in flowing)
        while self._pool.cells_left < max(needed, 1) and (self._pool.evict() or self._send_away()):
            flowing, prompts = parted(self._running)
            needed = sum(running.pending for running in flowing)
        room = min(context.n_batch, max(self._pool.cells_left, 1))
        if not prompts and len(flowing) > 1:
            flowing = self._turns.group(flowing, cost)
            needed = sum(running.pending for running in flowing)
        filled: Filled = []
        for running in flowing:
            needed -= running.pending  # what those behind it must have
            if room > needed:
                room -= self._put(running, context, room - needed, filled)
        if filled:
            room = min(room, cost.chunk)
        self.n_prompt = 0
        beside = len(filled)
        for running in prompts:
            if room > 0:
                room -= self._put(running, context, room, filled)
        if beside:
            self.n_prompt = sum(count for _, count in filled[beside:])
        return filled

    def _put(self, running: Running, context: Context, room: int, filled: Filled) -> int:
        """Puts what it has to compute into the batch, and how much it is into `filled`; nothing where it fails."""
        batch = context.batch
        begin = batch.n_tokens
        try:
            count = running.fill(batch, room)
        except Exception as error:  # noqa: BLE001 - as above
            batch.n_tokens = begin
            self._fail(running.session, error)
            return 0
        filled.append((running, count))
        return count
