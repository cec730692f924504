"""Runs the bare loop in a process of its own: load, decode, sample, token to piece; no server, no thread, no frames.

Started by bench.py, which writes one JSON request a line to stdin and reads one JSON answer a line from stdout. Main
thread. It takes the prompt from the same template and tokenizer as the engine, so that both decode the same ids.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

from bench_client import percentiles
from hoshikage._ffi.library import load
from hoshikage.engine.prompt import prepare
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import Sampler, likeliest
from hoshikage.llama.templates import Templates
from hoshikage.params import ChatPrompt, GenerationRequest, LoadParams, Message, SamplingParams, TokenPrompt

VARIANT: Final = re.compile(r"/(?:lib)?(ggml-cpu[^/\s]*?)\.(?:so|dylib|dll)")


def main(library_file: Path, model_file: Path, n_sequences: int = 1) -> None:
    params = LoadParams(str(model_file), n_parallel=n_sequences)
    with ExitStack() as stack:
        library = stack.enter_context(closing(load(library_file, lambda level, line: _log(level, line))))
        started = time.perf_counter()
        model = stack.enter_context(closing(Model.load(library, params, lambda _progress: True)))
        context = stack.enter_context(closing(Context.open(model, params)))
        info = library.info()
        _say(
            load_s=time.perf_counter() - started,
            n_params=model.n_params,
            size_bytes=model.size_bytes,
            version=info.version,
            variant=_variant(),
            system_info=info.system_info,
        )
        templates = Templates(model, params)
        for line in sys.stdin:
            wanted = json.loads(line)
            if "questions" in wanted:
                _say(
                    **together(
                        context, [_tokens(model, templates, context, one) for one in wanted["questions"]], wanted
                    )
                )
                continue
            request = GenerationRequest(
                TokenPrompt(tuple(wanted["tokens"]))
                if "tokens" in wanted
                else ChatPrompt((Message("user", wanted["question"]),)),
                SamplingParams(temperature=0),
                max_tokens=wanted["max_tokens"],
            )
            prompt = prepare(request, templates, model.vocab, context.n_ctx)
            with ExitStack() as run:
                sample = _sampler(run, model, context, own=wanted["sampler"] == "own")
                _say(**measure(context, sample, prompt.tokens, prompt.limit))


def together(context: Context, prompts: list[list[int]], wanted: dict[str, Any]) -> dict[str, Any]:
    """Answers all prompts at once with `max_tokens` tokens each, a token of each in every decode: what the library
    allows several texts. Ends of text are passed over, so that all are of one length."""
    batch, started = context.batch, time.perf_counter()
    context.clear()
    tokens: list[int] = []
    for number, prompt in enumerate(prompts):
        batch.clear()
        batch.extend(prompt[:-1], 0, number)
        index = batch.add(prompt[-1], len(prompt) - 1, number, True)
        context.decode()
        tokens.append(likeliest(context.logits(index), context))
    first = time.perf_counter()
    for step in range(wanted["max_tokens"] - 1):
        batch.clear()
        for number, (prompt, token) in enumerate(zip(prompts, tokens, strict=True)):
            batch.add(token, len(prompt) + step, number, True)
        context.decode()
        tokens = [likeliest(context.logits(number), context) for number in range(len(prompts))]
    return {
        "text": "",
        "tokens": len(prompts) * wanted["max_tokens"],
        "prompt_tokens": sum(map(len, prompts)),
        "first_s": first - started,
        "total_s": time.perf_counter() - started,
        "gaps_ms": (0.0, 0.0),
    }


def _tokens(model: Model, templates: Templates, context: Context, question: str) -> list[int]:
    request = GenerationRequest(ChatPrompt((Message("user", question),)), max_tokens=1)
    return list(prepare(request, templates, model.vocab, context.n_ctx).tokens)


def measure(context: Context, sample: Callable[[int], int], prompt: Any, limit: int) -> dict[str, Any]:
    """Measures one answer. Times are in seconds, from before the prompt's first decode."""
    vocab, batch = context.model.vocab, context.batch
    pieces = []
    started = time.perf_counter()
    context.clear()
    for begin in range(0, len(prompt), context.n_batch):
        chunk = prompt[begin : begin + context.n_batch]
        batch.clear()
        batch.extend(chunk[:-1], begin, 0)
        index = batch.add(chunk[-1], begin + len(chunk) - 1, 0, begin + len(chunk) == len(prompt))
        context.decode()
    token = sample(index)
    first = time.perf_counter()
    count, position, times = 1, len(prompt), [first]
    while not vocab.is_eog(token):
        pieces.append(vocab.piece(token))
        if count == limit:
            break
        batch.clear()
        index = batch.add(token, position, 0, True)
        context.decode()
        token = sample(index)
        count += 1
        position += 1
        times.append(time.perf_counter())
    ended = time.perf_counter()
    return {
        "text": b"".join(pieces).decode("utf-8", "replace"),
        "tokens": count,
        "prompt_tokens": len(prompt),
        "first_s": first - started,
        "total_s": ended - started,
        "gaps_ms": percentiles(times),
    }


def _sampler(stack: ExitStack, model: Model, context: Context, *, own: bool) -> Callable[[int], int]:
    """Makes the library's own greedy sampler, or what the engine uses at temperature 0."""
    if not own:
        return stack.enter_context(closing(Sampler.open(model, context, SamplingParams(temperature=0)))).sample
    api = model.library.api
    chain = api.llama_sampler_chain_init(True)
    stack.callback(api.llama_sampler_free, chain)
    api.llama_sampler_chain_add(chain, api.llama_sampler_init_greedy())
    choose, pointer = api.llama_sampler_sample, context.pointer
    return lambda index: int(choose(chain, pointer, index))


def _variant() -> str:
    """Names the file of the CPU backend that the library chose, where the system tells (Linux)."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    return ", ".join(sorted({match[1] for match in VARIANT.finditer(maps)})) or "built in"


def _log(level: int, line: str) -> None:
    if level >= logging.ERROR:
        print(line, file=sys.stderr)


def _say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
