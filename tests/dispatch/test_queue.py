"""The queue: order, places, bound, timeout."""

import asyncio
import time

import pytest

from hoshikage.dispatch.queue import GROUP_PATIENCE_S, Queue
from hoshikage.errors import QueueFull, QueueTimeout, ShuttingDown


async def test_a_free_slot_is_given_without_a_place() -> None:
    queue = Queue(1, 0, 1, time.monotonic)
    ticket = queue.enter("a")
    assert not ticket.waits
    assert ticket.place == 0
    await ticket.wait()
    assert (queue.running, queue.waiting) == (1, ())


async def test_waiting_tickets_see_their_place_shrink_in_order_of_arrival() -> None:
    queue = Queue(1, 2, 1, time.monotonic)
    running, second, third = queue.enter("a"), queue.enter("a"), queue.enter("a")
    assert [ticket.place for ticket in (running, second, third)] == [0, 1, 2]
    running.leave()
    assert [ticket.place for ticket in (second, third)] == [0, 1]
    await second.wait()
    assert third.waits
    second.leave()
    await third.wait()
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
        await waiting.wait()
    assert (late.value.status, late.value.code) == (503, "processing_timeout")
    waiting.leave()
    assert queue.waiting == ()


async def test_leaving_twice_frees_one_slot_only() -> None:
    queue = Queue(1, 2, 1, time.monotonic)
    first, second, third = queue.enter("a"), queue.enter("a"), queue.enter("a")
    first.leave()
    first.leave()
    await second.wait()
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


async def test_alternating_requests_are_grouped_by_model() -> None:
    assert order_of("abababab", waited=0.0) == "aaaabbbb"


async def test_grouping_is_bounded_by_a_wait() -> None:
    assert order_of("abababab", waited=GROUP_PATIENCE_S) == "abababab"


async def test_a_closed_queue_refuses_those_who_wait_and_those_who_come() -> None:
    rested = []
    queue = Queue(1, 2, 1, time.monotonic, lambda: rested.append(True))
    running, waiting = queue.enter("a"), queue.enter("a")
    queue.close()
    with pytest.raises(ShuttingDown):
        await waiting.wait()
    with pytest.raises(ShuttingDown):
        queue.enter("a")
    waiting.leave()
    assert not rested
    running.leave()
    assert rested == [True]


async def test_an_answer_costs_the_same_however_many_wait() -> None:
    """Of those who wait, one hears of a place that is free: the others are not woken."""
    counts = []
    for waiting in (8, 512):
        queue = Queue(1, waiting, 60, time.monotonic)
        first, *others = (queue.enter("a") for _ in range(waiting + 1))
        waits = [asyncio.ensure_future(ticket.wait()) for ticket in others]
        await asyncio.wait(waits, timeout=0)
        first.leave()
        counts.append(len((await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED))[0]))
        assert [ticket.place for ticket in others] == list(range(waiting))
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)
    assert counts == [1, 1]


async def test_who_left_at_the_moment_of_a_turn_gives_it_on() -> None:
    queue = Queue(1, 2, 60, time.monotonic)
    running, gone, next_one = queue.enter("a"), queue.enter("a"), queue.enter("a")
    wait = asyncio.ensure_future(gone.wait())
    await asyncio.wait([wait], timeout=0)
    wait.cancel()
    running.leave()
    gone.leave()
    await next_one.wait()
    assert (queue.running, queue.waiting) == (1, ())
