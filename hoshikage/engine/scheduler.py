"""The step of the engine: admit, decode one batch over all running sessions, sample each. Engine thread.

One session is the default number, not a special case. Each session starts from empty KV memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hoshikage import wire
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.session import Session
from hoshikage.errors import HoshikageError, ShuttingDown
from hoshikage.llama.context import Context

OpenSession = Callable[[wire.Generate], Session]


class Scheduler:
    """Holds the jobs that wait and the sessions that run over one context."""

    def __init__(
        self,
        context: Context,
        open_session: OpenSession,
        cancels: Cancels,
        emit: Callable[[wire.Event], None],
        slots: int = 1,
    ) -> None:
        """`open_session` may raise HoshikageError, which ends that job alone."""
        self._context = context
        self._open_session = open_session
        self._cancels = cancels
        self._emit = emit
        self._slots = slots
        self._waiting: deque[wire.Generate] = deque()
        self._running: list[Session] = []

    @property
    def busy(self) -> bool:
        return bool(self._running or self._waiting)

    def submit(self, job: wire.Generate) -> None:
        self._waiting.append(job)

    def step(self) -> None:
        """One decode for all. What the library raises is for the caller to pass to `fail`."""
        if self._waiting and len(self._running) < self._slots:
            self._admit()
        running = self._running
        if not running:
            return
        context = self._context
        context.batch.clear()
        for session in running:
            session.fill(context)
        decoded = context.decode()
        ended: list[Session] = []
        for session in running:
            if self._cancels.wanted(session.job):
                session.cancel()
            elif not decoded:
                continue
            elif session.batch_index is None:
                session.prefilled()
                continue
            elif session.advance():
                continue
            ended.append(session)
        for session in ended:
            self._follow(session)

    def fail(self, error: HoshikageError) -> None:
        """Ends every running session with this error."""
        for session in tuple(self._running):
            self._remove(session)
            self._emit(wire.Failed.of(error, session.job))

    def close(self) -> None:
        """Ends the running sessions as cancelled and refuses those that wait."""
        for session in tuple(self._running):
            session.cancel()
            self._remove(session)
        while self._waiting:
            job = self._waiting.popleft().job
            self._cancels.ended(job)
            self._emit(wire.Failed.of(ShuttingDown("dispatch.shutting_down"), job))

    def _admit(self) -> None:
        job = self._waiting.popleft()
        try:
            session = self._open_session(job)
        except HoshikageError as error:
            self._cancels.ended(job.job)
            self._emit(wire.Failed.of(error, job.job))
            return
        if not self._running:
            self._context.clear()
        self._running.append(session)
        self._cancels.admitted(job.job, self._context.abort)

    def _follow(self, session: Session) -> None:
        """Puts the job's next choice in the place of one that has ended."""
        try:
            follower = session.follower()
        except HoshikageError as error:
            self._remove(session)
            self._emit(wire.Failed.of(error, session.job))
            return
        if follower is None:
            self._remove(session)
            return
        session.close()
        self._running[self._running.index(session)] = follower
        if len(self._running) == 1:
            self._context.clear()

    def _remove(self, session: Session) -> None:
        self._running.remove(session)
        session.close()
        self._cancels.ended(session.job)
