"""This program mixes all modes of the scheduler together, by chance. LIBRARY KIND MODEL SEED ANSWERS on the command
line; prints JSON: what was wrong, and how often each thing happened that the stress is made of.

Rounds of random settings; in each, jobs of random kinds come at random moments and some are given up, between decodes
and inside them. Every answer is compared with the one that a lone run gave, token for token. Texts may differ only
where the lone run's two best tokens are as near as the noise of batching (`NOISE`), and up to there the log
probabilities have to agree within it; of those that are drawn, or held in a grammar, only so many may (`APART`). The
seed fixes everything but the clocks that the scheduler learns from.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hoshikage import wire
from hoshikage._ffi.library import Library, load
from hoshikage.engine import checkpoints as checkpoints_module
from hoshikage.engine import scheduler as scheduler_module
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.worker import _Loaded
from hoshikage.errors import HoshikageError, KvMemoryFull
from hoshikage.llama.loading import open_model
from hoshikage.params import ChatPrompt, GenerationRequest, LoadParams, Message, TokenPrompt
from hoshikage.params import Prompt as Asked
from tests.engine import stress_ways
from tests.engine.modes_done import QUESTIONS
from tests.engine.stress_ways import APART, PLAIN, Way
from tests.engine_models import N_WORDS, words, write_llama, write_mamba, write_playback
from tests.hybrid_models import write_lfm2

WRITE: Final[dict[str, Callable[[Path], Path]]] = {
    "llama": write_llama,
    "mamba": write_mamba,
    "lfm2": write_lfm2,
    "playback": write_playback,
}
"""Maps a kind of model to what writes it; `demo` is the built-in one."""
BEFORE_LFM2: Final = ("b4529", "b5590")
NOISE: Final = {"demo": 0.15, "mamba": 0.01, "lfm2": 0.08, "playback": 0.01, "llama": 0.2}
"""Maps a kind of model to how much a log probability of it may move at most with what else is in the batch."""
UNLIKELY: Final = 2
"""So many times the noise moves the log probability of a token that is not the likeliest."""
EXACT: Final = 0.1
"""With less noise than this, texts alone tell what is wrong."""
LENGTHS: Final = (1, 6, 14, 28)
ROUND: Final = 40
"""One round has so many jobs."""
FULL: Final = (20, 200)
"""Decodes until no room is found for a batch although there is."""
AGAIN: Final = 250
"""Decodes until it is so again: more than the longest prompt needs, also where it is scored token by token."""
LONE: Final = {"n_ctx": 768, "n_batch": 512}


def cells(releases: Iterable[str]) -> list[tuple[str, str]]:
    """Lists each release with each kind of model that it knows."""
    return [(name, kind) for name in releases for kind in NOISE if kind != "lfm2" or name not in BEFORE_LFM2]


@dataclass
class Answer:
    """This came of one job, choice by choice."""

    texts: dict[int, str] = field(default_factory=dict)
    tokens: dict[int, list[wire.Chosen]] = field(default_factory=dict)
    echo: str = ""
    ends: list[wire.Finished | wire.Failed] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    prompt: int
    way: Way
    request: GenerationRequest


class Bench:
    """This is one load of the model in one mode, stepped by hand, so that a seed says what happens when."""

    def __init__(self, library: Library, model: str, chance: random.Random, mode: dict[str, Any]) -> None:
        params = LoadParams(model, n_threads=1, n_gpu_layers=0, **mode)
        loaded, self.context = open_model(library, params, lambda _progress: True)
        self.cancels = Cancels()
        self._loaded = _Loaded(loaded, self.context, wire.Load(params), self.cancels, self._emit)
        self.scheduler = self._loaded.scheduler
        self.answers: dict[int, Answer] = {}
        self.logs: list[str] = []
        self._chance = chance
        self._decode = self.context.decode
        self.leaving: list[int] = []
        """These jobs are given up inside the next decode."""
        self.until_full = 0
        """After so many decodes no room is found for a batch; 0 is never."""
        self.context.decode = self._decode_and_leave  # type: ignore[method-assign]

    def submit(self, job: int, request: GenerationRequest) -> None:
        self.answers[job] = Answer()
        self.cancels.opened(job)
        self.scheduler.submit(wire.Generate(job, request))

    def close(self) -> None:
        self._loaded.close()

    def _decode_and_leave(self) -> bool:
        before = self._chance.random() < 0.5  # then one that is alone is aborted inside
        leaving, self.leaving = self.leaving, []
        for job in leaving if before else ():
            self.cancels.cancel(job)
        self.until_full -= 1
        if not self.until_full:
            self.until_full = AGAIN
            raise KvMemoryFull("engine.no_kv_slot")
        decoded = self._decode()
        for job in () if before else leaving:
            self.cancels.cancel(job)
        return decoded

    def _emit(self, event: wire.Event) -> None:
        if isinstance(event, wire.Log):
            self.logs.append(event.line)
        elif isinstance(event, wire.Token):
            answer = self.answers[event.job]
            answer.texts[event.choice] = answer.texts.get(event.choice, "") + event.text
            answer.tokens.setdefault(event.choice, []).extend(event.logprobs or ())
        elif isinstance(event, wire.Echo):
            self.answers[event.job].echo += event.text
        elif isinstance(event, (wire.Finished, wire.Failed)) and event.job is not None:
            self.answers[event.job].ends.append(event)


class Stress:
    """Counts what happened, and gathers what was wrong."""

    def __init__(self, library: Library, kind: str, model: str, seed: int) -> None:
        self._library, self._kind, self._model = library, kind, model
        self._chance = random.Random(seed)
        self._noise = NOISE[kind]
        self._lone: dict[tuple[int, int, Way], Answer] = {}
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.apart: list[str] = []
        """These answers are drawn or held in a grammar, and parted from the lone run's."""
        self._bench = Bench(library, model, self._chance, LONE)
        self._prompts = [*self._talks()] if kind == "demo" else [*self._texts()]

    # What is asked

    def _talks(self) -> Iterator[Asked]:
        """Asks questions, and holds conversations that begin with them."""
        for number, question in enumerate(QUESTIONS):
            first = Message("user", question)
            yield ChatPrompt((first,))
            said = self._alone(ChatPrompt((first,)), 28).texts[0]
            yield ChatPrompt((first, Message("assistant", said), Message("user", QUESTIONS[number - 1])))

    def _texts(self) -> Iterator[Asked]:
        """Makes texts that begin alike in threes, some of which repeat what the model says itself."""
        for start in range(0, 90, 15):
            common = words(*((start + 7 * at) % N_WORDS for at in range(10 + start)))
            yield TokenPrompt(common)
            yield TokenPrompt(common + words(*((start + 11 * at) % N_WORDS for at in range(1, 30))))
            said = self._said(TokenPrompt(common))
            yield TokenPrompt(common + said + words(start) + common + said[:4])

    def _said(self, prompt: Asked) -> tuple[int, ...]:
        pieces = [chosen.token.raw.decode() for chosen in self._alone(prompt, 28).tokens[0]]
        return words(*(int(piece.removeprefix(" word")) for piece in pieces))

    def _alone(self, prompt: Asked, maximum: int, way: Way = PLAIN) -> Answer:
        bench = self._bench
        job = len(bench.answers) + 1
        request = GenerationRequest(prompt, way.sampling, max_tokens=maximum, logprobs=2, grammar=way.grammar)
        bench.submit(job, request)
        while bench.scheduler.busy:
            bench.scheduler.step()
        assert isinstance(bench.answers[job].ends[0], wire.Finished), bench.answers[job].ends
        return bench.answers[job]

    def _right(self, prompt: int, maximum: int, way: Way) -> Answer:
        if (prompt, maximum, way) not in self._lone:
            self._lone[prompt, maximum, way] = self._alone(self._prompts[prompt], maximum, way)
        return self._lone[prompt, maximum, way]

    # What happens

    def _mode(self) -> dict[str, Any]:
        pick = self._chance.choice
        mode: dict[str, Any] = {
            "n_parallel": pick((1, 2, 3, 4, 6)),
            "n_ctx": pick((256, 320, 384, 768, 2048)),
            "n_batch": pick((16, 32, 64, 512)),
            "kv_reuse": pick(("off", "prefix", "prefix")),
            "checkpoint_tokens": pick((0, 24, 1024)),
            "checkpoint_memory": pick((0, 1, 512)),
            "speculation": pick(("off", "lookup")),
        }
        if self._chance.random() < 0.25:
            mode["draft_path"] = self._model
        return mode

    def _job(self) -> Job:
        chance = self._chance
        prompt = chance.randrange(len(self._prompts))
        way = stress_ways.chosen(self._kind, chance)
        is_judged_by_text = way.is_plain or self._noise < EXACT
        request = GenerationRequest(
            self._prompts[prompt],
            way.sampling,
            max_tokens=chance.choice(LENGTHS),
            choices=chance.choice((1, 1, 1, 2, 3)),
            logprobs=chance.choice((None, 2)) if is_judged_by_text else 2,
            grammar=way.grammar,
            echo=self._kind != "demo" and chance.random() < 0.1,
            cache_prompt=chance.choice((None, None, True, False)),
            scope=chance.choice(("", "", "other")),
            whole=chance.random() < 0.2,
        )
        return Job(prompt, way, request)

    def round(self) -> None:
        chance = self._chance
        mode = self._mode()
        checkpoints_module.SPAN = chance.choice((4, 64))  # type: ignore[misc]
        scheduler_module.AHEAD = chance.choice((2, 256))  # type: ignore[misc]  # how tight memory may become
        bench = Bench(self._library, self._model, chance, mode)
        self._watch(bench)
        bench.until_full = chance.randrange(*FULL)
        jobs = {number: self._job() for number in range(1, ROUND + 1)}
        coming, open_jobs, given_up, steps = list(jobs), set[int](), set[int](), 0
        while coming or bench.scheduler.busy:
            while coming and (len(open_jobs) < 2 or chance.random() < 0.25):
                job = coming.pop(0)
                open_jobs.add(job)
                bench.submit(job, jobs[job].request)
            if open_jobs and chance.random() < 0.06:
                job = chance.choice(sorted(open_jobs))
                given_up.add(job)
                if chance.random() < 0.3:
                    bench.cancels.cancel(job)
                else:
                    bench.leaving.append(job)
            try:
                bench.scheduler.step()
            except HoshikageError as error:
                self.wrong.append(f"{mode}: {error}")
                bench.scheduler.fail(error)
            open_jobs = {job for job in open_jobs if not bench.answers[job].ends}
            steps += 1
            if steps > 20_000:
                self.wrong.append(f"{mode}: no end")
                break
        for job, asked in jobs.items():
            self._judge(mode, asked, bench.answers[job], job in given_up)
        if bench.scheduler._pool.free != bench.context.n_sequences or bench.cancels._open:
            self.wrong.append(f"{mode}: something is left")
        self.wrong += bench.logs
        self.counts["steps"] += steps
        self.counts.update(name for name in ("lookup", "draft_path") if name in (mode["speculation"], *mode))
        bench.close()

    def _watch(self, bench: Bench) -> None:
        """Counts what the scheduler does with its sequences."""
        pool = bench.scheduler._pool
        for name in ("fork", "evict", "restore", "forget", "take"):
            setattr(pool, name, self._counted(name, getattr(pool, name)))
        scheduler: Any = bench.scheduler
        scheduler._send_away = self._counted("sent away", scheduler._send_away)

    def _counted(self, name: str, function: Any) -> Any:
        def called(*args: Any, **named: Any) -> Any:
            found = function(*args, **named)
            self.counts[name] += found is None or bool(found)
            if name == "take" and found is not None and found.n_past:
                self.counts["reused"] += 1
            return found

        return called

    # Whether it is right

    def _judge(self, mode: dict[str, Any], job: Job, answer: Answer, given_up: bool) -> None:
        request = job.request
        if len(answer.ends) != 1 or isinstance(answer.ends[0], wire.Failed):
            self.wrong.append(f"{mode} {job.prompt}: {answer.ends}")
            return
        assert request.max_tokens is not None
        ended = answer.ends[0]
        if not given_up and ended.reason == "cancelled":
            self.wrong.append(f"{mode} {job.prompt}: nobody gave it up")
        whole = ended.reason != "cancelled"
        for choice in range(request.choices) if whole else answer.texts:
            text, tokens = answer.texts.get(choice, ""), answer.tokens.get(choice, [])
            right = self._right(job.prompt, request.max_tokens, job.way.of_choice(choice))
            fault = self._difference(right, job.way, text, tokens, whole=whole)
            if fault:
                self.wrong.append(f"{mode} prompt {job.prompt} {request.max_tokens} {choice}: {fault}")
            self.counts["answers" if whole else "given up"] += 1
            self.counts["drawn"] += job.way.sampling.temperature > 0
            self.counts["held in a grammar"] += job.way.grammar is not None
            self.counts["not plain"] += not job.way.is_plain
        self.counts["drafted"] += ended.timings.drafted
        self.counts["accepted"] += ended.timings.accepted
        self.counts["echoed"] += bool(answer.echo)

    def _difference(self, right: Answer, way: Way, text: str, tokens: list[wire.Chosen], *, whole: bool) -> str:
        """Says what is wrong with an answer; empty for nothing. One that was given up must be a part of the right
        one."""
        expected = right.texts.get(0, "")
        for mine, lone in zip(tokens, right.tokens.get(0, []), strict=False):
            if mine.token.raw != lone.token.raw:
                break
            if abs(mine.token.logprob - lone.token.logprob) > self._noise * (1 if way.is_plain else UNLIKELY):
                return f"{mine.token.logprob} where a lone run has {lone.token.logprob} at {mine.token.raw!r}"
        if not whole:
            text = text.removesuffix("\ufffd")  # it ended inside a character
        if text == expected if whole else expected.startswith(text):
            return ""
        if not way.is_plain:
            self.counts["apart"] += 1
            self.apart.append(f"{way} {text!r} where a lone run has {expected!r}")
            return ""
        if self._is_near(right, text):
            self.counts["near"] += 1
            return ""
        return f"{text!r} where a lone run has {expected!r}"

    def _is_near(self, right: Answer, text: str) -> bool:
        """Returns whether the texts part where the lone run's two best tokens are within the noise."""
        said = b""
        for chosen in right.tokens.get(0, []):
            first, second = chosen.top[0], chosen.top[1]
            if first.logprob - second.logprob <= self._noise:
                return True
            said += chosen.token.raw
            if not text.encode().startswith(said):
                return False
        return False

    def close(self) -> None:
        """Ends the lone runs; too many that parted are wrong."""
        self._bench.close()
        if self.counts["apart"] > APART[self._kind] * self.counts["not plain"]:
            self.wrong += self.apart[:20]


def main() -> dict[str, Any]:
    file, kind, model, seed, answers = sys.argv[1:]
    library = load(Path(file), lambda _level, _line: None)
    stress = Stress(library, kind, model, int(seed))
    while stress.counts["answers"] < int(answers):
        stress.round()
        if len(stress.wrong) > 20:
            break
    stress.close()
    return {"wrong": stress.wrong, "counts": stress.counts}


if __name__ == "__main__":
    print(json.dumps(main()))
