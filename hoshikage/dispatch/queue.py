"""Who runs next: requests wait in order of arrival for one of the slots. Event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from hoshikage.dispatch.mailbox import Mailbox
from hoshikage.errors import QueueFull, QueueTimeout


class Ticket:
    """A place in the queue, and then a slot, until `leave`."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.places: Mailbox[int | None] = Mailbox()
        """Places as they change, 1 is next; 0 is the slot, None that the wait was too long."""

    async def wait(self) -> AsyncGenerator[int, None]:
        """Yields the place while waiting and ends when the slot is this ticket's. Raises QueueTimeout."""
        # Not asyncio.wait_for: before Python 3.12 it swallows a cancel that meets the end of its wait, and a client
        # that left at that moment would keep the slot.
        late = asyncio.get_running_loop().call_later(self._queue.timeout, self.places.put, None)
        try:
            while place := await self.places.get():
                yield place
        finally:
            late.cancel()
        if place is None:
            raise QueueTimeout("dispatch.queue_timeout", seconds=self._queue.timeout, retry_after=5)

    def leave(self) -> None:
        """Gives up the place or the slot; idempotent."""
        self._queue.left(self)


class Queue:
    """`slots` run at once, at most `bound` wait, each at most `timeout` seconds."""

    def __init__(self, slots: int, bound: int, timeout: float) -> None:
        self.timeout = timeout
        self._slots = slots
        self._bound = bound
        self._running: set[Ticket] = set()
        self._waiting: list[Ticket] = []

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def enter(self) -> Ticket:
        """A ticket at the end of the queue. Raises QueueFull."""
        if len(self._running) >= self._slots and len(self._waiting) >= self._bound:
            raise QueueFull("dispatch.queue_full", bound=self._bound, retry_after=5)
        ticket = Ticket(self)
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

    def _advance(self) -> None:
        while self._waiting and len(self._running) < self._slots:
            ticket = self._waiting.pop(0)
            self._running.add(ticket)
            ticket.places.put(0)
        for place, ticket in enumerate(self._waiting, start=1):
            ticket.places.put(place)
