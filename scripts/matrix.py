"""Examines every libllama release of releases.json, each in its own process, and makes the table in docs/LIBRARIES.

`python3 scripts/matrix.py [--write]`, run by the environment's Python (scripts/test.py --matrix does). Exits 1 where a
release is refused, is taken for another layout, or generates other ids. Main thread, and one that waits for the
children beside it.
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

import libraries
import screen  # before the package: it puts the clone on the path
from hoshikage.library import demo
from hoshikage.messages import LANGUAGES, Language

DOCUMENTS: Final = {"en": "LIBRARIES.md", "ja": "LIBRARIES.ja.md"}
BEGIN: Final = "<!-- made by scripts/matrix.py -->"
END: Final = "<!-- end -->"
PATIENCE_S: Final = 120.0
"""For one release; it takes a third of a second on a machine at rest."""
AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Row:
    release: libraries.Release
    found: dict[str, Any]
    """What hoshikage.runner.check printed; empty where it died."""
    seconds: float
    fault: str

    def cells(self, language: Language) -> list[str]:
        found, release = self.found, self.release
        absent = [name for name, result in found.get("handshake", {}).items() if result != "ok"]
        return [
            release.llama,
            release.npm,
            found.get("model_layout") or "-",
            found.get("context_layout") or "-",
            f"{found['kv_api']}_*" if found.get("kv_api") else "-",
            ", ".join(found.get("lacks", ())) or "-",
            ", ".join(absent) or "-",
            RESULT[found.get("golden", "not_run")][LANGUAGES.index(language)],
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
    releases = libraries.table()
    libraries.bring(show, releases)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = []
        for row in pool.map(examine, releases):
            rows.append(row)
            said = row.fault or f"{row.found['model_layout']} {row.found['context_layout']} {row.found['golden']}"
            show.note(f"{row.release.llama:7} {row.release.npm:7} {row.seconds:4.1f} s  {said}")
    if options.write:
        for language, name in DOCUMENTS.items():
            write(screen.ROOT / "docs" / name, table(rows, "ja" if language == "ja" else "en"))
    faults = [row for row in rows if row.fault]
    show.line(show.text("matrix_done", good=len(rows) - len(faults), count=len(rows)))
    return 1 if faults else 0


def examine(release: libraries.Release) -> Row:
    """One release in a process of its own."""
    file = libraries.file_of(release)
    model = demo.find() or demo.in_folder(screen.ROOT / "demo" / "hoshikage_demo")
    if file is None or model is None:
        return Row(release, {}, 0.0, f"no file: {libraries.folder() / release.npm}")
    command = [sys.executable, "-m", "hoshikage.runner.check", str(file)]
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
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Row(release, {}, PATIENCE_S, "no answer")
    except ValueError:
        return Row(release, {}, time.monotonic() - begun, f"exit status {done.returncode}: {done.stderr[-300:]}")
    return Row(release, found, time.monotonic() - begun, fault(release, found))


def fault(release: libraries.Release, found: dict[str, Any]) -> str:
    """What of a finding is not as the table of releases says; empty where all is."""
    if not found["ok"]:
        return f"{found['key']}: {found['details']}"
    wanted = {"model_layout": release.model, "context_layout": release.context, "golden": "passed"}
    return ", ".join(f"{name} is {found[name]}, not {value}" for name, value in wanted.items() if found[name] != value)


def table(rows: Iterable[Row], language: Language) -> str:
    heads = {
        "en": "llama.cpp | npm | model params | context params | KV API | lacks | cannot be shown | golden ids | s",
        "ja": "llama.cpp | npm | モデル引数 | コンテキスト引数 | KV API | ないもの | 確かめられないもの | 基準 ID | 秒",
    }
    lines = [f"| {heads[language]} |", "|---" * 9 + "|"]
    lines += ["| " + " | ".join(row.cells(language)) + " |" for row in rows]
    return "\n".join(lines)


def write(file: Path, made: str) -> None:
    """Replaces what stands between the marks of a document."""
    before, _, rest = file.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(screen.run(main))
