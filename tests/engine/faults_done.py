"""This program raises an exception that nobody foresaw, at each call of the engine's path in turn. LIBRARY MODEL on the
command line; prints JSON: how many calls were hit, and what was wrong after each that was not borne as it should be.

Several jobs run side by side: one with two choices, one with log probabilities, one that is given up, one that is
refused, one whose prompt is scored; memory is tight. Each is to be told one end, and nobody may suffer from a fault in
what belongs to one job.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from inspect import CO_GENERATOR
from pathlib import Path
from types import FrameType
from typing import Any

from hoshikage import wire
from hoshikage._ffi.library import load
from hoshikage.engine.running import Running
from hoshikage.engine.session import Session
from hoshikage.engine.worker import Worker, _Loaded
from hoshikage.llama.context import Context
from hoshikage.llama.loading import open_model
from hoshikage.llama.model import Model
from hoshikage.params import ChatPrompt, GenerationRequest, LoadParams, Message, SamplingParams, TextPrompt

ROOMS = ("/hoshikage/engine/", "/hoshikage/llama/", "/hoshikage/_ffi/")
NETS = {"_generate", "submit", "busy", "failure_of", "report", "ended", "__del__"}
"""These have nobody above them: the thread's own loop, what bears a fault, and the collector."""
NUMBERS = {"longest", "pending", "flows"}
"""The scheduler reads these of each session to plan for all of them."""
GREEDY = SamplingParams(temperature=0)


def asked(question: str) -> ChatPrompt:
    return ChatPrompt((Message("user", question),))


GIVEN_UP, REFUSED, AFTERWARDS = 3, 4, 9
JOBS = {
    1: GenerationRequest(asked("星影とは何ですか？"), GREEDY, max_tokens=5, choices=2, cache_prompt=True),
    2: GenerationRequest(asked("How do I add my own model?"), GREEDY, max_tokens=12, logprobs=2, cache_prompt=True),
    GIVEN_UP: GenerationRequest(asked("Who are you?"), GREEDY, max_tokens=40, stop=("never",)),
    REFUSED: GenerationRequest(TextPrompt(""), GREEDY, max_tokens=4),
    5: GenerationRequest(TextPrompt("Who are"), GREEDY, max_tokens=3, logprobs=1, echo=True),
    6: GenerationRequest(asked("星影 星影 星影 星影 星影 星影とは何ですか？"), GREEDY, max_tokens=12),
}
MODE: dict[str, Any] = {"n_ctx": 256, "n_batch": 32, "n_parallel": 3, "kv_reuse": "prefix", "speculation": "lookup"}


class Injected(Exception):
    """This is what nobody foresaw."""


