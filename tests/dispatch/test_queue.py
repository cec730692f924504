"""The queue: order, places, bound, timeout."""

import time

import pytest

from hoshikage.dispatch.queue import GROUP_PATIENCE_S, Queue, Ticket
from hoshikage.errors import QueueFull, QueueTimeout, ShuttingDown


async def places_of(ticket: Ticket) -> list[int]:
    return [place async for place in ticket.wait()]


async def test_a_free_slot_is_given_without_a_place() -> None:
    queue = Queue(1, 0, 1, time.monotonic)
    ticket = queue.enter("a")
    assert await places_of(ticket) == []
    assert (queue.running, queue.waiting) == (1, ())


async def test_waiting_tickets_see_their_place_shrink_in_order_of_arrival() -> None:
    queue = Queue(1, 2, 1, time.monotonic)
    running, second, third = queue.enter("a"), queue.enter("a"), queue.enter("a")
    running.leave()
    assert await places_of(second) == [1, 1]
    second.leave()
    assert await places_of(third) == [2, 1]
    third.leave()
    assert (queue.running, queue.waiting) == (0, ())


async def test_beyond_the_bound_a_request_is_refused_at_once() -> None:
    queue = Queue(1, 1, 1, time.monotonic)
    queue.enter("a")
    queue.enter("a")
    with pytest.raises(QueueFull) as refused:
        queue.enter("a")
    assert refused.value.status == 429
    assert refused.value.retry_after


async def test_a_place_is_given_up_after_the_timeout() -> None:
    queue = Queue(1, 1, 0.01, time.monotonic)
    queue.enter("a")
    waiting = queue.enter("a")
    with pytest.raises(QueueTimeout) as late:
        await places_of(waiting)
    assert (late.value.status, late.value.code) == (503, "processing_timeout")
    waiting.leave()
    assert queue.waiting == ()


async def test_leaving_twice_frees_one_slot_only() -> None:
    queue = Queue(1, 2, 1, time.monotonic)
    first, second, third = queue.enter("a"), queue.enter("a"), queue.enter("a")
    first.leave()
    first.leave()
    assert await places_of(second) == [1, 1]
    assert (queue.running, queue.waiting) == (1, ("a",))
    third.leave()


def order_of(labels: str, waited: float) -> str:
    """The order in which requests for these models run, one at a time, the first having waited so long."""
    now = 0.0
    queue = Queue(1, 100, 1, lambda: now)
    tickets = []
    for label in labels:
        tickets.append(queue.enter(label))
    now = waited
    order = ""
    while tickets:
        running = next(ticket for ticket in tickets if ticket in queue._running)
        order += running.label
        tickets.remove(running)
        running.leave()
    return order


def test_alternating_requests_are_grouped_by_model() -> None:
    assert order_of("abababab", waited=0.0) == "aaaabbbb"


def test_grouping_is_bounded_by_a_wait() -> None:
    assert order_of("abababab", waited=GROUP_PATIENCE_S) == "abababab"


async def test_a_closed_queue_refuses_those_who_wait_and_those_who_come() -> None:
    rested = []
    queue = Queue(1, 2, 1, time.monotonic, lambda: rested.append(True))
    running, waiting = queue.enter("a"), queue.enter("a")
    queue.close()
    with pytest.raises(ShuttingDown):
        await places_of(waiting)
    with pytest.raises(ShuttingDown):
        queue.enter("a")
    waiting.leave()
    assert not rested
    running.leave()
    assert rested == [True]
