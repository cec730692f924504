"""Makes the built-in model: learns the corpus in demo/corpus, writes the GGUF, then golden.json from the reference.

    python -m pip install torch==2.13.0 numpy gguf
    python scripts/train_demo_model.py                 # minutes on one CPU core
    python scripts/train_demo_model.py --golden-only   # writes golden.json anew for the file that is there

Runs on one thread of Python; PyTorch uses the cores it is given. The same seed, PyTorch and kind of CPU give the same
file; another CPU rounds differently and gives an equal model, not an equal file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "demo"))

import numpy as np  # noqa: E402  # the path above comes first
import torch  # noqa: E402
from demo_training import corpus as corpora  # noqa: E402
from demo_training.conversations import ConversationMaker  # noqa: E402
from demo_training.export import write_model  # noqa: E402
from demo_training.network import Network, Plan, Sample, Shape, train  # noqa: E402
from demo_training.reference import Reference  # noqa: E402
from demo_training.tokens import IM_START, Tokenizer, Vocabulary, learn, render_chat  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

PACKAGE = ROOT / "demo" / "hoshikage_demo"
MODEL, GOLDEN = PACKAGE / "hoshikage-tiny.gguf", PACKAGE / "golden.json"
LARGEST_FILE = 4 * 1024 * 1024
SHORTENED, KEPT = 0.85, 16
GOLDEN_CASES = 8
GOLDEN_MARGIN = 2.0
GOLDEN_CANDIDATES: dict[str, tuple[tuple[tuple[str, str], ...], ...]] = {
    "ja": (
        (("user", "こんにちは"),),
        (("user", "星影とは何ですか？"),),
        (("user", "モデルを追加するには？"),),
        (("user", "あなたは誰ですか？"),),
        (("user", "データは外部に送られますか？"),),
        (("user", "日本の首都はどこですか？"),),
        (("system", "簡潔に答えてください。"), ("user", "ライセンスは何ですか？")),
        (
            ("user", "設定フォルダはどこですか？"),
            ("assistant", "Linuxの設定フォルダは ~/.config/hoshikage です。"),
            ("user", "Windowsでは？"),
        ),
    ),
    "en": (
        (("user", "Hello!"),),
        (("user", "What is Hoshikage?"),),
        (("user", "How do I add a model?"),),
        (("user", "Who are you?"),),
        (("user", "Where is the config folder?"),),
        (("user", "What is the capital of France?"),),
        (("system", "You are a helpful assistant."), ("user", "Which port does it use?")),
        (
            ("user", "How do I add a model?"),
            (
                "assistant",
                "Register a model with `hoshikage add PATH LABEL`. PATH is the GGUF file, "
                "LABEL is the name you call it by.",
            ),
            ("user", "Show me an example."),
        ),
    ),
}


def vocabulary_of(corpus: corpora.Corpus) -> Vocabulary:
    """Learns a vocabulary from the answers and the questions as they are written out, so that it does not hang on the
    draws."""
    texts = [reply for intent in corpus.intents.values() for reply in intent.reply.text.values()]
    texts += [case.question for case in corpora.trained_cases(corpus)]
    return learn(texts)


def sample_of(messages: corpora.Messages, tokenizer: Tokenizer) -> Sample:
    """Returns the ids of a conversation, and which of them are learned: the assistant's words and its end token."""
    ids: list[int] = []
    learned: list[bool] = []
    for role, content in messages:
        head = tokenizer.encode_prompt(f"{IM_START}{role}\n")
        body = [*tokenizer.encode(content), tokenizer.vocabulary.end_id]
        tail = tokenizer.encode("\n")
        ids += head + body + tail
        learned += [False] * len(head) + [role == "assistant"] * len(body) + [False] * len(tail)
    return ids, learned


def shorten(sample: Sample, rng: random.Random) -> Sample:
    """Mostly keeps the start only of the last answer: it decides what is answered, the rest is soon known by heart."""
    ids, learned = sample
    if rng.random() > SHORTENED:
        return sample
    start = len(ids) - 1
    while not learned[start]:
        start -= 1
    while learned[start]:
        start -= 1
    return ids[: start + 1 + KEPT], learned[: start + 1 + KEPT]


