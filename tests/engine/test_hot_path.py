"""Tests what one token costs in Python: instructions and allocations are counted, which no busy machine can change.

The scheduler, the session, the text and the frames are the real ones; the library's part is left out.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from types import FrameType
from typing import Any, Final, cast

import pytest

from hoshikage import wire
from hoshikage._ffi.batch import Batch
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.costs import SURE, WARM_UP, BatchCost
from hoshikage.engine.plan import Plan
from hoshikage.engine.prompt import Prompt
from hoshikage.engine.scheduler import Scheduler
from hoshikage.engine.session import Session
from hoshikage.params import GenerationRequest, TextPrompt

TOKENS: Final = 200
INSTRUCTIONS: Final = {1: 815, 4: 980}
"""Maps a number of sequences to the most bytecode instructions a token. Python 3.11: 803 and 954; 3.10: 970 of four.
The room above is for other versions."""
CALLS: Final = {1: 48, 4: 66}
"""A token makes so many calls at most, of Python's functions and of C's: 36 and 60 on Python 3.11."""
BYTES_LEFT: Final = 60
"""So many bytes a token stay allocated at most: its id in the list of tokens (8), and that list's room to grow."""


class Context:
    """This is a context whose decodes do nothing."""

    n_batch = n_ctx = n_cells = 4096
    keeps_order = True
    abort = cast("Any", type("Flag", (), {"set": lambda _: None, "clear": lambda _: None, "is_set": False})())

    def __init__(self, n_sequences: int) -> None:
        self.batch = Batch(self.n_batch)
        self.n_sequences = n_sequences

    def synchronize(self) -> None: ...

    def decode(self) -> bool:
        return True

    def clear(self) -> None: ...

    def remove(self, seq_id: int) -> None: ...


class Vocab:
    def is_eog(self, token: int) -> bool:
        return token < 0

    def piece(self, token: int) -> bytes:
        return b" star"


class Sampler:
    def sample(self, index: int) -> int:
        return 7

    def close(self) -> None: ...


def running(slots: int, told: list[int]) -> Scheduler:
    """Makes a scheduler whose sessions are past their first token. `told` counts the frames, encoded as the runner
    does."""

    def emit(event: wire.Event) -> None:
        wire.encode(event)
        told[0] += 1

    def opened(job: wire.Generate) -> Session:
        prompt = Prompt([1, 2, 3], TOKENS * 4, (), frozenset(), {}, (), "")
        plan = Plan(
            job=job.job, prompt=prompt, choices=1, open_sampler=lambda _: cast("Any", Sampler()),
            open_proposer=lambda: None, scorer=None, vocab=cast("Any", Vocab()), emit=emit, begun=time.perf_counter(),
            reuse=False, exact=False, scope="", whole=False,
        )  # fmt: skip
        return Session(plan)

    cost = BatchCost(512)
    for size in range(1, slots + 1):
        for _ in range(WARM_UP + SURE):
            cost.took(size, 0, 0.0)
    cost._until_look = 10 * TOKENS  # other sizes of group are not measured meanwhile
    scheduler = Scheduler(cast("Any", Context(slots)), opened, Cancels(), emit, cost)
    for job in range(1, slots + 1):
        scheduler.submit(wire.Generate(job, GenerationRequest(TextPrompt("x"))))
    for _ in range(8):
        scheduler.step()
    return scheduler


def instructions(slots: int) -> float:
    """Counts the bytecode instructions a token."""
    told, count = [0], [0]
    scheduler = running(slots, told)
    before = told[0]

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            count[0] += 1
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        for _ in range(TOKENS):
            scheduler.step()
    finally:
        sys.settrace(former)
    tokens = told[0] - before
    assert tokens == TOKENS * slots
    return count[0] / tokens


def calls(slots: int) -> float:
    """Calls a token, of Python's functions and of C's."""
    told, count = [0], [0]
    scheduler = running(slots, told)
    before = told[0]

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            count[0] += 1

    former = sys.getprofile()
    sys.setprofile(profile)
    try:
        for _ in range(TOKENS):
            scheduler.step()
    finally:
        sys.setprofile(former)
    return count[0] / (told[0] - before)


@pytest.mark.parametrize("slots", INSTRUCTIONS)
def test_the_instructions_of_a_token_are_few(slots: int) -> None:
    assert instructions(slots) < INSTRUCTIONS[slots]


@pytest.mark.parametrize("slots", CALLS)
def test_the_calls_of_a_token_are_few(slots: int) -> None:
    assert calls(slots) < CALLS[slots]


def test_next_to_nothing_of_a_token_stays_in_memory() -> None:
    told = [0]
    scheduler = running(1, told)
    tracemalloc.start()
    try:
        for _ in range(20):
            scheduler.step()
        before, tokens = tracemalloc.get_traced_memory()[0], told[0]
        for _ in range(TOKENS):
            scheduler.step()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert left / (told[0] - tokens) < BYTES_LEFT
