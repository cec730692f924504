"""Measures how fast a model is with one setting or another: its load, prompts, and answers to one text and to several.
Main thread of a process that ends with it.

All settings of a plan take turns, round after round. The best round of each is the one to go by, as other work of the
machine only makes a decode longer; how far the next best is from it tells how much of that there was. With its first
round each setting also tells the likeliest tokens behind one and the same text, so that it can be seen which settings
change answers.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from hoshikage._ffi.library import Library
from hoshikage.errors import HoshikageError, ModelLoadFailed
from hoshikage.llama.context import Context
from hoshikage.llama.kinds import writes
from hoshikage.llama.load_fields import free_vram
from hoshikage.llama.loading import open_model
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import likeliest
from hoshikage.params import LoadParams

TEXT: Final = "The night sky is full of stars, and each of them has a story that nobody has told yet. "
LONGEST_PROMPT: Final = 512
SHORTEST_PROMPT: Final = 32
SHARED: Final = 4
"""Each of several texts begins with so many tokens."""
ANSWER: Final = 24
"""One text's answer in a round has so many tokens, after the first."""
MIN_ANSWER: Final = 4
"""An answer has this many tokens at least, where more would take too long."""
TOGETHER: Final = 8
"""A round has so many decodes of several texts."""
PROMPT_SHARE: Final = 0.01
"""One prompt may take this part of the time for measuring."""
MAX_ROUNDS: Final = 9


@dataclass(frozen=True, slots=True)
class TunePlan:
    """This is what is measured: `params` as they are, and with each of `trials` in their place."""

    params: LoadParams
    trials: tuple[dict[str, Any], ...]
    n_sequences: int
    """So many texts are answered together; 1 measures none."""
    seconds: float
    n_prompt: int = 0
    """`n_prompt` counts the tokens of the prompt; 0 for as many as the time allows."""


@dataclass(slots=True)
class Figures:
    """These are one setting's rounds, each with its tokens a second."""

    trial: int
    generation: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    prompt: list[float] = field(default_factory=list)
    load_s: float = 0.0
    resident_bytes: int = 0
    vram_bytes: int = 0
    n_threads: int = 0
    n_prompt: int = 0
    answer: list[int] = field(default_factory=list)
    error: str = ""
    """`error` is the key of why it cannot be; empty where it can."""


def measure(library: Library, plan: TunePlan, clock: Callable[[], float] = time.perf_counter) -> Iterator[Figures]:
    """Yields the figures of each trial after each round of it. Raises HoshikageError where the model cannot be loaded,
    or is none that writes."""
    until = clock() + plan.seconds
    before = free_vram(library)
    (model, context), load_s = _loaded(library, plan.params, clock)
    if load_s < plan.seconds / 8:  # it may have waited for a disk, or for the library's own first steps
        context.close()
        model.close()
        (model, context), again = _loaded(library, plan.params, clock)
        load_s = min(load_s, again)
    with closing(model):
        with closing(context):
            if not writes(model):
                raise ModelLoadFailed("tune.no_text", file=plan.params.model_path)
            tokens = _text(model, context.n_ctx)
            count = plan.n_prompt or _prompt_length(context, tokens, plan.seconds * PROMPT_SHARE, clock)
        figures = [Figures(number, load_s=load_s, n_prompt=count) for number in range(len(plan.trials))]
        spent = 0.0
        for _ in range(MAX_ROUNDS):
            round_begun = clock()
            for trial, result in zip(plan.trials, figures, strict=True):
                if result.error or clock() >= until:
                    continue
                # Too many threads on a busy machine are a thousand times slower: they must not take the others' time.
                watch = _Watch(clock, clock() + (until - round_begun) / (4 * len(plan.trials)))
                _round(model, replace(plan.params, **trial), plan.n_sequences, tokens[:count], result, watch)
                result.resident_bytes = max(result.resident_bytes, resident_bytes())
                result.vram_bytes = max(result.vram_bytes, before - free_vram(library))
                yield result
            spent = max(spent, clock() - round_begun)
            if clock() + spent > until:
                return


