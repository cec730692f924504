"""This program measures how often greedy answers differ from those of a lone run, by the way in which a decode is
shared.

`python3 scripts/equal_answers.py LIBRARY MODEL SETTINGS MODE...`, where SETTINGS are JSON for params.LoadParams; prints
a line of JSON for each mode as soon as it is done: [mode, [answers, those whose text differs, those of which a log
probability or the text differs]]. Main thread, beside the engine's.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
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
    """This is one answer, to be compared with another."""

    text: str
    logprobs: tuple[float, ...]
    """`logprobs` are those of its tokens."""


def prompts(system: str) -> list[Turns]:
    """N_PROMPTS chats of one question each."""
    pairs = [(question, subject) for question in QUESTIONS for subject in SUBJECTS]
    return [(Message("system", system), Message("user", question.format(subject))) for question, subject in pairs]


def answers(engine: Engine, chats: Iterable[Turns], *, at_once: bool) -> list[Answer]:
    """Returns the answers in the chats' order; one after the other, or all of them waiting at the same time."""
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


MODES: Final[dict[str, dict[str, Any]]] = {
    "again": {},
    "together": {"n_parallel": 4},
    "lookup": {"speculation": "lookup"},
}
"""Maps the modes of single questions to how they are asked the second time."""
TURNS: Final = ("first", "second")
"""Of longer chats whose beginnings are kept."""
Measured = tuple[str, list[int]]


class Bench:
    """This is one library with one model and its settings; each way of asking gets an engine of its own."""

    def __init__(self, library: Path, model: str, settings: dict[str, Any]) -> None:
        self._library, self._model, self._settings = library, model, settings

    def run(self, mode: dict[str, Any], chats: Iterable[Turns], *, at_once: bool = False) -> list[Answer]:
        engine = Engine(self._library, self._model, n_ctx=N_CTX, n_batch=512, **self._settings, **mode)
        try:
            return answers(engine, chats, at_once=at_once)
        finally:
            engine.stop()

    def questions(self, modes: Iterable[str]) -> Iterator[Measured]:
        """Asks each question alone, and twice in each mode."""
        chats = prompts(BRIEF)
        assert len(chats) == N_PROMPTS
        numbers = [*range(N_PROMPTS), *random.Random(1).sample(range(N_PROMPTS), N_PROMPTS)]
        lone = self.run({}, chats)
        expected = [lone[number] for number in numbers]
        for mode in modes:
            found = self.run(MODES[mode], [chats[number] for number in numbers], at_once=mode == "together")
            yield mode, differing(found, expected)

    def turns(self) -> Iterator[Measured]:
        """Asks chats of two turns, whose second one comes in two ways."""
        longer = prompts(HOUSE)
        first = self.run({}, longer)
        second = [
            (*turns, Message("assistant", answer.text), Message("user", more))
            for turns, answer in zip(longer, first, strict=True)
            for more in FOLLOW_UPS
        ]
        after = self.run({}, second)
        reused = self.run({"kv_reuse": "prefix"}, (each for turns in second for each in (turns[:2], turns)))
        yield "first", differing(reused[0::2], [answer for answer in first for _ in FOLLOW_UPS])
        yield "second", differing(reused[1::2], after)


def main(library: str, model: str, settings: str, *wanted: str) -> None:
    bench = Bench(Path(library), model, json.loads(settings))
    if single := [mode for mode in MODES if mode in wanted]:
        for each in bench.questions(single):
            print(json.dumps(each), flush=True)
    if any(mode in wanted for mode in TURNS):
        for each in bench.turns():
            print(json.dumps(each), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