def tensors(network: Network) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yields the weights under their names in the file."""
    for name, weight in network.state_dict().items():
        yield name, weight.float().numpy()


def has_fast_bfloat16() -> bool:
    """Returns whether bfloat16 beats float32 here: some CPUs compute it in hardware, the others emulate it slowly."""
    left, right = torch.randn(2048, 256), torch.randn(256, 512)

    def spent(dtype: torch.dtype) -> float:
        a, b = left.to(dtype), right.to(dtype)
        a @ b
        started = time.perf_counter()
        for _ in range(20):
            a @ b
        return time.perf_counter() - started

    return spent(torch.bfloat16) < spent(torch.float32)


def fit(plan: Plan, dtype: str) -> None:
    """Trains and writes the model file."""
    corpus = corpora.load()
    vocabulary = vocabulary_of(corpus)
    tokenizer = Tokenizer(vocabulary)
    torch.manual_seed(plan.seed)
    rng = random.Random(plan.seed)
    network = Network(Shape(vocab=len(vocabulary.tokens)))
    maker = ConversationMaker(corpus, plan.seed)
    reduced = has_fast_bfloat16() if dtype == "auto" else dtype == "bfloat16"
    size = sum(weight.numel() for weight in network.parameters())
    say(f"{size:,} weights, {len(vocabulary.tokens)} tokens, {'bfloat16' if reduced else 'float32'}")
    train(network, lambda: shorten(sample_of(maker.draw(), tokenizer), rng), plan, say, reduced)
    draft = MODEL.with_suffix(".part")
    write_model(draft, network.shape, vocabulary, tensors(network))
    if draft.stat().st_size > LARGEST_FILE:
        raise SystemExit(f"{draft.name} is {draft.stat().st_size:,} bytes, more than {LARGEST_FILE:,}")
    draft.replace(MODEL)  # nobody reads a half-written model


def golden_cases(reference: Reference, lang: str) -> list[dict[str, Any]]:
    """Returns a language's cases with the widest margins, as the reference answers them."""
    tokenizer = reference.tokenizer
    result: list[dict[str, Any]] = []
    for messages in GOLDEN_CANDIDATES[lang]:
        prompt = render_chat(messages)
        prompt_ids = tokenizer.encode_prompt(prompt)
        answer = reference.greedy([prompt_ids])[0]
        text = tokenizer.decode(answer.ids)
        say(f"margin {answer.margin:6.2f}  {messages[-1][1]} -> {text}")
        if len(answer.ids) >= 16 and answer.margin >= GOLDEN_MARGIN:
            result.append(
                {
                    "prompt": prompt,
                    "prompt_ids": prompt_ids,
                    "ids": list(answer.ids),
                    "margins_min": round(answer.margin, 3),
                    "text": text,
                }
            )
    return sorted(result, key=lambda case: -float(case["margins_min"]))[: GOLDEN_CASES // 2]


def write_golden() -> None:
    """Writes golden.json: what every sound libllama must answer, id for id."""
    reference = Reference(MODEL)
    cases = [case for lang in GOLDEN_CANDIDATES for case in golden_cases(reference, lang)]
    if len(cases) < GOLDEN_CASES:
        raise SystemExit("Too few prompts have a wide margin; train longer.")
    golden = {
        "model_sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "vocab_size": len(reference.tokenizer.vocabulary.tokens),
        "cases": cases,
    }
    GOLDEN.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the built-in model.")
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--tokens", type=int, default=2048, help="tokens a step, padding included")
    parser.add_argument("--rate", type=float, default=3e-3, help="top learning rate")
    parser.add_argument("--seed", type=int, default=3030)
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--golden-only", action="store_true", help="do not train, write golden.json only")
    args = parser.parse_args()
    started = time.monotonic()
    if not args.golden_only:
        fit(Plan(steps=args.steps, tokens=args.tokens, rate=args.rate, seed=args.seed), args.dtype)
    write_golden()
    say(f"{MODEL.stat().st_size:,} bytes in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
