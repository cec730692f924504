"""Decides who runs next, and on which lane. Event loop only.

A lane is a place for one model; what runs on it together is for that model. Requests wait for their turn on it, callers
one after another; those for a model that has a lane may go first for a while, so that alternating clients do not make
models alternate. A model without a lane takes an empty one, else the one that has been unused longest; never one that
is busy or pinned. Whether a pin still holds is looked up where it would stand in somebody's way.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Final

from hoshikage.errors import HoshikageError, QueueFull, QueueTimeout, ShuttingDown, Unavailable

GROUP_PATIENCE_S: Final = 10.0
"""A request for another model waits this many seconds at most behind later ones for a loaded model."""
RETRY_AFTER_S: Final = 5
MAX_KEPT: Final = 1000
"""The turns of so many callers are remembered, beside those who wait."""


class Ticket:
    """A Ticket is a place in the queue, and then one on a lane, until `leave`."""

    def __init__(self, queue: Queue, label: str, arrived: float, key: Hashable, order: tuple[int, int]) -> None:
        self.label = label
        self.key = key
        """`key` is the same for all names of one model."""
        self.arrived = arrived
        self.order = order
        """`order` is its caller's turn, and which it is of all that came: the least is next."""
        self.caller = ""
        self.pinned = False
        """`pinned` tells whether its model, once loaded, makes way for no other."""
        self.lane = 0
        """`lane` is where the ticket runs, once it has its turn."""
        self.load_s = 0.0
        """`load_s` is how long the ticket waited for its model, as whoever runs it says."""
        self._turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """The future is done when this ticket runs, or has the error that ends the wait."""
        self._queue = queue

    @property
    def waits(self) -> bool:
        return not self._turn.done()

    @property
    def place(self) -> int:
        """Returns the place in the line: 1 is next, 0 is running. It is looked up when somebody asks: whom a change
        concerns, nobody is told."""
        return self._queue.place_of(self)

    async def wait(self) -> None:
        """Waits until it is this ticket's turn. Raises QueueTimeout, QueueFull, ShuttingDown, Unavailable."""
        timeout = self._queue.timeout
        late = QueueTimeout("dispatch.queue_timeout", seconds=timeout, retry_after=RETRY_AFTER_S)
        # Not asyncio.wait_for: before Python 3.12 it swallows a cancel that meets the end of its wait, and a client
        # that left at that moment would keep its place on the lane.
        timer = asyncio.get_running_loop().call_later(timeout, self.refuse, late)
        try:
            await self._turn
        finally:
            timer.cancel()

    def admit(self, lane: int) -> None:
        """Ends the wait: the ticket runs on that lane from now on."""
        self.lane = lane
        if not self._turn.done():
            self._turn.set_result(None)

    def refuse(self, error: HoshikageError) -> None:
        """Ends the wait with the error; it is too late for a ticket that runs."""
        if not self._turn.done():
            self._turn.set_exception(error)
            self._turn.exception()  # a client that has left hears of it no more

    def leave(self) -> None:
        """Gives up its place, in the queue or on the lane; idempotent."""
        self._queue.left(self)


