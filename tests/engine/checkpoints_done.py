"""This program holds conversations with a model whose memory cannot be cut. LIBRARY MODEL N_PARALLEL on the command
line; prints JSON: each prompt's length, how much of it was at hand, and its answer beside the one that was computed
anew."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage.engine.checkpoints import Checkpoints
from hoshikage.params import GenerationRequest, SamplingParams, TokenPrompt
from tests.engine.modes_done import Engine
from tests.engine_models import FIRST_WORD

EVERY, LENGTH, NEW, SAID = 128, 500, 90, 10
LIMIT = 3.5
"""So many states fit, where memory is short."""
SETTINGS: dict[str, Any] = {"n_ctx": 4096, "n_batch": 64, "flash_attn": "off", "checkpoint_tokens": EVERY}
Prompt = tuple[int, ...]


class Talks:
    """These prompts begin alike, and go to an engine that keeps prefixes and to one that keeps none."""

    def __init__(self, library: Path, model: str, n_parallel: int) -> None:
        self.kept = Engine(library, model, kv_reuse="prefix", n_parallel=n_parallel, **SETTINGS)
        self._plain = Engine(library, model, **SETTINGS)
        self._chance = random.Random(7)
        self.asked: dict[str, list[dict[str, Any]]] = {}

    @property
    def checkpoints(self) -> Checkpoints:
        found = self.kept._worker._loaded.scheduler._pool._checkpoints  # type: ignore[union-attr]
        assert found is not None
        return found

    def words(self, count: int) -> Prompt:
        return tuple(self._chance.randrange(FIRST_WORD, FIRST_WORD + 90) for _ in range(count))

    def ask(self, name: str, prompt: Prompt, *, scope: str = "", choices: int = 1) -> None:
        cached, mine = answered(self.kept, prompt, scope=scope, choices=choices)
        _, right = answered(self._plain, prompt)
        self.asked.setdefault(name, []).append(
            {"length": len(prompt), "cached": cached, "answers": [*mine.values()], "right": right[0]}
        )

    def stop(self) -> None:
        self.kept.stop()
        self._plain.stop()


def answered(engine: Engine, prompt: Prompt, **more: Any) -> tuple[int, dict[int, Any]]:
    """Returns how many tokens were at hand, and for each choice [token's text, log probability]."""
    request = GenerationRequest(TokenPrompt(prompt), SamplingParams(temperature=0), max_tokens=SAID, logprobs=0, **more)
    job, told = engine.submit(request), dict[int, Any]()
    while job not in engine.ends:
        event = engine.take()
        if isinstance(event, wire.Token) and event.job == job:
            told.setdefault(event.choice, []).extend(
                [one.token.raw.hex(), one.token.logprob] for one in event.logprobs or ()
            )
    ended = engine.ends[job]
    assert isinstance(ended, wire.Finished), ended
    return ended.timings.cached_tokens, told


def given_up(engine: Engine, prompt: Prompt, is_now: Callable[[wire.Event], bool]) -> None:
    """A job that its caller wants no more of, once this event has come."""
    job = engine.submit(GenerationRequest(TokenPrompt(prompt), SamplingParams(temperature=0), max_tokens=200))
    wanted = True
    while job not in engine.ends:
        event = engine.take()
        if wanted and is_now(event):
            engine.cancel(job)
            wanted = False


def main() -> dict[str, Any]:
    talks = Talks(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    first = talks.words(LENGTH)
    prompt = first
    for _ in range(3):  # what the template makes of an answer is another text than was generated
        talks.ask("turns", prompt)
        prompt += talks.words(NEW)
    talks.ask("again", prompt)
    talks.ask("again", prompt)
    talks.ask("edited", prompt[:300] + talks.words(NEW))
    talks.ask("of another", prompt, scope="other")
    talks.ask("again", prompt)
    talks.ask("choices", prompt + talks.words(NEW), choices=3)
    long = talks.words(LENGTH)
    given_up(talks.kept, long, lambda event: isinstance(event, wire.Prefill) and event.done > 300)
    talks.ask("given up", long)
    given_up(talks.kept, long + talks.words(NEW), lambda event: isinstance(event, wire.Token))
    talks.ask("given up", long + talks.words(NEW))
    checkpoints = talks.checkpoints
    size = max(one.state.nbytes for one in checkpoints._all)
    checkpoints._max_bytes = int(size * LIMIT)
    for _ in range(4):
        talks.ask("bounded", long)
        long += talks.words(NEW)
    bound = {"bytes": checkpoints.n_bytes, "most": checkpoints._max_bytes, "count": len(checkpoints)}
    held = sum(one.state.nbytes for one in checkpoints._all)
    talks.stop()
    return {"asked": talks.asked, "bound": {**bound, "held": held}}


if __name__ == "__main__":
    print(json.dumps(main()))
