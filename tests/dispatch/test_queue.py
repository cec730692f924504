"""Tests the queue: order, places, bound, timeout."""

import asyncio
import time

import pytest

from hoshikage.dispatch.queue import GROUP_PATIENCE_S, Queue
from hoshikage.errors import QueueFull, QueueTimeout, ShuttingDown, Unavailable


async def test_a_free_lane_is_given_without_waiting() -> None:
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


async def test_leaving_twice_frees_one_place_only() -> None:
    queue = Queue(1, 2, 1, time.monotonic)
    first, second, third = queue.enter("a"), queue.enter("a"), queue.enter("a")
    first.leave()
    first.leave()
    await second.wait()
    assert (queue.running, queue.waiting) == (1, ("a",))
    third.leave()


def order_of(labels: str, waited: float) -> str:
    """Returns the order in which requests for these models run, one at a time, the first having waited so long."""
    now = 0.0
    queue = Queue(1, 100, 1, lambda: now)
    tickets = []
    for label in labels:
        tickets.append(queue.enter(label))
    now = waited
    order = ""
    while tickets:
        running = next(ticket for ticket in tickets if not ticket.waits)
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
    queue = Queue(1, 2, 1, time.monotonic, lambda _lane: rested.append(True))
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


async def test_two_lanes_run_two_models_and_a_third_waits_for_the_first_that_is_free() -> None:
    queue = Queue(1, 9, 60, time.monotonic, lanes=2)
    first, second, third = queue.enter("a"), queue.enter("b"), queue.enter("c")
    assert [ticket.waits for ticket in (first, second, third)] == [False, False, True]
    assert first.lane != second.lane
    second.leave()
    assert (third.waits, third.lane) == (False, second.lane)


async def test_the_model_that_was_unused_longest_makes_way() -> None:
    queue = Queue(1, 9, 60, time.monotonic, lanes=2)
    lanes = {}
    for label in "aba":
        ticket = queue.enter(label)
        lanes[label] = ticket.lane
        ticket.leave()
    other = queue.enter("c")
    assert other.lane == lanes["b"]
    assert queue.lane_of("a") is not None


async def test_an_empty_lane_comes_before_one_that_rests() -> None:
    queue = Queue(1, 9, 60, time.monotonic, lanes=2)
    for label in "ab":
        queue.enter(label).leave()
    lane = queue.lane_of("b")
    assert lane is not None
    queue.emptied(lane.number)
    assert queue.enter("c").lane == lane.number


async def test_a_pinned_model_makes_no_way() -> None:
    queue = Queue(1, 9, 60, time.monotonic)
    queue.enter("a", pinned=True).leave()
    refused = queue.enter("b")
    with pytest.raises(Unavailable) as told:
        await refused.wait()
    refused.leave()
    assert (told.value.status, told.value.details["pinned"]) == (503, "a")
    assert not queue.enter("a", pinned=True).waits
    assert queue.waiting == ()


async def test_who_sends_many_does_not_hold_up_who_sends_one() -> None:
    queue = Queue(1, 200, 60, time.monotonic)
    many = [queue.enter("a", caller="x") for _ in range(100)]
    one = queue.enter("a", caller="y")
    assert (many[0].waits, one.place) == (False, 1)
    many[0].leave()
    assert not one.waits
    second = queue.enter("a", caller="y")
    one.leave()
    assert not many[1].waits
    assert second.place == 1, "in its turn beside the second of the other, which came first"
    assert [ticket.place for ticket in many[2:5]] == [2, 3, 4]


async def test_a_full_queue_makes_room_for_another_caller() -> None:
    queue = Queue(1, 3, 60, time.monotonic)
    mine = [queue.enter("a", caller="x") for _ in range(4)]
    assert queue.refuses("x")
    assert not queue.refuses("y")
    with pytest.raises(QueueFull):
        queue.enter("a", caller="x")
    other = queue.enter("a", caller="y")
    with pytest.raises(QueueFull):
        await mine[3].wait()
    mine[3].leave()
    assert (other.place, mine[1].place, mine[2].place) == (1, 2, 3)
    second = queue.enter("a", caller="z")
    assert second.waits
    with pytest.raises(QueueFull):
        queue.enter("a", caller="y")


async def test_a_flood_for_one_model_leaves_places_for_another() -> None:
    queue = Queue(1, 2, 60, time.monotonic, lanes=2)
    queue.enter("b")
    for _ in range(3):
        queue.enter("a")
    with pytest.raises(QueueFull):
        queue.enter("a")
    assert queue.enter("b").waits


async def test_an_overdue_model_gets_the_lane_that_is_drained_first() -> None:
    now = 0.0
    queue = Queue(2, 9, 60, lambda: now, lanes=2)
    on_a = [queue.enter("a") for _ in range(2)]
    on_b = queue.enter("b")
    other = queue.enter("c")
    now = GROUP_PATIENCE_S
    late = queue.enter("b")
    assert late.waits, "nobody overtakes it any more"
    on_a[0].leave()
    on_b.leave()
    assert not other.waits
    assert late.waits
    on_a[1].leave()
    assert not late.waits
