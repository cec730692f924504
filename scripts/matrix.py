"""Examines every libllama release of releases.json, each in its own process, and makes the table in docs/LIBRARIES.

`python3 scripts/matrix.py [--write]`, run by the environment's Python (scripts/test.py --matrix does). The releases
that have one of the newest three layouts are then calibrated by tables without those, and what was found is compared
with what was hidden. Exits 1 where a release is refused, is taken for another layout, has a field placed wrongly, or
generates other ids. Main thread, and two that wait for the children.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import hidden
import libraries
import screen  # before the package: it puts the clone on the path
from hoshikage.library import demo
from hoshikage.messages import LANGUAGES, Language

DOCUMENTS: Final[dict[Language, str]] = {"en": "LIBRARIES.md", "ja": "LIBRARIES.ja.md"}
MARK: Final = "<!-- made by scripts/matrix.py: releases -->"
HIDDEN_MARK: Final = "<!-- made by scripts/matrix.py: calibrated -->"
HEADS: Final[dict[Language, str]] = {
    "en": "llama.cpp | npm | model params | context params | KV API | lacks | cannot be shown | golden ids | s",
    "ja": "llama.cpp | npm | モデル引数 | コンテキスト引数 | KV API | ないもの | 確かめられないもの | 基準 ID | 秒",
}
HIDDEN_HEADS: Final[dict[Language, str]] = {
    "en": "llama.cpp | npm | model params found, fields | context params found, fields | wrong | golden ids | s",
    "ja": "llama.cpp | npm | 割り出したモデル引数と数 | 割り出したコンテキスト引数と数 | 誤り | 基準 ID | 秒",
}
END: Final = "<!-- end -->"
PATIENCE_S: Final = 120.0
"""One release may take so many seconds; it takes a third of a second on a machine at rest."""
AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Row:
    """This is a release, and what its examination found."""

    release: libraries.Release
    found: dict[str, Any]
    """`found` is what hoshikage.runner.check printed; empty where it died."""
    seconds: float
    fault: str

    def cells(self, language: Language) -> list[str]:
        outcome, release = self.found, self.release
        absent = [name for name, result in outcome.get("handshake", {}).items() if result != "ok"]
        return [
            release.llama,
            release.npm,
            outcome.get("model_layout") or "-",
            outcome.get("context_layout") or "-",
            f"{outcome['kv_api']}_*" if outcome.get("kv_api") else "-",
            ", ".join(outcome.get("lacks", ())) or "-",
            ", ".join(absent) or "-",
            RESULT[outcome.get("golden", "not_run")][LANGUAGES.index(language)],
            f"{self.seconds:.1f}",
        ]


RESULT: Final = {
    "passed": ("一致", "same"),
    "failed": ("**不一致**", "**other**"),
    "not_run": ("**なし**", "**not run**"),
}


def main(show: screen.Screen) -> int:
    parser = argparse.ArgumentParser(description=show.text("matrix_about"), usage="matrix.py [--write]")
    parser.add_argument("--write", action="store_true", help=show.text("matrix_write_help"))
    options = parser.parse_args()
    os.chdir(screen.ROOT)  # where the children find the tests' programs
    releases = libraries.table()
    libraries.bring(show, releases)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = []
        for row in pool.map(examine, releases):
            rows.append(row)
            said = row.fault or f"{row.found['model_layout']} {row.found['context_layout']} {row.found['golden']}"
            show.note(f"{row.release.llama:7} {row.release.npm:7} {row.seconds:4.1f} s  {said}")
        trials = []
        for trial in pool.map(calibrated, filter(hidden.concerns, releases)):
            trials.append(trial)
            said = trial.refusal or f"{trial.cells()[2]} / {trial.cells()[3]} {trial.golden}"
            show.note(f"{trial.release.llama:7} {trial.release.npm:7} {trial.seconds:4.1f} s  {said}")
    if options.write:
        for language, name in DOCUMENTS.items():
            file = screen.ROOT / "docs" / name
            write(file, MARK, table(HEADS[language], (row.cells(language) for row in rows)))
            write(file, HIDDEN_MARK, table(HIDDEN_HEADS[language], (trial.cells() for trial in trials)))
    faults = [row for row in rows if row.fault]
    wrong = [trial for trial in trials if trial.misplaced]
    good = len([trial for trial in trials if not trial.refusal and trial.golden == "passed" and trial not in wrong])
    show.line(show.text("matrix_done", good=len(rows) - len(faults), count=len(rows)))
    show.line(show.text("matrix_hidden", good=good, count=len(trials), wrong=len(wrong)))
    return 1 if faults or wrong else 0


def built_in() -> demo.DemoModel:
    model = demo.find() or demo.in_folder(screen.ROOT / "demo" / "hoshikage_demo")
    if model is None:
        raise screen.Refused("matrix_no_model")
    return model


def file_of(release: libraries.Release) -> Path:
    file = libraries.file_of(release)
    if file is None:
        raise screen.Refused("matrix_no_file", release=release.npm, path=libraries.folder())
    return file


def calibrated(release: libraries.Release) -> hidden.Trial:
    return hidden.attempt(release, file_of(release), built_in())


def examine(release: libraries.Release) -> Row:
    """Examines one release in a process of its own."""
    model = built_in()
    command = [sys.executable, "-m", "hoshikage.runner.check", str(file_of(release))]
    command += ["--model", str(model.model), "--golden", str(model.golden)]
    begun = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=screen.ROOT,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, "PYTHONPATH": str(screen.ROOT)},
        )
        result: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Row(release, {}, PATIENCE_S, "no answer")
    except ValueError:
        return Row(release, {}, time.monotonic() - begun, f"exit status {done.returncode}: {done.stderr[-300:]}")
    return Row(release, result, time.monotonic() - begun, fault(release, result))


def fault(release: libraries.Release, found: dict[str, Any]) -> str:
    """What of a finding is not as the table of releases says; empty where all is."""
    if not found["ok"]:
        return f"{found['key']}: {found['details']}"
    wanted = {"model_layout": release.model, "context_layout": release.context, "golden": "passed"}
    return ", ".join(f"{name} is {found[name]}, not {value}" for name, value in wanted.items() if found[name] != value)


def table(heads: str, rows: Iterable[list[str]]) -> str:
    lines = [f"| {heads} |", "|---" * (heads.count("|") + 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in rows)])


def write(file: Path, mark: str, made: str) -> None:
    """Replaces what stands between a mark of a document and its end."""
    before, _, rest = file.read_text("utf-8").partition(mark)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{mark}\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(screen.run(main))
