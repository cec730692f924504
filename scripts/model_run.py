"""Finds what one library makes of one real model, by the engine and by a bare loop: LIBRARY NAME FILE on the command
line; prints JSON. Main thread, beside the engine's."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from gguf import GGUFReader
from tokenizers import Tokenizer, models, pre_tokenizers

import minilm_gguf
import screen  # noqa: F401  puts the clone on the path
from hoshikage import gguf, wire
from hoshikage._ffi.library import load
from hoshikage.engine.prompt import prepare
from hoshikage.llama.adapters import Adapters
from hoshikage.llama.context import Context
from hoshikage.llama.embedder import Embedder
from hoshikage.llama.ends import end_tokens
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import likeliest
from hoshikage.llama.templates import Templates
from hoshikage.params import (
    ChatPrompt,
    GenerationRequest,
    LoadParams,
    Message,
    Prompt,
    SamplingParams,
    TextPrompt,
    TokenPrompt,
)
from tests.engine.modes_done import Engine

N_TOKENS: Final = 24
N_CTX: Final = 512
EDGE_CTX: Final = 256
"""This is a multiple of what releases round a context up to."""
TOP: Final = 5
QUESTIONS: Final = ("Hello", "What is the capital of France?", "Write one line about the sea.")
BEGINNINGS: Final = ("The capital of France is", "Once upon a time", "def fibonacci(n):")
TEXTS: Final = (
    "Hello, world!", "星影は小さなサーバーです。", "ｶﾀｶﾅ と カタカナ", "👩‍👩‍👧‍👦 🇯🇵",
    "a   b\t c\r\n\n d", "12345 ١٢٣ １２３", "naïve café e\u0301", "שלום, עולם",
    "<b>x</b> & y", "for (int i = 0; i < 10; ++i) {}", "The year 2026.", "...!?—“q”",
)  # fmt: skip
SENTENCES: Final = (
    "A cat sits on the mat.", "Stock markets fell sharply on Friday.", "How do I reset my password?", "night",
    "The quick brown fox jumps over the lazy dog, twice, and then it sleeps under an old oak tree.",
)  # fmt: skip


def generative(library: Path, name: str, file: str) -> dict[str, Any]:
    prompts: list[Prompt]
    if name == "smollm2":
        prompts = [ChatPrompt((Message("user", question),)) for question in QUESTIONS]
    else:
        prompts = [TextPrompt(words) for words in BEGINNINGS]
    requests = [
        GenerationRequest(prompt, SamplingParams(temperature=0), max_tokens=N_TOKENS, logprobs=TOP)
        for prompt in prompts
    ]
    params = LoadParams(file, n_ctx=N_CTX, n_threads=1, controls=gguf.read(Path(file)).controls)
    bare, result = by_itself(library, params, requests)
    controls: dict[str, Any] = {"n_ctx": N_CTX, "controls": params.controls}
    engine = Engine(library, file, n_batch=512, **controls)
    try:
        answers = [by_the_engine(engine, request) for request in requests]
    finally:
        engine.stop()
    same = [mine["ids"] == [list(one) for one in its["ids"]] for mine, its in zip(answers, bare, strict=True)]
    exact = [mine["usage"] == its["usage"] for mine, its in zip(answers, bare, strict=True)]
    far = [far_off(mine["logprobs"], its["logprobs"]) for mine, its in zip(answers, bare, strict=True)]
    return {
        "answers": f"{sum(same)}/{len(same)}",
        "usage": f"{sum(exact)}/{len(exact)}",
        "logprobs": max(far),
        "edges": edges(library, file),
        "text": answers[0]["text"],
        **result,
    }


def by_itself(
    library: Path, params: LoadParams, requests: Sequence[GenerationRequest]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Runs a plain loop over the library, and returns each answer, and what else is seen of the model."""
    opened = load(library, lambda _level, _line: None)
    with closing(Model.load(opened, params, lambda _progress: True)) as model:
        vocab = model.vocab
        vocab.set_types(params.controls)
        templates = Templates(model, params)
        vocab.set_ends(end_tokens(model, templates))
        with closing(Context.open(model, params)) as context:
            answers = []
            for request in requests:
                tokens = list(prepare(request, templates, vocab, context.n_ctx).tokens)
                answers.append(looped(context, tokens))
        seen = {"tokens": tokenized(model), "ends": sorted(vocab.end_tokens), "guessed": sorted(vocab.guessed_ends)}
    opened.close()
    return answers, seen