class Lane:
    """A lane is a place for one model, and for the tickets that run there."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.key: Hashable = None
        """The lane is for the model of this key now; None is none."""
        self.label = ""
        self.pinned_by: set[str] = set()
        """The model stays here by the registrations of these names; with none of them it makes way."""
        self.used = 0
        """`used` is when it was last given or left, as a count."""
        self.running: set[Ticket] = set()

    @property
    def pinned(self) -> bool:
        return bool(self.pinned_by)

    def take(self, ticket: Ticket) -> None:
        """The lane is for the ticket's model from now on. A name leaves another's pin of the same model alone."""
        if self.key != ticket.key:
            self.pinned_by.clear()
        if ticket.pinned:
            self.pinned_by.add(ticket.label)
        else:
            self.pinned_by.discard(ticket.label)
        self.key, self.label = ticket.key, ticket.label


class Queue:
    """On each lane `capacity` tickets run at once; at most `bound` wait for a model, each at most `timeout` seconds."""

    def __init__(
        self,
        capacity: int,
        bound: int,
        timeout: float,
        clock: Callable[[], float],
        on_rest: Callable[[int], None] = lambda _lane: None,
        lanes: int = 1,
    ) -> None:
        """`clock` gives seconds; `on_rest` is called with a lane on which nothing runs, and that nothing waits for."""
        self.timeout = timeout
        self.holds_pin: Callable[[Lane, str], bool] = lambda _lane, _name: True
        """`holds_pin` says whether that name still pins the lane: registrations change. It may look at a file."""
        self.on_unpin: Callable[[int], None] = lambda _lane: None
        """`on_unpin` is called with a lane whose pin holds no longer."""
        self.lanes = tuple(Lane(number) for number in range(lanes))
        self._capacity = capacity
        self._bound = bound
        self._clock = clock
        self._on_rest = on_rest
        self._waiting: list[Ticket] = []
        """The waiting tickets stand in the order of their turns."""
        self._models: Counter[Hashable] = Counter()
        """This counts how many wait for each model, so that a long queue need not be looked through for those that
        nobody wants."""
        self._came = self._uses = 0
        self._turn = 0
        """`_turn` is that of the last ticket that was admitted."""
        self._turns: dict[str, int] = {}
        """These are callers' last turns; one that lies behind `_turn` says nothing any more."""
        self._open = True

    @property
    def max_running(self) -> int:
        """Returns how many can run at once on all lanes together."""
        return self._capacity * len(self.lanes)

    @property
    def running(self) -> int:
        return sum(len(lane.running) for lane in self.lanes)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Lists the labels of the models that are waited for, in their order."""
        return tuple(ticket.label for ticket in self._waiting)

    def waiting_for(self, key: Hashable) -> int:
        """Counts the tickets that wait for this model."""
        return self._models[key]

    def is_idle(self, lane: int) -> bool:
        """Returns whether nothing runs on the lane, and nothing waits for its model."""
        result = self.lanes[lane]
        return not result.running and self._first(result.key) is None

    def lane_of(self, key: Hashable) -> Lane | None:
        """Returns the lane that is for this model now."""
        return next((lane for lane in self.lanes if lane.key == key), None)

    def place_of(self, ticket: Ticket) -> int:
        """1 is next, 0 is no longer waiting."""
        return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0

    def full(self) -> QueueFull:
        """Makes the refusal for one who finds the queue full."""
        return QueueFull("dispatch.queue_full", bound=self._bound, retry_after=RETRY_AFTER_S)

    def refuses(self, caller: str = "") -> bool:
        """Returns whether `enter` would refuse this caller, whatever the model."""
        return self._is_full(len(self._waiting), self._bound * len(self.lanes)) and self._pushed_by(caller) is None

    def enter(self, label: str, key: Hashable = None, caller: str = "", *, pinned: bool = False) -> Ticket:
        """Puts a ticket into the queue. `key` is the same for all names of one model; None: the label is it.

        A full queue makes room for a caller who has fewer places than another, whose last ticket is refused instead.
        Raises QueueFull, ShuttingDown.
        """
        if not self._open:
            raise _shutting_down()
        key = label if key is None else key
        if self.lane_of(key) is None:
            self.review_pins()
        full = self._is_full(len(self._waiting), self._bound * len(self.lanes))
        if full or self._is_full(self._models[key], self._bound):
            pushed = self._pushed_by(caller)
            if pushed is None:
                raise self.full()
            self._take_out(pushed)
            pushed.refuse(self.full())
        self._came += 1
        ticket = Ticket(self, label, self._clock(), key, (self._turn_of(caller), self._came))
        ticket.caller, ticket.pinned = caller, pinned
        insort(self._waiting, ticket, key=lambda one: one.order)
        self._models[key] += 1
        self._advance()
        return ticket

    def left(self, ticket: Ticket) -> None:
        lane = self.lanes[ticket.lane]
        if ticket in lane.running:
            lane.running.remove(ticket)
            self._uses += 1
            lane.used = self._uses
        elif ticket in self._waiting:
            self._take_out(ticket)
        else:
            return
        self._advance()
        if self.is_idle(lane.number):
            self._on_rest(lane.number)

    def emptied(self, lane: int) -> None:
        """The lane's model is not loaded any more, and nobody is about to load it."""
        result = self.lanes[lane]
        if not result.running:
            result.key, result.label, result.pinned_by = None, "", set()

    def review_pins(self) -> bool:
        """Unpins the lanes whose pins hold no longer; False where there is none."""
        pinned = [lane for lane in self.lanes if lane.pinned]
        for lane in pinned:
            lane.pinned_by = {name for name in lane.pinned_by if self.holds_pin(lane, name)}
        stale = [lane for lane in pinned if not lane.pinned]
        for lane in stale:
            self.on_unpin(lane.number)
        return bool(stale)

    def close(self) -> None:
        """Refuses those who wait and all who come; those who run are left alone."""
        self._open = False
        for ticket in self._waiting:
            ticket.refuse(_shutting_down())

    def _is_full(self, waiting: int, bound: int) -> bool:
        return waiting >= bound and all(len(lane.running) >= self._capacity for lane in self.lanes)

    def _pushed_by(self, caller: str) -> Ticket | None:
        """Returns the ticket whose place this caller may take: the last one of the caller who has most, if those are
        more than this caller would then have. None where there is no such ticket."""
        counts = Counter(ticket.caller for ticket in self._waiting)
        if not counts:
            return None
        greedy, maximum = counts.most_common(1)[0]
        if maximum <= counts[caller] + 1:
            return None
        return next(ticket for ticket in reversed(self._waiting) if ticket.caller == greedy)

    def _turn_of(self, caller: str) -> int:
        """Gives the turn of a caller's next ticket: behind its own others, and beside whoever comes now."""
        if len(self._turns) >= MAX_KEPT:
            self._turns = {one: turn for one, turn in self._turns.items() if turn >= self._turn}
        turn = self._turns[caller] = max(self._turn, self._turns.get(caller, -1) + 1)
        return turn

    def _take_out(self, ticket: Ticket) -> None:
        self._waiting.remove(ticket)
        self._models[ticket.key] -= 1
        if not self._models[ticket.key]:
            del self._models[ticket.key]

    # Who runs next

    def _advance(self) -> None:
        while any(self._serve(lane) for lane in self.lanes):
            pass
        if not self._waiting or not all(lane.pinned for lane in self.lanes):
            return
        strangers = [one for one in self._waiting if self.lane_of(one.key) is None]
        if strangers and self.review_pins():
            self._advance()
            return
        labels = ", ".join(lane.label for lane in self.lanes)
        for ticket in strangers:
            self._take_out(ticket)
            ticket.refuse(Unavailable("dispatch.pinned", label=ticket.label, pinned=labels, retry_after=60))

    def _serve(self, lane: Lane) -> bool:
        """Admits to the lane whoever is due there; False for nobody."""
        ticket = self._next(lane) if len(lane.running) < self._capacity else None
        if ticket is None:
            return False
        self._take_out(ticket)
        lane.running.add(ticket)
        self._uses += 1
        lane.take(ticket)
        lane.used = self._uses
        self._turn = max(self._turn, ticket.order[0])
        ticket.admit(lane.number)
        return True

    def _next(self, lane: Lane) -> Ticket | None:
        """Returns the first ticket for the lane's model, while the first of those without a lane has not waited too
        long for it."""
        own, other = self._first(lane.key), self._first_without_lane()
        if other is None or self._lane_for(other) is not lane:
            return own
        patient = self._clock() - other.arrived < GROUP_PATIENCE_S
        if own is not None and (patient or own.order < other.order):
            return own
        return None if lane.running else other  # nobody overtakes it any more

    def _first(self, key: Hashable) -> Ticket | None:
        return next((ticket for ticket in self._waiting if ticket.key == key), None) if self._models[key] else None

    def _first_without_lane(self) -> Ticket | None:
        if all(self.lane_of(key) is not None for key in self._models):
            return None
        return next((ticket for ticket in self._waiting if self.lane_of(ticket.key) is None), None)

    def _lane_for(self, ticket: Ticket) -> Lane | None:
        """Returns the lane that the next model without one gets: one that rests with what was registered by that name
        before, else an empty one, else one that rests, else the one to be drained."""

        def rank(lane: Lane) -> tuple[bool, bool, bool, int, int]:
            idle = self.is_idle(lane.number)
            return lane.label != ticket.label or not idle, lane.key is not None, not idle, len(lane.running), lane.used

        return min((lane for lane in self.lanes if not lane.pinned), key=rank, default=None)


def _shutting_down() -> ShuttingDown:
    return ShuttingDown("dispatch.shutting_down", retry_after=RETRY_AFTER_S)
