"""The step of the engine: admit, decode one batch over all running sessions, sample each. Engine thread.

One session is the default number, not a special case. Jobs begin in their order of arrival, when a sequence is free and
the KV memory has cells for the prompt and some of the answer; where the cells run out all the same, the session that
came last gives its own back and computes them again later.
"""

from __future__ import annotations

import time
from bisect import insort
from collections import deque
from collections.abc import Callable
from typing import Final

from hoshikage import wire
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.pace import Pace
from hoshikage.engine.prices import Prices
from hoshikage.engine.seats import Seats
from hoshikage.engine.session import Session
from hoshikage.errors import HoshikageError, KvMemoryFull, ShuttingDown
from hoshikage.llama.context import MOST_GUESSED, Context
from hoshikage.params import Timings

OpenSession = Callable[[wire.Generate], Session]
Filled = list[tuple[Session, int]]
"""Sessions with the number of their tokens in a batch."""
LOOK_AGAIN: Final = 64
"""After so many decodes of several answers their price is measured anew."""
AHEAD: Final = 256
"""Tokens of an answer for which there must be cells before it begins beside others."""


class Scheduler:
    """Holds the jobs that wait and the sessions that run over one context."""

    def __init__(
        self,
        context: Context,
        open_session: OpenSession,
        cancels: Cancels,
        emit: Callable[[wire.Event], None],
        prices: Prices,
        slots: int = 1,
    ) -> None:
        """`open_session` may raise HoshikageError, which ends that job alone. `prices` learn from what is decoded.
        `slots`: the context's sequences."""
        self._context = context
        self._open_session = open_session
        self._cancels = cancels
        self._emit = emit
        self._seats = Seats(context, slots)
        self._several = slots > 1
        self._slots = slots
        self._prices = prices
        self._turn = 0
        """Counts decodes of several answers."""
        self._pace = Pace(context.n_batch)
        self._n_prompt = 0
        """Prompt tokens that were put into the last batch beside answers that flow."""
        self._waiting: deque[wire.Generate] = deque()
        self._standing: list[Session] = []
        """Open, but without a sequence: the next to begin, and those that gave theirs back; in order of arrival."""
        self._running: list[Session] = []
        """In order of arrival."""
        self._tries = self._grown = 0
        """How often room was made, with so many tokens in all texts."""

    @property
    def busy(self) -> bool:
        return bool(self._running or self._waiting or self._standing)

    def submit(self, job: wire.Generate) -> None:
        self._waiting.append(job)

    def step(self) -> None:
        """One decode for all. What the library raises is for the caller to pass to `fail`."""
        if self._waiting or self._standing:
            self._admit()
        if not self._running:
            return
        context = self._context
        context.batch.clear()
        filled = self._fill_all(context) if self._several else self._fill_one(context)
        begun = time.perf_counter()
        try:
            decoded = context.decode()
        except KvMemoryFull:  # releases that want cells side by side may find too few of those
            self._seats.restore()
            if not (self._seats.evict() or self._make_room()):
                raise
            return
        ready: list[Session] = []
        if decoded:
            self._learn(filled, time.perf_counter() - begun)
            # All are told what has been computed of them before anyone leaves: who leaves may empty the memory.
            ready = [session for session, count in filled if session.computed(count)]
        else:
            self._seats.restore()
        for session in tuple(self._running):
            if self._cancels.wanted(session.job):
                session.cancel()
                self._remove(session)
        self._advance(ready)

    def fail(self, error: HoshikageError) -> None:
        """Ends every running session with this error."""
        for job in dict.fromkeys(session.job for session in self._running):
            self._fail(job, error)
        self._seats.forget()

    def close(self) -> None:
        """Ends the sessions that have begun as cancelled and refuses those that wait."""
        for session in (*self._running, *self._standing):
            session.cancel()
            self._remove(session)
        while self._waiting:
            job = self._waiting.popleft().job
            self._cancels.ended(job)
            self._emit(wire.Failed.of(ShuttingDown("dispatch.shutting_down"), job))

    # Who runs

    def _admit(self) -> None:
        for session in tuple(self._standing):
            if self._cancels.wanted(session.job):
                session.cancel()
                self._remove(session)
        while self._seats.free and (self._standing or self._waiting):
            if not self._standing:
                self._open(self._waiting.popleft())
                continue
            session = self._standing[0]
            if not self._has_cells(min(session.longest, len(session.tokens) + AHEAD)):
                return
            reuse = session.plan.reuse and not session.is_scored
            seat = self._seats.take(session.tokens, session.plan.scope, reuse=reuse)
            assert seat is not None
            session.sit(seat)
            del self._standing[0]
            insort(self._running, session, key=_arrival)
            self._cancels.admitted(session.job, self._context.abort)

    def _open(self, job: wire.Generate) -> None:
        if self._cancels.wanted(job.job):
            self._cancels.ended(job.job)
            self._emit(wire.Finished(job.job, "cancelled", 0, 0, Timings(0.0, 0.0, 0.0)))
            return
        try:
            self._standing.append(self._open_session(job))
        except HoshikageError as error:
            self._cancels.ended(job.job)
            self._emit(wire.Failed.of(error, job.job))

    def _has_cells(self, wanted: int) -> bool:
        """Whether so many more suffice beside what the running sessions will soon need. One alone always has enough."""
        if not self._running:
            return True
        for session in self._running:
            assert session.seat is not None
            wanted += min(session.longest, len(session.tokens) + AHEAD) - session.seat.n_past
        return wanted <= self._seats.cells_left + self._seats.cells_kept

    def _send_away(self) -> bool:
        """Takes its sequence from the session that came last. False where there is but one."""
        if len(self._running) < 2:
            return False
        session = self._running.pop()
        assert session.seat is not None
        self._seats.leave(session.seat, keep=False)
        session.seat = None
        insort(self._standing, session, key=_arrival)
        return True

    def _make_room(self) -> bool:
        """A session gives its sequence back; where there is but one, its cells lie scattered, and its text is computed
        again from an empty memory. False where that has been tried often enough and no text has grown since: old
        releases can go on finding no room."""
        grown = sum(len(session.tokens) for session in (*self._running, *self._standing))
        self._tries = self._tries + 1 if grown == self._grown else 1
        self._grown = grown
        if self._tries > self._slots + 1:
            return False
        if not self._send_away():
            self._seats.forget()
        return True

    def _remove(self, session: Session) -> None:
        """Of a session that has ended."""
        if session in self._running:
            self._running.remove(session)
        else:
            self._standing.remove(session)
        if session.seat is not None:
            self._seats.leave(session.seat, keep=session.plan.reuse)
            session.seat = None
        session.close()
        if not any(other.job == session.job for other in (*self._running, *self._standing)):
            self._cancels.ended(session.job)

    def _fail(self, job: int, error: HoshikageError) -> None:
        for session in (*self._running, *self._standing):
            if session.job == job:
                self._remove(session)
        self._emit(wire.Failed.of(error, job))

    # What is decoded

    def _fill_one(self, context: Context) -> Filled:
        session = self._running[0]
        return [(session, session.fill(context.batch, context.n_batch))]

    def _fill_all(self, context: Context) -> Filled:
        """The answers that flow go first, each with all it has; prompts share what room is left."""
        flowing, prompts = self._parted()
        needed = sum(session.pending for session in flowing)
        while self._seats.cells_left < max(needed, 1) and (self._seats.evict() or self._send_away()):
            flowing, prompts = self._parted()
            needed = sum(session.pending for session in flowing)
        room = min(context.n_batch, max(self._seats.cells_left, 1))
        if not prompts and len(flowing) > 1:
            flowing = self._group(flowing)
            needed = sum(session.pending for session in flowing)
        filled: Filled = []
        for session in flowing:
            needed -= session.pending  # what those behind it must have
            if room > needed:
                filled.append((session, session.fill(context.batch, room - needed)))
                room -= filled[-1][1]
        if flowing:
            room = min(room, self._pace.tokens)
        self._n_prompt = 0
        for session in prompts:
            if room > 0:
                filled.append((session, session.fill(context.batch, room)))
                room -= filled[-1][1]
                self._n_prompt += filled[-1][1] if flowing else 0
        return filled

    def _group(self, flowing: list[Session]) -> list[Session]:
        """Those that are decoded now: all, but where fewer at a time are quicker for all. Each has its turn."""
        size = self._prices.best_group(len(flowing))
        self._turn += 1
        if size == len(flowing) or self._turn % LOOK_AGAIN == 0:  # what was slow once may have been an accident
            return flowing
        first = self._turn * size % len(flowing)
        return [*flowing, *flowing][first : first + size]

    def _learn(self, filled: Filled, seconds: float) -> None:
        if self._n_prompt:
            self._pace.took(self._n_prompt, seconds)
        elif all(session.flows for session, _ in filled):
            self._prices.took(sum(count for _, count in filled), seconds)

    def _parted(self) -> tuple[list[Session], list[Session]]:
        """Those that have a few tokens to compute, and those that have a prompt."""
        short = 1 + MOST_GUESSED
        flowing = [session for session in self._running if session.pending <= short]
        return flowing, [session for session in self._running if session.pending > short]

    # What comes out

    def _advance(self, ready: list[Session]) -> None:
        for session in ready:
            if session.seat is not None:  # it has not been given up meanwhile
                ready += self._sample(session)  # further choices come after it in this loop

    def _sample(self, session: Session) -> list[Session]:
        """Its next token, and what follows from it. The sessions of further choices that begin with it."""
        forks: list[Session] = []
        try:
            if session.has_more and not session.flows:
                forks = self._fork(session)
            goes_on = session.advance()
            if session.is_loose:
                self._take_back(session)
            if not goes_on:
                self._follow(session)
        except HoshikageError as error:
            self._fail(session.job, error)
            return []
        return forks

    def _take_back(self, session: Session) -> None:
        """Removes guesses that came to nothing from memory."""
        assert session.seat is not None
        session.is_loose = False
        self._seats.cut(session.seat, session.seat.n_past)
        if not session.seat.n_past:  # the memory cannot: its text is computed again, once
            session.stop_guessing()

    def _fork(self, session: Session) -> list[Session]:
        """Further choices of a job whose prompt has just been computed, on sequences that nobody else waits for."""
        found: list[Session] = []
        source = session.seat
        assert source is not None
        while session.has_more and not self._waiting and not self._standing:
            if not self._has_cells(min(session.plan.prompt.limit, AHEAD)) or (seat := self._seats.fork(source)) is None:
                break
            follower = session.follower()
            seat.tokens = follower.tokens
            follower.sit(seat)
            follower.begin_with(session)
            insort(self._running, follower, key=_arrival)
            found.append(follower)
        return found

    def _follow(self, session: Session) -> None:
        """Puts the job's next choice in the place of one that has ended; both have the same prompt."""
        if not session.has_more:
            self._remove(session)
            return
        seat = session.seat
        assert seat is not None
        follower = session.follower()
        self._running[self._running.index(session)] = follower
        session.seat = None
        session.close()
        self._seats.cut(seat, min(seat.n_past, len(session.plan.prompt.tokens) - 1))
        seat.tokens = follower.tokens
        follower.sit(seat)


def _arrival(session: Session) -> int:
    return session.job