def looped(context: Context, tokens: list[int]) -> dict[str, Any]:
    vocab, batch = context.model.vocab, context.batch
    context.clear()
    batch.clear()
    batch.extend(tokens[:-1], 0, 0)
    index = batch.add(tokens[-1], len(tokens) - 1, 0, True)
    context.decode()
    pieces, logprobs, count = [], [], 0
    while count < N_TOKENS:
        logits = context.logits(index).astype(np.float64)
        token = likeliest(context.logits(index), context)
        count += 1
        if vocab.is_eog(token):
            break
        shares = logits - logits.max()
        shares -= np.log(np.exp(shares).sum())
        pieces.append([vocab.piece(token).hex()])
        logprobs.append([float(shares[token]), *(float(one) for one in np.sort(shares)[::-1][:TOP])])
        batch.clear()
        index = batch.add(token, len(tokens) + count - 1, 0, True)
        context.decode()
    return {"ids": pieces, "logprobs": logprobs, "usage": [len(tokens), count]}


def by_the_engine(engine: Engine, request: GenerationRequest) -> dict[str, Any]:
    job = engine.submit(request)
    chosen: list[wire.Chosen] = []
    while job not in engine.ends:
        event = engine.take()
        if isinstance(event, wire.Token):
            chosen += event.logprobs or ()
    end = engine.ends[job]
    assert isinstance(end, wire.Finished), end
    return {
        "ids": [[one.token.raw.hex()] for one in chosen],
        "logprobs": [[one.token.logprob, *(other.logprob for other in one.top)] for one in chosen],
        "usage": [end.prompt_tokens, end.completion_tokens],
        "text": engine.text(job),
    }


def far_off(one: list[list[float]], other: list[list[float]]) -> float:
    if len(one) != len(other):
        return float("inf")
    return max((abs(a - b) for mine, its in zip(one, other, strict=True) for a, b in zip(mine, its, strict=True)))


def edges(library: Path, file: str) -> str:
    """Finds how many tokens are generated behind prompts of n_ctx - 2, n_ctx - 1, n_ctx and n_ctx + 1 tokens."""
    engine = Engine(library, file, n_ctx=EDGE_CTX, n_batch=512)
    result = []
    try:
        for length in (EDGE_CTX - 2, EDGE_CTX - 1, EDGE_CTX, EDGE_CTX + 1):
            prompt = TokenPrompt(tuple(300 + at % 50 for at in range(length)))
            job = engine.submit(GenerationRequest(prompt, SamplingParams(temperature=0, ignore_eos=True)))
            engine.finish()
            end = engine.ends[job]
            result.append(str(end.completion_tokens) if isinstance(end, wire.Finished) else "400")
    finally:
        engine.stop()
    return " ".join(result)


def tokenized(model: Model) -> str:
    """Counts the texts whose tokens are those of the model's own tokenizer; where that is not known, that come back
    whole."""
    own = rebuilt(model)
    right = 0
    for text in TEXTS:
        tokens = model.vocab.tokenize(text, parse_special=False)
        if own is not None:
            right += tokens == own.encode(text, add_special_tokens=False).ids
        else:
            right += b"".join(map(model.vocab.piece, tokens)).decode() == text
    return f"{right}/{len(TEXTS)}"


def rebuilt(model: Model) -> Any:
    """The tokenizer as the `tokenizers` package has it, by what the GGUF says; None for kinds but SmolLM2's."""
    if model.metadata("tokenizer.ggml.pre") != "smollm":
        return None
    fields = GGUFReader(FILE).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"].contents()]
    made = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return made


def embedded(library: Path, folder: str) -> dict[str, Any]:
    """Compares MiniLM written as a GGUF with its weights in numpy."""
    source = Path(folder)
    file = source.with_suffix(".gguf")
    if not file.exists():
        minilm_gguf.write(source, file)
    own = Tokenizer.from_file(str(source / "tokenizer.json"))
    own.no_padding()
    own.no_truncation()
    parts = minilm_gguf.weights(source)
    opened = load(library, lambda _level, _line: None)
    params = LoadParams(str(file), n_ctx=N_CTX, n_threads=1)
    cosines, same = [], 0
    with (
        closing(Model.load(opened, params, lambda _progress: True)) as model,
        closing(Embedder.open(model, replace(params, n_batch=64), Adapters(model, params))) as embedder,
    ):
        for text in (*SENTENCES, *TEXTS):
            tokens = model.vocab.tokenize(text, parse_special=False, add_special=True)
            if tokens == own.encode(text).ids:
                same += 1
                vector = embedder.embed(tokens, None, lambda _done: None)
                assert vector is not None
                cosines.append(float(vector @ minilm_gguf.reference(source, tokens, parts)))
    opened.close()
    return {"tokens": f"{same}/{len(SENTENCES) + len(TEXTS)}", "cosine": min(cosines)}


if __name__ == "__main__":
    FILE = sys.argv[3]
    made = embedded if sys.argv[2] == "minilm" else None
    shown = embedded(Path(sys.argv[1]), FILE) if made else generative(Path(sys.argv[1]), sys.argv[2], FILE)
    print(json.dumps(shown))
