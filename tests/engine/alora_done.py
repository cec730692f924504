"""This program compares answers with an adapter that is active from its invocation on (aLoRA), beside those of a bare
loop. LIBRARY FOLDER on the command line; prints JSON: for each mode the answers that differ, and how much was at
hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec.structs import replace

from hoshikage import wire
from hoshikage._ffi.library import load
from hoshikage.errors import HoshikageError
from hoshikage.llama.adapters import Adapters
from hoshikage.llama.context import Context
from hoshikage.llama.embedder import Embedder
from hoshikage.llama.model import Model
from hoshikage.params import AdapterSet, GenerationRequest, LoadParams, SamplingParams, Scaled, TokenPrompt
from tests.adapter_files import HEAD, write_lora, write_merged
from tests.engine.modes_done import Engine
from tests.tiny_decoders import write_decoder

INVOCATION: Final = (270, 271, 272)
WORDS: Final = tuple(280 + 7 * place % 60 for place in range(40))
PROMPTS: Final = {
    "late": (*WORDS[:20], *INVOCATION, *WORDS[20:24]),
    "twice": (*WORDS[:20], *INVOCATION, *WORDS[20:24], *INVOCATION, *WORDS[30:33]),
    "longer": (*WORDS[:20], *INVOCATION, *WORDS[20:40]),
    "at once": (*INVOCATION, *WORDS[:9]),
    "last": (*WORDS[:9], *INVOCATION),
    "never": WORDS[:24],
}
ACTIVE: Final = {"late": 20, "twice": 27, "longer": 20, "at once": 0, "last": 9, "never": None}
MODES: Final[dict[str, dict[str, Any]]] = {
    "one": {},
    "kept": {"kv_reuse": "prefix"},
    "together": {"n_parallel": 3},
    "kept together": {"kv_reuse": "prefix", "n_parallel": 3},
    "exact": {"deterministic": True},
}
TOKENS: Final = 8


def main() -> dict[str, Any]:
    library, folder = Path(sys.argv[1]), Path(sys.argv[2])
    alora = Scaled(str(write_lora(folder / "alora.gguf", 1, invocation=INVOCATION)), 1.0)
    lora = Scaled(str(write_lora(folder / "lora.gguf", 2)), 0.5)
    model = str(write_merged(folder / "model.gguf", {}, {}))
    sets = {"plain": (), "alora": (alora,), "both": (alora, lora)}
    right = {name: bare(library, model, alora, given) for name, given in sets.items()}
    found: dict[str, Any] = {"right": right, "wrong": {}, "cached": {}}
    found["vectors"] = vectors(library, model, str(write_merged(folder / "merged.gguf", {1: 1.0}, {})), alora)
    found["within"] = within(library, folder / "both-ways.gguf", alora)
    for mode, settings in MODES.items():
        engine = Engine(library, model, **settings)
        jobs = {}
        for name in ("alora", "plain", "alora", "both", "alora"):
            for prompt, tokens in PROMPTS.items():
                request = GenerationRequest(
                    TokenPrompt(tokens), SamplingParams(temperature=0), max_tokens=TOKENS, lora=sets[name], choices=2
                )
                jobs[engine.submit(request)] = (name, prompt)
        engine.finish()
        ends = [end for end in engine.ends.values() if isinstance(end, wire.Finished)]
        assert len(ends) == len(jobs), engine.ends
        found["wrong"][mode] = [
            (name, prompt)
            for job, (name, prompt) in jobs.items()
            if engine.choices[job] != {0: right[name][prompt], 1: right[name][prompt]}
        ]
        found["cached"][mode] = [end.timings.cached_tokens for end in ends]
        engine.stop()
    return found


def bare(library: Path, file: str, alora: Scaled, given: tuple[Scaled, ...]) -> dict[str, str]:
    """Runs a loop over decodes, in which the adapter is set where its invocation begins."""
    params = LoadParams(file, n_ctx=256, n_threads=1)
    model = Model.load(load(library, lambda _level, _line: None), params, lambda _progress: True)
    adapters = Adapters(model, params)
    adapters.chosen(given)
    result = {}
    for prompt, tokens in PROMPTS.items():
        context, place = Context.open(model, params), ACTIVE[prompt]
        without = AdapterSet(tuple(one for one in given if one != alora))
        begin = len(tokens) if place is None else place
        parts = ((0, tokens[:begin], without), (begin, tokens[begin:], AdapterSet(given)))
        token = 0
        for position, part, used in parts:
            if part:
                adapters.use(context, used)
                token = decoded(context, part, position)
        answer = b""
        for at in range(TOKENS):
            if model.vocab.is_eog(token):
                break
            answer += model.vocab.piece(token)
            token = decoded(context, (token,), len(tokens) + at)
        result[prompt] = answer.decode("utf-8", "replace")
        context.close()
    model.close()
    return result


def vectors(library: Path, file: str, merged: str, alora: Scaled) -> dict[str, list[float]]:
    """Tells for each prompt how far its vector is from that of the model without the adapter, from that of one which
    has it in its weights, and from that of a loop which sets it where its invocation begins."""
    opened = load(library, lambda _level, _line: None)
    params = LoadParams(file, n_ctx=256, n_threads=1, n_batch=8, lora=(alora,))
    model, whole = (Model.load(opened, replace(params, model_path=one), lambda _: True) for one in (file, merged))
    adapters, none = Adapters(model, params), Adapters(whole, LoadParams(merged))
    embedder, other = Embedder.open(model, params, adapters), Embedder.open(whole, params, none)
    result = {}
    for prompt, tokens in PROMPTS.items():
        place = len(tokens) if (begin := ACTIVE[prompt]) is None else begin
        context = embedder._context
        context.clear()
        rows = np.zeros(model.n_embd, np.float32)
        for start, part, used in ((0, tokens[:place], AdapterSet()), (place, tokens[place:], AdapterSet((alora,)))):
            adapters.use(context, used)
            for at, token in enumerate(part, start):  # one after the other
                context.batch.clear()
                index = context.batch.add(token, at, 0, True)
                assert context.decode()
                rows += embedder._vector(index)
        loop = rows / np.linalg.norm(rows)
        mine = embedded(embedder, tokens)
        plain = embedded(embedder, tokens, AdapterSet())
        result[prompt] = [float(np.abs(mine - one).max()) for one in (plain, embedded(other, tokens), loop)]
    for each in (embedder, other, model, whole):
        each.close()
    return result


def within(library: Path, file: Path, alora: Scaled) -> dict[str, str]:
    """Tells what comes of each prompt where a text must be computed at once."""
    write_decoder(file, head=HEAD, extra={"llama.attention.causal": False})
    params = LoadParams(str(file), n_ctx=256, n_threads=1, lora=(alora,))
    model = Model.load(load(library, lambda _level, _line: None), params, lambda _: True)
    embedder = Embedder.open(model, params, Adapters(model, params))
    result = {prompt: refusal(embedder, tokens) for prompt, tokens in PROMPTS.items()}
    embedder.close()
    model.close()
    return result


def refusal(embedder: Embedder, tokens: tuple[int, ...]) -> str:
    try:
        embedded(embedder, tokens)
    except HoshikageError as error:
        return error.key
    return ""


def embedded(embedder: Embedder, tokens: tuple[int, ...], adapters: AdapterSet | None = None) -> Any:
    vector = embedder.embed(tokens, None, lambda _done: None, adapters)
    assert vector is not None
    return vector.copy()


def decoded(context: Context, tokens: tuple[int, ...], position: int) -> int:
    """Returns the likeliest token behind these."""
    context.batch.clear()
    context.batch.extend([*tokens[:-1]], position, 0)
    index = context.batch.add(tokens[-1], position + len(tokens) - 1, 0, True)
    assert context.decode()
    return int(np.argmax(np.array(context.logits(index))))


if __name__ == "__main__":
    print(json.dumps(main()))
