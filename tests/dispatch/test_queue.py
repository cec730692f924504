"""The queue: order, places, bound, timeout."""

import pytest

from hoshikage.dispatch.queue import Queue, Ticket
from hoshikage.errors import QueueFull, QueueTimeout


async def places_of(ticket: Ticket) -> list[int]:
    return [place async for place in ticket.wait()]


async def test_a_free_slot_is_given_without_a_place() -> None:
    queue = Queue(slots=1, bound=0, timeout=1)
    ticket = queue.enter()
    assert await places_of(ticket) == []
    assert (queue.running, queue.waiting) == (1, 0)


async def test_waiting_tickets_see_their_place_shrink_in_order_of_arrival() -> None:
    queue = Queue(slots=1, bound=2, timeout=1)
    running, second, third = queue.enter(), queue.enter(), queue.enter()
    running.leave()
    assert await places_of(second) == [1, 1]
    second.leave()
    assert await places_of(third) == [2, 1]
    third.leave()
    assert (queue.running, queue.waiting) == (0, 0)


async def test_beyond_the_bound_a_request_is_refused_at_once() -> None:
    queue = Queue(slots=1, bound=1, timeout=1)
    queue.enter()
    queue.enter()
    with pytest.raises(QueueFull) as refused:
        queue.enter()
    assert refused.value.status == 429
    assert refused.value.retry_after


async def test_a_place_is_given_up_after_the_timeout() -> None:
    queue = Queue(slots=1, bound=1, timeout=0.01)
    queue.enter()
    waiting = queue.enter()
    with pytest.raises(QueueTimeout) as late:
        await places_of(waiting)
    assert (late.value.status, late.value.code) == (503, "processing_timeout")
    waiting.leave()
    assert queue.waiting == 0


async def test_leaving_twice_frees_one_slot_only() -> None:
    queue = Queue(slots=1, bound=2, timeout=1)
    first, second, third = queue.enter(), queue.enter(), queue.enter()
    first.leave()
    first.leave()
    assert await places_of(second) == [1, 1]
    assert (queue.running, queue.waiting) == (1, 1)
    third.leave()
