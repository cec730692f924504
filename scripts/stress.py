"""Runs the engine's stress over the tested releases until its answers are many; makes the table in docs/RELIABILITY.

`.venv/bin/python scripts/stress.py [--answers N] [--seed S] [--write]`. It goes on where it was stopped while the
engine is the same. Exits 1 where an answer is wrong. Main thread; each piece is a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import libraries
import matrix
import screen
from hoshikage.messages import LANGUAGES, Language
from tests.engine import stress_done

TOTALS: Final = screen.ROOT / ".cache" / "stress.json"
STATE: Final = (
    *(f"hoshikage/{part}" for part in ("engine", "llama", "_ffi", "native_os", "params.py", "wire.py", "gguf")),
    *(f"tests/engine/{name}.py" for name in ("stress_done", "stress_ways")),
)
"""The answers of one table have these in common: other files of them begin the totals anew."""
MARK: Final = "<!-- made by scripts/stress.py -->"
DOCUMENTS: Final[dict[Language, str]] = {"en": "RELIABILITY.md", "ja": "RELIABILITY.ja.md"}
HEADS: Final[dict[Language, str]] = {
    "en": "llama.cpp | answers | given up | drawn | held in a grammar | sharing a beginning | evicted | guessed tokens"
    " kept | near ties | parted behind equal chances | wrong",
    "ja": "llama.cpp | 答え | 中断 | 抽選 | 文法つき | 先頭を共有 | 追い出し | 採用した推測トークン"
    " | ほぼ同点 | 同じ確率の後で分岐 | 誤り",
}
SUM: Final[dict[Language, str]] = {"en": "all", "ja": "合計"}
COUNTS: Final = (
    "answers", "given up", "drawn", "held in a grammar", "reused", "evict", "accepted", "near", "apart", "wrong",
)  # fmt: skip
PIECE: Final = 400
"""One process gives so many answers, and an interruption loses no more."""
PATIENCE_S: Final = 3600
Totals = dict[str, Counter[str]]
"""`RELEASE KIND` -> counts; `pieces` is how many seeds were used."""


def main(show: screen.Screen) -> int:
    parser = argparse.ArgumentParser(description=show.text("stress_about"))
    parser.add_argument("--answers", type=int, default=4000, help=show.text("stress_answers_help"))
    parser.add_argument("--seed", type=int, default=1, help=show.text("stress_seed_help"))
    parser.add_argument("--write", action="store_true", help=show.text("stress_write_help"))
    options = parser.parse_args()
    os.chdir(screen.ROOT)  # where the children find the tests' programs
    releases = {release.llama: release for release in libraries.needed()}
    libraries.bring(show, tuple(releases.values()))
    totals, state = read(), digest()
    with tempfile.TemporaryDirectory(prefix="stress-") as folder:
        models = {kind: write(Path(folder) / f"{kind}.gguf") for kind, write in stress_done.WRITE.items()}
        models["demo"] = matrix.built_in().model
        for release, kind in wanted(totals, tuple(releases), options.answers):
            cell = totals.setdefault(f"{release} {kind}", Counter())
            seed = options.seed + cell["pieces"]
            found = piece(matrix.file_of(releases[release]), kind, models[kind], seed)
            cell.update({**found["counts"], "wrong": len(found["wrong"]), "pieces": 1})
            keep(state, totals)
            show.note(f"{release} {kind} {seed}: {cell['answers']}, {cell['wrong']}")
            for line in found["wrong"]:
                show.note(line)
    rows = table(totals, tuple(releases))
    if options.write:
        for language, name in DOCUMENTS.items():
            chosen: Language = LANGUAGES[0] if language == LANGUAGES[0] else LANGUAGES[1]
            shown = [[SUM[chosen] if not cells[0] else cells[0], *cells[1:]] for cells in rows]
            matrix.write(screen.ROOT / "docs" / name, MARK, matrix.table(HEADS[chosen], shown))
    wrong = int(rows[-1][-1])
    show.say("stress_done", answers=rows[-1][1], wrong=wrong)
    return 1 if wrong else 0


def wanted(totals: Mapping[str, Mapping[str, int]], releases: Sequence[str], answers: int) -> Iterator[tuple[str, str]]:
    """Yields the next release and kind of model, in turn, until each release has so many answers, of each kind as
    many."""
    cells = stress_done.cells(releases)
    kinds = Counter(release for release, _ in cells)
    while short := [
        (release, kind)
        for release, kind in cells
        if totals.get(f"{release} {kind}", {}).get("answers", 0) * kinds[release] < answers
    ]:
        yield from short


def piece(library: Path, kind: str, model: Path, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.engine.stress_done", str(library), kind, str(model), str(seed), str(PIECE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        reason = f"exit status {done.returncode}: {done.stderr[-2000:]}"
        raise screen.Refused("stress_died", kind=kind, seed=seed, library=library, reason=reason) from None
    return result


def table(totals: Mapping[str, Mapping[str, int]], releases: Sequence[str]) -> list[list[str]]:
    """Makes a row for each release, and one for all with an empty name."""
    sums = {release: Counter[str]() for release in releases}
    for name, counts in totals.items():
        sums[name.split()[0]].update(counts)
    rows = [*sums.items(), ("", sum(sums.values(), Counter[str]()))]
    return [[name, *(str(counts[count]) for count in COUNTS)] for name, counts in rows]


def digest() -> str:
    """Makes one name for all files of STATE."""
    result = hashlib.sha256()
    for name in STATE:
        place = screen.ROOT / name
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            result.update(f"{file.relative_to(screen.ROOT)}\n".encode() + file.read_bytes())
    return result.hexdigest()


def read() -> Totals:
    """What was counted of this state of the engine; nothing where it is another."""
    try:
        kept = json.loads(TOTALS.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: Counter(counts) for name, counts in kept["cells"].items()} if kept["state"] == digest() else {}


def keep(state: str, totals: Totals) -> None:
    """Writes the file whole or not at all, so that an interruption loses one piece."""
    temporary = TOTALS.with_name(f".{TOTALS.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"state": state, "cells": totals}, indent=1), encoding="utf-8")
    temporary.replace(TOTALS)


if __name__ == "__main__":
    sys.exit(screen.run(main))
