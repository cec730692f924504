"""Runs real models over real releases, each in a process of its own, and makes the tables in docs/LIBRARIES.

`python3 scripts/models.py [--write] [--equality]`, run by the environment's Python (scripts/test.py --models does).
Exits 1 where an answer of the engine differs from the bare loop's, a count or a limit is wrong, or a vector is off.
Main thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import libraries
import matrix
import real_models
import screen
from hoshikage.messages import LANGUAGES, Language
from tests.engine_models import write_llama

RELEASES: Final = ("b3889", "b4529", "b5590", "b6301", "b7324", "b8390", "b10361", "v0.5.0")
MARK: Final = "<!-- made by scripts/models.py: models -->"
EQUALITY_MARK: Final = "<!-- made by scripts/models.py: equality -->"
HEADS: Final[dict[Language, str]] = {
    "en": "llama.cpp | model | answers as the bare loop's | log probabilities off by | counts | limits | tokens"
    " | ends (the library's) | text",
    "ja": "llama.cpp | モデル | 素のループと同じ答え | 対数確率の差 | トークン数 | 上限 | トークン"
    " | 終わり（ライブラリのもの） | 文",
}
EQUALITY_HEADS: Final[dict[Language, str]] = {
    "en": "model | llama.cpp | FLASH_ATTN | again | N_PARALLEL=4, 4 at once | SPECULATION=lookup"
    " | KV_REUSE, first turn | KV_REUSE, second turn",
    "ja": "モデル | llama.cpp | FLASH_ATTN | もう一度 | N_PARALLEL=4 で 4 つ同時 | SPECULATION=lookup"
    " | KV_REUSE の 1 回目 | KV_REUSE の 2 回目",
}
MODES: Final = ("again", "together", "lookup", "first", "second")
CASES: Final = (
    ("b4529", "auto"), ("b6301", "auto"), ("b8390", "auto"), ("b8390", "off"),
    ("b10361", "auto"), ("b10361", "off"), ("v0.5.0", "auto"), ("v0.5.0", "off"),
)  # fmt: skip
"""Release and FLASH_ATTN of each row of the table of equal answers. What `auto` is on releases up to b6301 is off."""
EQUALITY_MODELS: Final = ("demo", "llama", "smollm2")
"""The built-in model comes first, then one of random weights, then a real one, which takes thirty times as long."""
NOT_MEASURED: Final = "–"
MEASURED: Final = Path(__file__).with_name("equality.json")
"""This file holds what --equality has measured, and it goes on with what is not there: row -> mode -> how many answers,
those whose text differs, those that differ in a log probability or in the text (null where that was not counted)."""
PATIENCE_S: Final = 14_400
EDGES: Final = "2 1 400 400"
MAX_OFF: Final = 1e-5
MIN_COSINE: Final = 0.999


def main(show: screen.Screen) -> int:
    parser = argparse.ArgumentParser(description=show.text("models_about"), usage="models.py [--write] [--equality]")
    parser.add_argument("--write", action="store_true", help=show.text("matrix_write_help"))
    parser.add_argument("--equality", action="store_true", help=show.text("models_equality_help"))
    options = parser.parse_args()
    os.chdir(screen.ROOT)  # where the children find the tests' programs
    releases = {release.llama: release for release in libraries.table() if release.llama in RELEASES}
    libraries.bring(show, tuple(releases.values()))
    models = real_models.table()
    real_models.bring(show, models)
    if options.equality:
        measure_all(show, releases, models["smollm2"].path, to_write=options.write)
        return 0
    faults, rows = 0, []
    for release in (releases[name] for name in RELEASES):
        for model in models.values():
            result = run(release, model)
            wrong = fault(result)
            faults += bool(wrong)
            rows.append(cells(release, model, result))
            show.note(f"{release.llama:7} {model.name:8} {wrong or 'ok'}")
    if options.write:
        write(MARK, HEADS, rows)
    show.line(show.text("models_done", good=len(rows) - faults, count=len(rows)))
    return 1 if faults else 0


def child(release: libraries.Release, program: str, *arguments: str) -> dict[str, Any]:
    """Returns what a program of this folder prints; `fault` alone where it died."""
    done = subprocess.run(
        command(release, program, *arguments),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=environment(),
    )
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {"fault": f"exit status {done.returncode}: {done.stderr[-300:]}"}
    return result


def command(release: libraries.Release, program: str, *arguments: str) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name(program)), str(matrix.file_of(release)), *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(screen.ROOT), str(screen.ROOT / "scripts")])}


def run(release: libraries.Release, model: real_models.RealModel) -> dict[str, Any]:
    return child(release, "model_run.py", model.name, str(model.path))


def fault(found: dict[str, Any]) -> str:
    """Returns what of a finding must not be; empty where all is well, and where the release does not know the
    architecture."""
    if "fault" in found:
        return "" if "unknown model architecture" in found["fault"] else str(found["fault"])
    if "cosine" in found:
        return "" if found["cosine"] > MIN_COSINE else f"cosine {found['cosine']}"
    faults = [name for name in ("answers", "usage") if len(set(found[name].split("/"))) != 1]
    if found["logprobs"] > MAX_OFF:
        faults.append("logprobs")
    if found["edges"] != EDGES:
        faults.append("edges")
    return ", ".join(faults)


def cells(release: libraries.Release, model: real_models.RealModel, found: dict[str, Any]) -> list[str]:
    if "fault" in found:
        return [release.llama, model.name, *["-"] * 7]
    if "cosine" in found:
        return [release.llama, model.name, f"cos {found['cosine']:.6f}", "-", "-", "-", found["tokens"], "-", "-"]
    ends, guessed = (", ".join(map(str, found[name])) for name in ("ends", "guessed"))
    return [
        release.llama,
        model.name,
        found["answers"],
        f"{found['logprobs']:.0e}",
        found["usage"],
        found["edges"],
        found["tokens"],
        f"{ends} ({guessed})",
        " ".join(found["text"].split())[:40].replace("|", "/"),
    ]


def measured() -> dict[str, dict[str, list[int | None]]]:
    found: dict[str, dict[str, list[int | None]]] = json.loads(MEASURED.read_text("utf-8"))
    return found


def measure_all(show: screen.Screen, releases: dict[str, libraries.Release], smollm2: Path, *, to_write: bool) -> None:
    """Measures every cell of the table of equal answers that is not known yet, and may write the table as it grows."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"demo": matrix.built_in().model, "llama": write_llama(Path(folder) / "llama.gguf"), "smollm2": smollm2}
        for model in EQUALITY_MODELS:
            for release, flash_attn in CASES:
                measure(show, releases[release], flash_attn, model, files[model])
                if to_write:
                    write(EQUALITY_MARK, EQUALITY_HEADS, equality())


