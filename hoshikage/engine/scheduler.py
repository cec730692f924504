"""Does the step of the engine: admit, decode one batch over all running sessions, sample each. Engine thread.

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
from hoshikage.engine.costs import BatchCost
from hoshikage.engine.device_sampling import DeviceSampling
from hoshikage.engine.faults import failure_of, report
from hoshikage.engine.filling import Filled, Filling
from hoshikage.engine.overlap import Overlap
from hoshikage.engine.running import Running, arrival, with_follower
from hoshikage.engine.sequence_pool import SequencePool
from hoshikage.engine.session import Session
from hoshikage.engine.showing import Showing
from hoshikage.engine.waking import adapters_of, sequence_for, turn
from hoshikage.errors import HoshikageError, KvMemoryFull, ShuttingDown
from hoshikage.infos import Timings
from hoshikage.llama.context import Context

OpenSession = Callable[[wire.Generate], Session]
Decoded = list[tuple[Running, int | None]]
"""These are sessions, each with the index of the logits to sample from; None where more of its prompt is to come."""
AHEAD: Final = 256
"""There must be cells for so many tokens of an answer before it begins beside others."""


class Scheduler:
    """Holds the jobs that wait and the sessions that run over one context."""

    def __init__(
        self,
        context: Context,
        open_session: OpenSession,
        cancels: Cancels,
        emit: Callable[[wire.Event], None],
        cost: BatchCost | None = None,
        pool: SequencePool | None = None,
        showing: Showing | None = None,
    ) -> None:
        """Whatever `open_session` raises, it ends that job alone. `cost` learns from what is decoded, where that is
        given; `showing` computes pictures and sounds."""
        self._context = context
        self._open_session = open_session
        self._cancels = cancels
        self._emit = emit
        self._pool = pool or SequencePool(context, context.n_sequences)
        self._cost = cost
        self._showing = showing
        self._waiting: deque[wire.Generate] = deque()
        self._standing: list[Session] = []
        """These are open without a sequence, the next to begin or those that gave theirs back; in order of arrival."""
        self._running: list[Running] = []
        """Running sessions stand in order of arrival."""
        several = (cost or BatchCost(context.n_batch)) if context.n_sequences > 1 else None
        self._filling = Filling(context, self._pool, self._running, several, self._send_away, self._fail)
        self._tries = 0
        """Room was made so often since a text has grown."""
        self._crowded = False
        """Whether nobody may begin before a running session has ended."""
        self._waking = False
        """This tells whether one of them has an adapter that is active from its invocation on."""
        self._overlap = Overlap()
        self._device = DeviceSampling()
        self._untold: list[Running] = []
        """The tokens of these sessions are chosen and not told yet: that is done while the next decode is computed."""

    @property
    def busy(self) -> bool:
        return bool(self._running or self._waiting or self._standing)

    @property
    def _begun(self) -> list[Running | Session]:
        """Lists all that are open, with a sequence or without."""
        return [*self._running, *self._standing]

    def submit(self, job: wire.Generate) -> None:
        self._waiting.append(job)

    def step(self) -> None:
        """Decodes once for all. What the library raises is for the caller to pass to `fail`; what one session raises
        ends that session's job alone."""
        if self._waiting or self._standing or self._waking:
            self._admit()
        if not self._running:
            return
        context = self._context
        if self._showing is not None and not self._show_next(self._showing):
            return
        filled = self._filling.fill()
        if not filled:
            return
        cost, overlap = self._cost, self._overlap
        begun = time.perf_counter()
        try:
            decoded = context.decode()
        except KvMemoryFull as error:
            ended = self.tell()
            self._pool.restore()
            if not ended and not self._pool.evict():
                self._make_room(error)
            return
        if decoded:
            # All are told what has been computed of them before anyone leaves: who leaves may empty the memory.
            n_tokens, flowing = 0, True
            for running, count in filled:
                running.sequence.n_past += count - len(running.proposed)
                n_tokens += count
                flowing = flowing and running.session.flows
            if flowing and not overlap.is_known:
                overlap.measure(begun, context.synchronize)
            if self._untold:
                self.tell()
            if cost is not None and (flowing or self._filling.n_prompt):
                context.synchronize()  # a decode may return before it is done
                cost.took(n_tokens, self._filling.n_prompt, time.perf_counter() - begun)
        else:
            self.tell()
            self._pool.restore()
        for running in tuple(self._running):
            if self._cancels.wanted(running.job):
                self._give_up(running)
        if decoded:
            self._advance(filled, begun if flowing and n_tokens == 1 else 0.0)

    def tell(self) -> bool:
        """Tells the tokens that are chosen and not told. Whether somebody's answer ended with that, which gave room."""
        untold, self._untold = self._untold, []
        ended = False
        for running in untold:
            if running not in self._running:  # its job has failed
                continue
            try:
                if not running.session.tell():
                    ended = True
                    self._follow(running)
            except Exception as error:  # noqa: BLE001 - as above
                ended = True
                self._fail(running.session, error)
        return ended

    def fail(self, error: HoshikageError) -> None:
        """Ends every running session with this error."""
        while self._running:
            self._fail(self._running[0].session, error)
        self._pool.reclaim(())
        self._pool.forget()

    def close(self) -> None:
        """Ends the sessions that have begun as cancelled and refuses those that wait."""
        while begun := self._begun:
            self._give_up(begun[0])
        while self._waiting:
            job = self._waiting.popleft().job
            self._cancels.ended(job)
            self._emit(wire.Failed.of(ShuttingDown("dispatch.shutting_down"), job))

    # Who runs

    def _admit(self) -> None:
        for one in tuple(self._standing):
            if self._cancels.wanted(one.job):
                self._give_up(one)
        if self._waking:
            self._waking = turn(self._running, self._standing, self._pool)
        if self._running and (self._crowded or any(one.session.asleep for one in self._running)):
            return
        while self._pool.free and (self._standing or self._waiting):
            if not self._standing:
                self._open()
                continue
            # Who wants a sequence that somebody has waits for it, and lets others pass.
            session = next((one for one in self._standing if self._pool.has(one.plan.slot)), None)
            if session is None:
                if not self._waiting:
                    return
                self._open()
                continue
            try:
                if not self._begin(session):
                    return
            except Exception as error:  # noqa: BLE001 - a fault in one job must not end those of others
                self._fail(session, error)

    def _open(self) -> None:
        self.tell()  # making a job ready may take a while
        job = self._waiting.popleft()
        try:
            if self._cancels.wanted(job.job):
                self._emit(wire.Finished(job.job, "cancelled", 0, 0, Timings(0.0, 0.0, 0.0)))
            else:
                self._standing.append(self._open_session(job))
                return
        except Exception as error:  # noqa: BLE001 - as above
            self._emit(wire.Failed.of(failure_of(error, self._emit), job.job))
        self._cancels.ended(job.job)

    def _begin(self, session: Session) -> bool:
        """Gives a sequence to the session that has waited longest. False where there are not the cells for it yet."""
        cells = min(session.longest, len(session.tokens) + AHEAD)
        if not (self._pool.adapt(adapters_of(session)) and self._has_cells(cells)):
            return False
        sequence = sequence_for(session, self._pool)
        if sequence is None:
            return False
        self._waking = self._waking or session.plan.wakes > 0
        insort(self._running, Running(session, sequence), key=arrival)
        self._standing.remove(session)
        self._cancels.admitted(session.job, self._context.abort)
        return True

    def _has_cells(self, wanted: int) -> bool:
        """Returns whether these cells suffice beside what the running sessions will soon need; for one alone always."""
        if not self._running:
            return True
        for running in self._running:
            session = running.session
            wanted += min(session.longest, len(session.tokens) + AHEAD) - running.sequence.n_past
        return wanted <= self._pool.cells_left + self._pool.cells_kept

    def _send_away(self) -> bool:
        """Takes its sequence from the session that came last. False where there is but one."""
        if self.tell():
            return True
        if len(self._running) < 2:
            return False
        running = self._running.pop()
        if running.movable is not None:
            running.movable.come_back()
        insort(self._standing, running.session, key=arrival)
        self._pool.release(running.sequence, keep=False)
        return True

    def _make_room(self, error: KvMemoryFull) -> None:
        """On releases that want a batch's cells side by side there may be too few of those although enough are free.

        In turn, a session gives its sequence back until another has ended, and all texts are computed again from an
        empty memory. Where no text has grown by that, the last job that runs ends with the error.
        """
        self._tries += 1
        if self._tries > 2 * self._context.n_sequences + 1:
            self._tries = 0
            self._fail(self._running[-1].session, error)
        elif self._tries % 2 and self._send_away():
            self._crowded = True
        else:
            self._pool.forget()

    def _give_up(self, ended: Running | Session) -> None:
        """Ends one that its caller wants no more of."""
        session = ended.session if isinstance(ended, Running) else ended
        try:
            session.cancel()
            self._remove(ended)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(session, error)

    def _remove(self, ended: Running | Session) -> None:
        """Takes leave of a session that has ended: all that it has is free again."""
        try:
            if isinstance(ended, Running):
                self._running.remove(ended)
                self._crowded = False
                sequence, session = ended.sequence, ended.session
                sequence.n_past = min(sequence.n_past, len(session.tokens))  # more is computed where text has ended it
                if wakes := session.plan.wakes:  # what is kept was computed without the adapter
                    self._pool.cut(sequence, min(sequence.n_past, wakes))
                self._pool.release(sequence, keep=session.plan.reuse)
            else:
                self._standing.remove(ended)
        finally:
            session = ended.session if isinstance(ended, Running) else ended
            try:
                session.close()
            finally:
                if not any(other.job == session.job for other in self._begun):
                    self._cancels.ended(session.job)

    def _fail(self, session: Session, error: Exception) -> None:
        """Ends its job with this error. Whatever else goes wrong, all its sessions are gone and it is told one end."""
        failure = failure_of(error, self._emit)
        for each in self._begun:
            if each.job == session.job:
                try:
                    self._remove(each)
                except Exception as fault:  # noqa: BLE001 - it is gone all the same
                    report(fault, self._emit)
        self._pool.reclaim(running.sequence for running in self._running)
        self._cancels.ended(session.job)
        session.fail(failure)

    # Pictures and sounds

    def _show_next(self, showing: Showing) -> bool:
        """Lets one session see or hear what is next in its text. False where nothing may be decoded in this step."""
        if (running := showing.next(self._running)) is None:
            return True
        self.tell()
        wanted = 0 if running.medium is None else running.medium.n_tokens
        while self._pool.cells_left < wanted and (self._pool.evict() or self._send_away()):
            pass
        if running not in self._running:  # it has given its sequence back
            return True
        shown = False
        try:
            if shown := showing.show(running):
                running.progressed()
        except KvMemoryFull as error:
            self._pool.restore()
            if not self._pool.evict():
                self._make_room(error)
            return False
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(running.session, error)
        if not shown:
            self._pool.restore()
        for each in tuple(self._running):
            if self._cancels.wanted(each.job):
                self._give_up(each)
        if shown and running in self._running and running.session.ran_out():
            self._follow(running)
        return bool(self._running)

    # What comes out

    def _advance(self, filled: Filled, begun: float) -> None:
        """Samples tokens from what was decoded. `begun` is when the decode of one token did, else 0."""
        decoded: Decoded = [(running, running.index) for running, _ in filled]
        for running, index in decoded:
            if running in self._running:  # it has not been given up, nor has its job failed
                decoded += self._sample(running, index)  # further choices come after it in this loop
        if begun and len(self._running) == 1 and (alone := self._running[0]).movable is not None:
            self._device.took(alone, time.perf_counter() - begun, overlaps=self._overlap.pays)

    def _sample(self, running: Running, index: int | None) -> Decoded:
        """Samples a session's next token and follows it. Returns the sessions of further choices that begin with it."""
        session = running.session
        forks: Decoded = []
        try:
            if index is None:
                running.progressed()
                if session.ran_out():
                    self._follow(running)
                return []
            if session.has_more and not session.flows:
                forks = self._fork(running, index)
            self._tries = 0
            later = self._overlap.pays
            goes_on = session.choose(index, running.proposed, later=later)
            if running.proposed and running.verified():
                self._take_back(running)
            if goes_on and later:
                self._untold.append(running)
            elif not session.tell():
                self._follow(running)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(session, error)
            return []
        return forks

    def _take_back(self, running: Running) -> None:
        """Removes guesses that came to nothing from memory."""
        if not self._pool.cut(running.sequence, running.sequence.n_past):  # some of its text is computed again, once
            running.session.stop_proposing()

    def _fork(self, running: Running, index: int) -> Decoded:
        """Opens further choices of a job whose prompt has just been computed, on sequences that nobody else waits
        for."""
        session = running.session
        result: Decoded = []
        while session.has_more and not self._waiting and not self._standing:
            wanted = min(session.plan.prompt.limit, AHEAD)
            if not self._has_cells(wanted) or (sequence := self._pool.fork(running.sequence)) is None:
                break
            result.append((with_follower(session, sequence), index))
            insort(self._running, result[-1][0], key=arrival)
        return result

    def _follow(self, running: Running) -> None:
        """Puts the job's next choice in the place of one that has ended; both have the same prompt."""
        session, sequence = running.session, running.sequence
        if not session.has_more:
            self._remove(running)
            return
        kept = session.plan.wakes if session.plan.exact else len(session.plan.prompt.tokens) - 1
        self._pool.cut(sequence, min(sequence.n_past, kept))
        self._running[self._running.index(running)] = with_follower(session, sequence)
        session.close()