@dataclass(frozen=True, slots=True)
class _Watch:
    """This tells what time it is, and when a setting has had enough of it."""

    now: Callable[[], float]
    until: float

    @property
    def is_over(self) -> bool:
        return self.now() >= self.until


def _round(
    model: Model, params: LoadParams, n_sequences: int, prompt: Sequence[int], result: Figures, watch: _Watch
) -> None:
    try:
        with closing(Context.open(model, params)) as context:
            result.n_threads = context.n_threads
            answer = _one(context, prompt, result, watch)
        if not result.answer:
            result.answer = answer
        if n_sequences > 1 and not model.spoils_sequences and not (watch.is_over and result.together):
            with closing(Context.open(model, replace(params, n_parallel=n_sequences))) as context:
                result.together.append(_several(context, prompt[:SHARED], n_sequences, watch))
    except HoshikageError as error:
        result.error = error.key


def _one(context: Context, prompt: Sequence[int], result: Figures, watch: _Watch) -> list[int]:
    """Returns the likeliest tokens behind the prompt; the rates are in the figures then."""
    _decode(context, prompt[:2], 0)  # a graphics card prepares itself in its first decode
    context.clear()
    begun = watch.now()
    token = likeliest(context.logits(_decode(context, prompt, 0)), context)
    result.prompt.append(len(prompt) / (watch.now() - begun))
    answer, batch = [token], context.batch
    begun = watch.now()
    while len(answer) <= ANSWER and not (watch.is_over and len(answer) > MIN_ANSWER):
        batch.clear()
        index = batch.add(answer[-1], len(prompt) + len(answer) - 1, 0, True)
        context.decode()
        answer.append(likeliest(context.logits(index), context))
    result.generation.append((len(answer) - 1) / (watch.now() - begun))
    return answer


def _several(context: Context, prompt: Sequence[int], count: int, watch: _Watch) -> float:
    """Measures the tokens a second of so many texts together."""
    batch, steps = context.batch, 0
    tokens = [likeliest(context.logits(_decode(context, prompt, number)), context) for number in range(count)]
    begun = watch.now()
    while steps < TOGETHER and not (watch.is_over and steps):
        batch.clear()
        for number, token in enumerate(tokens):
            batch.add(token, len(prompt) + steps, number, True)
        context.decode()
        tokens = [likeliest(context.logits(number), context) for number in range(count)]
        steps += 1
    return count * steps / (watch.now() - begun)


def _decode(context: Context, tokens: Sequence[int], sequence: int) -> int:
    """Computes the tokens as the beginning of a text; gives the batch's index of the last one."""
    batch, index = context.batch, 0
    for begin in range(0, len(tokens), context.n_batch):
        chunk = tokens[begin : begin + context.n_batch]
        batch.clear()
        batch.extend(chunk[:-1], begin, sequence)
        index = batch.add(chunk[-1], begin + len(chunk) - 1, sequence, begin + len(chunk) == len(tokens))
        context.decode()
    return index


def _text(model: Model, n_ctx: int) -> list[int]:
    """Returns as many tokens of plain text as a prompt may have here."""
    room = max(2, min(LONGEST_PROMPT, n_ctx - ANSWER - 1))
    tokens: list[int] = []
    piece = model.vocab.tokenize(TEXT, parse_special=False)
    while piece and len(tokens) < room:
        tokens += piece
    return tokens[:room]


def _prompt_length(context: Context, tokens: Sequence[int], seconds: float, clock: Callable[[], float]) -> int:
    """Returns how many of the tokens can be computed in about so many seconds."""
    few = tokens[:SHORTEST_PROMPT]
    for _ in range(2):  # the first decode also prepares
        context.clear()
        begun = clock()
        context.logits(_decode(context, few, 0))
        context.synchronize()
        taken = clock() - begun
    return max(len(few), min(len(tokens), int(len(few) * seconds / taken) if taken else len(tokens)))


def _loaded(library: Library, params: LoadParams, clock: Callable[[], float]) -> tuple[tuple[Model, Context], float]:
    begun = clock()
    opened = open_model(library, params, lambda _share: True)
    return opened, clock() - begun


def resident_bytes() -> int:
    """Returns the bytes of physical memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * mmap.PAGESIZE
    except (OSError, ValueError, IndexError):
        return 0
