"""Who runs next. Requests wait in order of arrival for a slot; those for the loaded model may go first for a while, so
that alternating clients do not make the models alternate. Those that run together are all for one model: a request for
another waits until the last of them has ended. Event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

from hoshikage.errors import HoshikageError, QueueFull, QueueTimeout, ShuttingDown

GROUP_PATIENCE_S: Final = 10.0
"""So long at most does a request for another model wait behind later ones for the loaded model."""
RETRY_AFTER_S: Final = 5


class Ticket:
    """A place in the queue, and then a slot, until `leave`."""

    def __init__(self, queue: Queue, label: str, arrived: float, key: Hashable) -> None:
        self.label = label
        self.key = key
        """What is the same for all names of one model."""
        self.arrived = arrived
        self.load_s = 0.0
        """What it waited for its model, by whoever has the slot."""
        self._turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the slot is this ticket's, or with the error that ends the wait."""
        self._queue = queue

    @property
    def waits(self) -> bool:
        return not self._turn.done()

    @property
    def place(self) -> int:
        """1 is next, 0 is the slot. It is looked up when somebody asks: whom a change concerns, nobody is told."""
        return self._queue.place_of(self)

    async def wait(self) -> None:
        """Ends when the slot is this ticket's. Raises QueueTimeout, ShuttingDown."""
        timeout = self._queue.timeout
        late = QueueTimeout("dispatch.queue_timeout", seconds=timeout, retry_after=RETRY_AFTER_S)
        # Not asyncio.wait_for: before Python 3.12 it swallows a cancel that meets the end of its wait, and a client
        # that left at that moment would keep the slot.
        timer = asyncio.get_running_loop().call_later(timeout, self.refuse, late)
        try:
            await self._turn
        finally:
            timer.cancel()

    def admit(self) -> None:
        """The slot is this ticket's now."""
        if not self._turn.done():
            self._turn.set_result(None)

    def refuse(self, error: HoshikageError) -> None:
        """Ends the wait with the error; too late for a ticket that has its slot."""
        if not self._turn.done():
            self._turn.set_exception(error)
            self._turn.exception()  # a client that has left hears of it no more

    def leave(self) -> None:
        """Gives up the place or the slot; idempotent."""
        self._queue.left(self)


class Queue:
    """`capacity` run at once, at most `bound` wait, each at most `timeout` seconds."""

    def __init__(
        self,
        capacity: int,
        bound: int,
        timeout: float,
        clock: Callable[[], float],
        on_rest: Callable[[], None] = lambda: None,
    ) -> None:
        """`clock` gives seconds; `on_rest` is called when nothing runs and nothing waits any more."""
        self.timeout = timeout
        self._capacity = capacity
        self._bound = bound
        self._clock = clock
        self._on_rest = on_rest
        self._running: set[Ticket] = set()
        self._waiting: list[Ticket] = []
        self._key: Hashable = None
        self._open = True

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Labels of the models that are waited for, in order of arrival."""
        return tuple(ticket.label for ticket in self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether `enter` would refuse whoever comes."""
        return len(self._running) >= self._capacity and len(self._waiting) >= self._bound

    def place_of(self, ticket: Ticket) -> int:
        """1 is next, 0 is no longer waiting."""
        return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0

    def full(self) -> QueueFull:
        """The refusal of one who finds the queue full."""
        return QueueFull("dispatch.queue_full", bound=self._bound, retry_after=RETRY_AFTER_S)

    def enter(self, label: str, key: Hashable = None) -> Ticket:
        """A ticket at the end of the queue. `key` is the same for all names of one model; None: the label is it.

        Raises QueueFull, ShuttingDown.
        """
        if not self._open:
            raise _shutting_down()
        if self.is_full:
            raise self.full()
        ticket = Ticket(self, label, self._clock(), label if key is None else key)
        self._waiting.append(ticket)
        self._advance()
        return ticket

    def left(self, ticket: Ticket) -> None:
        if ticket in self._running:
            self._running.remove(ticket)
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
        else:
            return
        self._advance()
        if not self._running and not self._waiting:
            self._on_rest()

    def close(self) -> None:
        """Refuses those who wait and all who come; those who run are left alone."""
        self._open = False
        for ticket in self._waiting:
            ticket.refuse(_shutting_down())

    def _advance(self) -> None:
        while self._waiting and len(self._running) < self._capacity:
            ticket = next_ticket(self._waiting, self._key, self._clock())
            if self._running and ticket.key != self._key:  # nobody overtakes it any more
                break
            self._waiting.remove(ticket)
            self._running.add(ticket)
            self._key = ticket.key
            ticket.admit()


def next_ticket(waiting: list[Ticket], loaded: Hashable, now: float) -> Ticket:
    """The first for the loaded model, while the first of all has not waited too long; else the first of all."""
    first = waiting[0]
    if first.key == loaded or now - first.arrived >= GROUP_PATIENCE_S:
        return first
    return next((ticket for ticket in waiting if ticket.key == loaded), first)


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("dispatch.shutting_down", retry_after=RETRY_AFTER_S)
