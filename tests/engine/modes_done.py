"""This program sends the same requests in every mode of the scheduler, and by the bare loop. LIBRARY MODEL SEED on the
command line; prints JSON: mode -> what was answered, and what the memory still knew."""

from __future__ import annotations

import json
import queue
import random
import sys
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage._ffi.library import load
from hoshikage.engine.worker import Worker
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import likeliest
from hoshikage.params import ChatPrompt, GenerationRequest, LoadParams, Message, SamplingParams, TokenPrompt

PATIENCE_S = 120.0
QUESTIONS = (
    "星影とは何ですか？", "こんにちは", "How do I add my own model?", "Who are you?", "モデルを追加するには？",
    "Which API does it have?", "How do I stop it?", "使い方を教えてください",
)  # fmt: skip
MODES: dict[str, dict[str, Any]] = {
    "one": {},
    "together": {"n_parallel": 4},
    "tight": {"n_parallel": 4, "n_ctx": 320},
    "prefix": {"kv_reuse": "prefix"},
    "prefix together": {"kv_reuse": "prefix", "n_parallel": 3},
    "lookup": {"speculation": "lookup"},
    "lookup together": {"speculation": "lookup", "n_parallel": 4},
    "draft": {"draft_path": "model"},
    "draft together": {"draft_path": "model", "n_parallel": 2, "kv_reuse": "prefix"},
}


class Engine:
    """This is one worker with the model loaded in one mode."""

    def __init__(self, library: Path, model: str, *, store: wire.StateStore | None = None, **mode: Any) -> None:
        self._events: queue.Queue[wire.Event] = queue.Queue()
        self._worker = Worker(library, self._events.put, 40, lambda: None)
        self._worker.start()
        self.last = 0
        self.lost: list[str] = []
        """These stored files are of no use to it."""
        self.choices: dict[int, dict[int, str]] = {}
        self.ends: dict[int, wire.Finished | wire.Failed] = {}
        given = {"n_ctx": 768, "n_batch": 32, "n_threads": 1, **mode}
        if "draft_path" in given:
            given["draft_path"] = model
        self._worker.submit(wire.Load(LoadParams(model, **given), store))
        event = self.take()
        while not isinstance(event, wire.Loaded):
            if isinstance(event, wire.Failed):
                raise event.error()
            event = self.take()
        self.model = event.model

    def submit(self, request: GenerationRequest) -> int:
        self.last += 1
        self.choices[self.last] = {}
        self._worker.submit(wire.Generate(self.last, request))
        return self.last

    def text(self, job: int) -> str:
        return "".join(self.choices[job].values())

    def cancel(self, job: int) -> None:
        self._worker.cancel(job)

    def take(self) -> wire.Event:
        event = self._events.get(timeout=PATIENCE_S)
        if isinstance(event, wire.Token):
            texts = self.choices[event.job]
            texts[event.choice] = texts.get(event.choice, "") + event.text
        elif isinstance(event, (wire.Finished, wire.Failed)) and event.job is not None:
            self.ends[event.job] = event
        elif isinstance(event, wire.StateLost):
            self.lost.append(event.path)
        return event

    def finish(self) -> None:
        while len(self.ends) < self.last:
            self.take()

    def put_away(self, command: wire.PutAway) -> wire.PutAwayDone:
        self._worker.submit(command)
        event = self.take()
        while not isinstance(event, wire.PutAwayDone):
            event = self.take()
        return event

    def stop(self) -> None:
        self._worker.stop()
        self._worker.join()


def asked(question: str, maximum: int, **more: Any) -> GenerationRequest:
    messages = (Message("user", question),)
    return GenerationRequest(ChatPrompt(messages), SamplingParams(temperature=0), max_tokens=maximum, **more)


def plan(seed: int) -> list[tuple[str, int, bool, int]]:
    """Lists questions in the order in which they come: most tokens, whether given up at once, events to take before the
    next."""
    rng = random.Random(seed)
    return [(rng.choice(QUESTIONS), rng.randrange(8, 60), number % 5 == 4, rng.randrange(12)) for number in range(16)]


