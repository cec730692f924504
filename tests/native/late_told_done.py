"""This program sends the same requests over a library whose decodes are done at once, over one whose decodes go on
behind their return (late.c), and where the device chooses the likeliest token of that one. LIBRARY MODEL on the command
line; prints JSON: mode -> what was told each way."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage.engine.device_sampling import NOTHING, Worth
from hoshikage.engine.scheduler import Scheduler
from hoshikage.engine.worker import _Loaded
from hoshikage.llama.device_chain import DeviceChain
from hoshikage.params import ChatPrompt, GenerationRequest, Grammar, Message, SamplingParams, ThoughtBudget, TokenPrompt
from tests.engine.modes_done import QUESTIONS, Engine, asked

COSTS = {"at once": "1 0 64 0", "late": "1 400 4 500 64 900", "by the device": "1 400 4 500 64 900"}
MODES: dict[str, dict[str, Any]] = {
    "one": {"kv_reuse": "prefix"},
    "together": {"n_parallel": 3, "kv_reuse": "prefix"},
    "lookup": {"speculation": "lookup", "kv_reuse": "prefix"},
}
DRAWN = SamplingParams(temperature=1.0, seed=11)


class Telling(Engine):
    """This is an engine that keeps all that is told of each job."""

    def __init__(self, library: Path, model: str, **mode: Any) -> None:
        self.told: dict[int, dict[int, list[Any]]] = {}
        super().__init__(library, model, **mode)

    def take(self) -> wire.Event:
        event = super().take()
        if isinstance(event, wire.Token):
            said = self.told.setdefault(event.job, {}).setdefault(event.choice, ["", [], []])
            said[0] += event.text
            said[1] += event.tokens
            said[2] += [(one.token.id, one.token.text, one.token.logprob, len(one.top)) for one in event.logprobs or ()]
        elif isinstance(event, wire.ChoiceEnd):
            self.told.setdefault(event.job, {}).setdefault(event.choice, ["", [], []]).append(event.reason)
        return event

    def answer(self, request: GenerationRequest) -> list[Any]:
        job = self.submit(request)
        self.finish()
        return self.of(job)

    def of(self, job: int) -> list[Any]:
        end = self.ends[job]
        if isinstance(end, wire.Failed):
            return [end.key]
        return [
            sorted(self.told.get(job, {}).items()),
            [end.reason, end.stop, end.completion_tokens, end.tokens],
            [end.timings.cached_tokens, end.timings.stop_token],
        ]


def requests() -> dict[str, GenerationRequest]:
    plain = asked(QUESTIONS[0], 40)
    text = GenerationRequest(TokenPrompt(tuple([40, 41, 42, 43, 44] * 6)), SamplingParams(temperature=0), max_tokens=40)
    words = ("。", "です", "e", "the", "ー", "ま")
    budget = ThoughtBudget(3, "<think>", "</think>")
    return {
        **{f"stop {word}": asked(QUESTIONS[number], 60, stop=(word, "zz"), return_tokens=True)
           for number, word in enumerate(words)},
        "tokens": asked(QUESTIONS[1], 30, return_tokens=True),
        "logprobs": asked(QUESTIONS[2], 30, logprobs=3, stop=("。。",)),
        "logprobs stopped": asked(QUESTIONS[3], 30, logprobs=2, stop=("o",)),
        "choices": GenerationRequest(plain.prompt, DRAWN, max_tokens=25, choices=3, stop=("は", "a")),
        "repeats": text,
        "bias": GenerationRequest(
            plain.prompt, SamplingParams(temperature=0.8, seed=3, logit_bias=((300, 4.0),)), max_tokens=20
        ),
        "grammar": GenerationRequest(
            plain.prompt, SamplingParams(temperature=0), max_tokens=30,
            grammar=Grammar("gbnf", 'root ::= "a" [0-9]{3,5} "星影" [a-z]+', "grammar"),
        ),
        "thoughts": GenerationRequest(
            ChatPrompt((Message("user", QUESTIONS[0]),), lead="<think>"), DRAWN, max_tokens=20, thoughts=budget
        ),
        "drawn chances": GenerationRequest(plain.prompt, DRAWN, max_tokens=12, logprobs=2, drawn=True),
        "indented": asked(QUESTIONS[7], 40, n_indent=1, return_tokens=True),
        "one token": asked(QUESTIONS[4], 1, logprobs=1),
        "whole": asked(QUESTIONS[5], 40, whole=True, stop=("\n\n",)),
        "nothing": asked(QUESTIONS[6], 0, echo=True),
    }  # fmt: skip


def scenario(engine: Telling) -> dict[str, Any]:
    """Each request alone, then all of them at once with some given up, then a conversation behind stopped answers."""
    found: dict[str, Any] = {name: engine.answer(request) for name, request in requests().items()}
    jobs = {name: engine.submit(request) for name, request in requests().items() if name != "repeats"}
    for _ in range(60):
        engine.take()
    given_up = [engine.submit(asked(question, 60)) for question in QUESTIONS[:3]]
    for job in given_up:
        engine.cancel(job)
    engine.finish()
    # Their log probabilities are rounded by who else was in the decode, which is a matter of time.
    found["beside others"] = {name: (*map(texts, engine.of(job)[0]), engine.of(job)[1]) for name, job in jobs.items()}
    found["given up"] = [isinstance(engine.ends[job], wire.Finished) for job in given_up]
    messages = [Message("user", QUESTIONS[0])]
    for question in QUESTIONS[1:4]:
        prompt = ChatPrompt(tuple(messages))
        said = engine.answer(GenerationRequest(prompt, SamplingParams(temperature=0), max_tokens=40, stop=("、",)))
        found[f"turn {question}"] = said
        messages += [Message("assistant", said[0][0][1][0] if said[0] else ""), Message("user", question)]
    return found


def texts(choice: tuple[int, list[Any]]) -> tuple[int, list[Any]]:
    number, (text, tokens, _, *reason) = choice
    return number, [text, tokens, *reason]


def scheduler(engine: Engine) -> Scheduler:
    loaded = engine._worker._loaded
    assert isinstance(loaded, _Loaded)
    return loaded.scheduler


def main(scenario: Callable[[Telling], dict[str, Any]] = scenario) -> dict[str, Any]:
    found: dict[str, Any] = {}
    attached: list[Any] = []
    attach = DeviceChain.attach
    counted = classmethod(lambda _, *given: attached.append(given) or attach(*given))  # type: ignore[func-returns-value]
    setattr(DeviceChain, "attach", counted)  # noqa: B010
    for name, mode in MODES.items():
        found[name] = {}
        for when, costs in COSTS.items():
            os.environ["LLAMA_LATE_COSTS"] = costs
            engine = Telling(Path(sys.argv[1]), sys.argv[2], **mode)
            try:
                known = scheduler(engine)._device.known
                known["greedy"] = Worth(1.0, 0.0) if when == "by the device" else NOTHING
                attached.clear()
                found[name][when] = scenario(engine)
                found[name][f"{when} went over"] = len(attached)
                found[name][f"{when} overlaps"] = scheduler(engine)._overlap.pays
            finally:
                engine.stop()
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
