"""Tests what happens where no room is found for a batch although enough cells are free. No library."""

from __future__ import annotations

import time
from typing import Any, cast

from hoshikage import wire
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.plan import Plan
from hoshikage.engine.prompt import Prompt
from hoshikage.engine.scheduler import Scheduler
from hoshikage.engine.session import Session
from hoshikage.errors import KvMemoryFull
from hoshikage.params import GenerationRequest, TextPrompt
from tests.engine.test_hot_path import Context, Sampler, Vocab

JOBS = 3
TOKENS = 6


class Scattered(Context):
    """Finds no room for the next `full` batches."""

    full = 0

    def decode(self) -> bool:
        if self.full > 0:
            self.full -= 1
            raise KvMemoryFull("engine.no_kv_slot")
        return True

    def shorten(self, seq_id: int, begin: int) -> bool:
        return True


class Run:
    def __init__(self) -> None:
        self.context = Scattered(JOBS)
        self.ends: list[wire.Finished | wire.Failed] = []
        self.scheduler = Scheduler(cast("Any", self.context), self.opened, Cancels(), self.emit)
        for job in range(1, JOBS + 1):
            self.scheduler.submit(wire.Generate(job, GenerationRequest(TextPrompt("x"))))
        for _ in range(2):
            self.scheduler.step()

    def emit(self, event: wire.Event) -> None:
        if isinstance(event, (wire.Finished, wire.Failed)):
            self.ends.append(event)

    def opened(self, job: wire.Generate) -> Session:
        prompt = Prompt([1, 2, 3], TOKENS, (), frozenset(), {}, (), "")
        plan = Plan(
            job=job.job, prompt=prompt, choices=1, open_sampler=lambda _: cast("Any", Sampler()),
            open_proposer=lambda: None, scorer=None, vocab=cast("Any", Vocab()), emit=self.emit,
            begun=time.perf_counter(), reuse=False, scope="", whole=False,
        )  # fmt: skip
        return Session(plan)

    def finish(self) -> None:
        for _ in range(200):
            if not self.scheduler.busy:
                return
            self.scheduler.step()
        raise AssertionError("it does not end")


def test_all_answers_end_well_where_room_is_found_at_last() -> None:
    for full in range(1, 2 * JOBS + 2):
        run = Run()
        run.context.full = full
        run.finish()
        assert [type(end) for end in run.ends] == [wire.Finished] * JOBS, full


def test_who_gave_its_sequence_back_waits_until_another_has_ended() -> None:
    run = Run()
    run.context.full = 1
    run.scheduler.step()
    while not run.ends:
        assert run.scheduler._pool.free == 1
        run.scheduler.step()
    run.finish()
    assert [end.job for end in run.ends][-1] == JOBS


def test_where_there_is_never_room_each_job_ends_once_when_it_is_alone() -> None:
    run = Run()
    run.context.full = 10**6
    run.finish()
    assert [type(end) for end in run.ends] == [wire.Failed] * JOBS
    assert [end.job for end in run.ends] == [1, 2, 3]
    assert run.scheduler._pool.free == JOBS
