"""A program: how often greedy answers differ from those of a lone run, by the way in which a decode is shared.

`python3 scripts/equal_answers.py LIBRARY MODEL SETTINGS`, where SETTINGS are JSON for params.LoadParams; prints JSON:
mode -> [answers, those whose text differs, those of which a log probability or the text differs]. Main thread, beside
the engine's.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import screen  # noqa: F401  puts the clone on the path
from hoshikage import wire
from hoshikage.params import ChatPrompt, GenerationRequest, Message, SamplingParams
from tests.engine.modes_done import Engine

N_PROMPTS: Final = 100
N_TOKENS: Final = 12
N_CTX: Final = 1024
SUBJECTS: Final = (
    "the sea", "a cat", "bread", "the moon", "iron", "music", "a bridge", "rain", "chess", "the heart",
    "paper", "a volcano", "honey", "the Nile", "glass", "sleep", "a compass", "salt", "the atom", "a garden",
)  # fmt: skip
QUESTIONS: Final = (
    "What is {}?", "Tell me one thing about {}.", "Why do people like {}?", "Write a line about {}.",
    "Explain {} to a child.",
)  # fmt: skip
FOLLOW_UPS: Final = ("Why is that so?", "Say it in other words.")
BRIEF: Final = "Be brief."
HOUSE: Final = (
    "You answer the visitors of a small museum by the sea. It has three rooms: in the first are ships and maps, in the"
    " second animals of the shore, in the third tools, bread ovens and a loom. It opens at ten and closes at six, on"
    " Mondays not at all. Children pay nothing. Photographs are allowed without a flash. Speak plainly, in one or two"
    " sentences, and say that you do not know where you do not."
)
"""The beginning that all longer chats share."""
Turns = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, to be compared with another."""

    text: str
    logprobs: tuple[float, ...]
    """Of its tokens."""


def prompts(system: str) -> list[Turns]:
    """N_PROMPTS chats of one question each."""
    pairs = [(question, subject) for question in QUESTIONS for subject in SUBJECTS]
    return [(Message("system", system), Message("user", question.format(subject))) for question, subject in pairs]


def answers(engine: Engine, chats: Iterable[Turns], *, at_once: bool) -> list[Answer]:
    """The answers in the chats' order; one after the other, or all of them waiting at the same time."""
    jobs: list[int] = []
    logprobs: dict[int, list[float]] = {}
    for turns in chats:
        request = GenerationRequest(ChatPrompt(turns), SamplingParams(temperature=0), max_tokens=N_TOKENS, logprobs=0)
        jobs.append(engine.submit(request))
        logprobs[jobs[-1]] = []
        if not at_once:
            _take_all(engine, logprobs)
    _take_all(engine, logprobs)
    for job in jobs:
        assert isinstance(engine.ends[job], wire.Finished), engine.ends[job]
    return [Answer(engine.text(job), tuple(logprobs[job])) for job in jobs]


def _take_all(engine: Engine, logprobs: dict[int, list[float]]) -> None:
    while len(engine.ends) < engine.last:
        event = engine.take()
        if isinstance(event, wire.Token):
            logprobs[event.job] += [one.token.logprob for one in event.logprobs or ()]


def differing(found: Sequence[Answer], expected: Sequence[Answer]) -> list[int]:
    pairs = list(zip(found, expected, strict=True))
    return [len(pairs), sum(one.text != other.text for one, other in pairs), sum(one != other for one, other in pairs)]


def measured(library: Path, model: str, settings: dict[str, Any]) -> dict[str, list[int]]:
    """Mode -> [answers, those that differ from a lone run's]."""
    chats = prompts(BRIEF)
    assert len(chats) == N_PROMPTS
    numbers = [*range(N_PROMPTS), *random.Random(1).sample(range(N_PROMPTS), N_PROMPTS)]
    doubled = [chats[number] for number in numbers]
    result: dict[str, list[int]] = {}

    def run(mode: dict[str, Any], wanted: Iterable[Turns], *, at_once: bool = False) -> list[Answer]:
        engine = Engine(library, model, n_ctx=N_CTX, n_batch=512, **settings, **mode)
        try:
            return answers(engine, wanted, at_once=at_once)
        finally:
            engine.stop()

    lone = run({}, chats)
    expected = [lone[number] for number in numbers]
    result["again"] = differing(run({}, doubled), expected)
    result["together"] = differing(run({"n_parallel": 4}, doubled, at_once=True), expected)
    result["lookup"] = differing(run({"speculation": "lookup"}, doubled), expected)
    longer = prompts(HOUSE)
    first = run({}, longer)
    second = [
        (*turns, Message("assistant", answer.text), Message("user", more))
        for turns, answer in zip(longer, first, strict=True)
        for more in FOLLOW_UPS
    ]
    after = run({}, second)
    reused = run({"kv_reuse": "prefix"}, (each for turns in second for each in (turns[:2], turns)))
    result["first"] = differing(reused[0::2], [answer for answer in first for _ in FOLLOW_UPS])
    result["second"] = differing(reused[1::2], after)
    return result


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))))