def arrivals(engine: Engine, seed: int) -> dict[str, str]:
    """Sends requests of random lengths that come at random moments, some of which are given up."""
    wanted: dict[int, str] = {}
    for question, maximum, given_up, events in plan(seed):
        job = engine.submit(asked(question, maximum))
        if given_up:
            engine.cancel(job)
        else:
            wanted[job] = f"{question} {maximum}"
        for _ in range(events):
            if len(engine.ends) < engine.last:
                engine.take()
    engine.finish()
    for job in wanted:
        end = engine.ends[job]
        assert isinstance(end, wire.Finished), end
    return {name: engine.text(job) for job, name in wanted.items()}


def turns(engine: Engine) -> list[list[Any]]:
    """Holds a conversation, then another one of another scope that begins with the same words."""
    found: list[list[Any]] = []
    for scope in ("a", "b"):
        messages = [Message("user", QUESTIONS[0])]
        for number in range(3):
            prompt = ChatPrompt(tuple(messages))
            job = engine.submit(GenerationRequest(prompt, SamplingParams(temperature=0), max_tokens=40, scope=scope))
            engine.finish()
            end = engine.ends[job]
            assert isinstance(end, wire.Finished), end
            found.append([engine.text(job), end.prompt_tokens, end.timings.cached_tokens])
            messages += [Message("assistant", engine.text(job)), Message("user", QUESTIONS[number + 2])]
    return found


def drawn(engine: Engine) -> list[list[str]]:
    """Asks for answers that are drawn, by their seeds: several choices of one prompt; a text that repeats its
    prompt."""
    sampling = SamplingParams(temperature=1.0, seed=7, repeat_penalty=1.1)
    several = GenerationRequest(ChatPrompt((Message("user", QUESTIONS[2]),)), sampling, max_tokens=30, choices=3)
    repeated = GenerationRequest(TokenPrompt(tuple([40, 41, 42, 43, 44] * 12)), sampling, max_tokens=40)
    jobs = [engine.submit(several), engine.submit(repeated)]
    engine.finish()
    return [[engine.choices[job][choice] for choice in sorted(engine.choices[job])] for job in jobs]


def bare(library: Path, model: str, seed: int) -> dict[str, str]:
    """Asks the same questions by a loop over the library alone."""
    opened = load(library, lambda _level, _line: None)
    loaded = Model.load(opened, LoadParams(model, n_threads=1), lambda _progress: True)
    context = Context.open(loaded, LoadParams(model, n_ctx=768, n_batch=32, n_threads=1))
    found = {
        f"{question} {maximum}": answer(context, question, maximum)
        for question, maximum, given_up, _ in plan(seed)
        if not given_up
    }
    context.close()
    loaded.close()
    opened.close()
    return found


def answer(context: Context, question: str, maximum: int) -> str:
    vocab, batch = context.model.vocab, context.batch
    words = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    tokens = vocab.tokenize(words, parse_special=True)
    if vocab.add_bos and tokens[:1] != [vocab.bos]:
        tokens.insert(0, vocab.bos)
    context.clear()
    pieces: list[bytes] = []
    for begin in range(0, len(tokens), context.n_batch):
        part = tokens[begin : begin + context.n_batch]
        batch.clear()
        for at, token in enumerate(part, begin):
            index = batch.add(token, at, 0, at == len(tokens) - 1)
        context.decode()
    for position in range(len(tokens), len(tokens) + maximum):
        token = likeliest(context.logits(index), context)
        if vocab.is_eog(token):
            break
        pieces.append(vocab.piece(token))
        batch.clear()
        index = batch.add(token, position, 0, True)
        context.decode()
    return b"".join(pieces).decode("utf-8", "replace")


def main() -> dict[str, Any]:
    library, model, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    found: dict[str, Any] = {"bare": bare(library, model, seed)}
    for name, mode in MODES.items():
        engine = Engine(library, model, **mode)
        try:
            found[name] = {"arrivals": arrivals(engine, seed), "turns": turns(engine), "drawn": drawn(engine)}
        finally:
            engine.stop()
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