def measure(show: screen.Screen, release: libraries.Release, flash_attn: str, model: str, file: Path) -> None:
    """Measures the cells of a row that are not known yet."""
    name, rows = f"{model} {release.llama} {flash_attn}", measured()
    row = rows.setdefault(name, {})
    if missing := [mode for mode in MODES if mode not in row]:
        settings = json.dumps({"flash_attn": flash_attn})
        for mode, counts in cells_of(release, str(file), settings, *missing):
            row[mode] = [*counts]
            said = ",\n".join(f" {json.dumps(one)}: {json.dumps(cells)}" for one, cells in sorted(rows.items()))
            MEASURED.write_text(f"{{\n{said}\n}}\n", encoding="utf-8")
            show.note(f"{name} {mode}: {' '.join(map(str, counts))}")


def equality() -> Iterator[list[str]]:
    """The rows of the table of equal answers of which a cell is measured."""
    rows = measured()
    for model in EQUALITY_MODELS:
        for release, flash_attn in CASES:
            if row := rows.get(f"{model} {release} {flash_attn}"):
                yield [model, release, flash_attn, *(cell(row.get(mode)) for mode in MODES)]


def cell(counts: Sequence[int | None] | None) -> str:
    """Shows those whose text differs, in brackets those that differ at all, and of how many."""
    if counts is None:
        return NOT_MEASURED
    of, texts, all_told = counts
    return f"{texts} ({NOT_MEASURED if all_told is None else all_told}) / {of}"


def cells_of(release: libraries.Release, *arguments: str) -> Iterator[tuple[str, list[int]]]:
    """Yields each cell as soon as it is measured."""
    with subprocess.Popen(
        command(release, "equal_answers.py", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as measuring:
        assert measuring.stdout is not None
        try:
            for line in measuring.stdout:
                mode, counts = json.loads(line)
                yield mode, counts
        finally:
            measuring.kill()  # of no effect where it has ended
    if measuring.returncode:
        raise screen.Refused("models_died", release=release.llama, reason=f"exit status {measuring.returncode}")


def write(mark: str, heads: dict[Language, str], rows: Iterable[list[str]]) -> None:
    rows = list(rows)
    for language, name in matrix.DOCUMENTS.items():
        chosen: Language = LANGUAGES[0] if language == LANGUAGES[0] else LANGUAGES[1]
        matrix.write(screen.ROOT / "docs" / name, mark, matrix.table(heads[chosen], rows))


if __name__ == "__main__":
    sys.exit(screen.run(main))
