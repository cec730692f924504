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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import libraries
import matrix
import real_models
import screen
from hoshikage.messages import LANGUAGES, Language

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
    "en": "llama.cpp | FLASH_ATTN | again | N_PARALLEL=4, 4 at once | SPECULATION=lookup | KV_REUSE, first turn"
    " | KV_REUSE, second turn",
    "ja": "llama.cpp | FLASH_ATTN | もう一度 | N_PARALLEL=4 で 4 つ同時 | SPECULATION=lookup | KV_REUSE の 1 回目"
    " | KV_REUSE の 2 回目",
}
MODES: Final = ("again", "together", "lookup", "first", "second")
CASES: Final = (("b6301", "auto", MODES[:3]), ("v0.5.0", "auto", MODES))
"""Release, FLASH_ATTN and measured cells of each row of the table of equal answers. What `auto` is on releases up to
b6301 is off."""
NOT_MEASURED: Final = "–"
MEASURED: Final = real_models.FOLDER / "equality.json"
"""This file holds what --equality has measured; a cell takes many minutes, so that it goes on where it was stopped."""
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
        rows = [measured(show, releases[release], flash_attn, modes, models) for release, flash_attn, modes in CASES]
        if options.write:
            write(EQUALITY_MARK, EQUALITY_HEADS, rows)
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


def measured(
    show: screen.Screen,
    release: libraries.Release,
    flash_attn: str,
    modes: Sequence[str],
    models: dict[str, real_models.RealModel],
) -> list[str]:
    """A row of the table of equal answers."""
    kept: dict[str, dict[str, list[int]]] = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
    name = f"{release.llama} {flash_attn}"
    row = kept.setdefault(name, {})
    if missing := [mode for mode in modes if mode not in row]:
        settings = json.dumps({"flash_attn": flash_attn})
        for mode, counts in cells_of(release, str(models["smollm2"].path), settings, *missing):
            row[mode] = counts
            MEASURED.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    show.note(f"{name} (of, text, bits): " + ", ".join(f"{mode} {' '.join(map(str, row[mode]))}" for mode in modes))
    shown = [f"{row[mode][1]} / {row[mode][0]}" if mode in modes else NOT_MEASURED for mode in MODES]
    return [release.llama, flash_attn, *shown]


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