class Run:
    """Runs all jobs, once, with an exception at one call; then one more job, to see whether all is well again."""

    def __init__(self, model: Model, context: Context, params: LoadParams) -> None:
        self.texts: dict[int, dict[int, str]] = {}
        self.ends: Counter[int] = Counter()
        self.failed: dict[int, str] = {}
        self._worker = Worker(Path(), self._emit, 40, lambda: None)
        self._cancels = self._worker._cancels
        context.clear()
        self._worker._loaded = self._loaded = _Loaded(model, context, wire.Load(params), self._cancels, self._emit)
        self.owner: int | None = None
        """The call belongs to this job where the exception was raised."""

    def _emit(self, event: wire.Event) -> None:
        if isinstance(event, wire.Token):
            texts = self.texts.setdefault(event.job, {})
            texts[event.choice] = texts.get(event.choice, "") + event.text
            if event.job == GIVEN_UP:
                self._worker.cancel(GIVEN_UP)
        elif isinstance(event, (wire.Finished, wire.Failed)) and event.job is not None:
            self.ends[event.job] += 1
            if isinstance(event, wire.Failed):
                self.failed[event.job] = event.key

    def go(
        self, *, count: Counter[tuple[str, str]] | None = None, at: tuple[str, str] | None = None, which: int = 0
    ) -> None:
        """Runs the jobs. `count` gathers how often each pair of caller and callee is met; `at` and `which` name the
        call that fails."""
        left = [which]

        def profile(frame: FrameType, event: str, _argument: object) -> None:
            code, caller = frame.f_code, frame.f_back
            if event != "call" or caller is None or code.co_flags & CO_GENERATOR or code.co_name in NETS:
                return
            if not any(room in code.co_filename for room in ROOMS) or caller.f_code.co_name == "__del__":
                return
            if code.co_filename.endswith("interrupt.py"):  # it is what raises where nobody expects it
                return
            pair = (_name(caller), _name(frame))
            if count is not None:
                count[pair] += 1
            elif pair == at:
                left[0] -= 1
                if not left[0]:
                    self.owner = _owner(frame)
                    raise Injected

        for job, request in JOBS.items():
            self._worker.submit(wire.Generate(job, request))
        first = self._worker._commands.get()
        assert isinstance(first, wire.Generate)
        sys.setprofile(profile)
        try:
            self._worker._generate(first)
        finally:
            sys.setprofile(None)

    def wrong(self, clean: Run) -> list[str]:
        found = [f"job {job} was told {self.ends[job]} ends" for job in JOBS if self.ends[job] != 1]
        scheduler, cancels = self._loaded.scheduler, self._cancels
        if scheduler.busy or cancels._open or cancels._running or cancels._cancelled:
            found.append("something is left")
        if scheduler._pool.free != MODE["n_parallel"]:
            found.append(f"{scheduler._pool.free} sequences are free")
        for job in JOBS:
            untouched = job not in self.failed or job == REFUSED
            if not untouched and self.owner is not None and self.owner != job:
                found.append(f"job {job} failed of a fault in job {self.owner}")
            if untouched and job != GIVEN_UP and self.texts.get(job) != clean.texts.get(job):
                found.append(f"job {job}: {self.texts.get(job)}")
        self._worker.submit(wire.Generate(AFTERWARDS, JOBS[1]))
        first = self._worker._commands.get()
        assert isinstance(first, wire.Generate)
        self._worker._generate(first)
        if self.texts.get(AFTERWARDS) != clean.texts[1] or self.ends[AFTERWARDS] != 1:
            found.append(f"afterwards: {self.texts.get(AFTERWARDS)}")
        return found


def _name(frame: FrameType) -> str:
    """Names the function's place in the tree."""
    code = frame.f_code
    return f"{Path(code.co_filename).stem}.{getattr(code, 'co_qualname', code.co_name)}"


def _owner(frame: FrameType | None) -> int | None:
    """Returns the job of the session that the innermost call with one is of; None for what belongs to all."""
    while frame is not None and frame.f_code.co_name not in NETS | NUMBERS:
        subject = frame.f_locals.get("self")
        if isinstance(subject, (Session, Running)) and hasattr(subject, "job"):
            return subject.job
        if frame.f_code is _Loaded._open.__code__:
            return int(frame.f_locals["job"].job)
        frame = frame.f_back
    return None


def main() -> dict[str, Any]:
    library = load(Path(sys.argv[1]), lambda _level, _line: None)
    params = LoadParams(sys.argv[2], n_threads=1, n_gpu_layers=0, **MODE)
    model, context = open_model(library, params, lambda _progress: True)
    clean, count = Run(model, context, params), Counter[tuple[str, str]]()
    clean.go(count=count)
    assert clean.wrong(clean) == [], clean.wrong(clean)
    assert list(clean.failed) == [REFUSED], clean.failed
    hit, found = 0, {}
    for pair, times in count.items():
        for which in sorted({1, times}):
            run = Run(model, context, params)
            run.go(at=pair, which=which)
            if wrong := run.wrong(clean):
                found[f"{pair[0]} -> {pair[1]} #{which}"] = wrong
            hit += 1
    context.close()
    model.close()
    return {"hit": hit, "wrong": found}


if __name__ == "__main__":
    print(json.dumps(main()))
