"""Calibrates releases by tables that lack their layouts, and compares what was found with the layouts that were hidden.

Part of scripts/matrix.py. Any thread; each attempt is a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import libraries
import screen  # before the package: it puts the clone on the path
from hoshikage._ffi.layout import Layout
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, MODEL_LAYOUTS
from hoshikage.errors import LibraryUnavailable
from hoshikage.library import calibration
from hoshikage.library.demo import DemoModel

HOW_MANY: Final = 3
"""The newest so many layouts of each struct are hidden."""
HIDDEN: Final = {layout.name: layout for table in (MODEL_LAYOUTS, CONTEXT_LAYOUTS) for layout in table[-HOW_MANY:]}
PROGRAM: Final = ("-m", "tests.native.hidden", str(HOW_MANY))
PATIENCE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Trial:
    """This release's layout is hidden from the server; it stands with what was worked out."""

    release: libraries.Release
    layouts: dict[str, Any]
    """`layouts` are what was found: `model` and `context`, None where the struct's layout was not hidden."""
    refusal: str
    """`refusal` says why the release was not accepted; empty where it was."""
    golden: str
    seconds: float

    @property
    def misplaced(self) -> list[str]:
        """Lists the fields of an accepted calibration that do not stand where they were found."""
        if self.refusal:
            return []
        truth = {"model": self.release.model, "context": self.release.context}
        return [
            f"{name}@{at}"
            for struct, layout in self.layouts.items()
            if layout is not None
            for name, at in Layout(layout["name"], layout["size"], "", layout["rows"]).offsets().items()
            if HIDDEN[truth[struct]].offsets().get(name) != at
        ]

    def cells(self) -> list[str]:
        shown = [
            "-" if layout is None else f"{layout['name'].removesuffix(' (calibrated)')}, {len(layout['rows'].split())}"
            for layout in (self.layouts.get("model"), self.layouts.get("context"))
        ]
        return [
            self.release.llama,
            self.release.npm,
            *shown,
            self.refusal or ", ".join(self.misplaced) or "-",
            self.golden or "-",
            f"{self.seconds:.1f}",
        ]


def concerns(release: libraries.Release) -> bool:
    return release.model in HIDDEN or release.context in HIDDEN


def attempt(release: libraries.Release, file: Path, model: DemoModel) -> Trial:
    """Calibrates a release, then has it checked by what was found."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        store = Path(work, "layouts.json")
        try:
            calibration.calibrate(file, model.model, store, command=(sys.executable, *PROGRAM))
        except LibraryUnavailable as refusal:
            return Trial(release, {}, str(refusal.details["reason"]), "", time.monotonic() - begun)
        result = json.loads(store.read_text("utf-8"))
        command = [sys.executable, *PROGRAM, str(file), "--model", str(model.model), "--golden", str(model.golden)]
        done = subprocess.run(
            [*command, "--calibrated", str(store)],
            cwd=screen.ROOT,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, "PYTHONPATH": str(screen.ROOT)},
        )
    layouts = {name: result[name] for name in ("model", "context")}
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return Trial(release, layouts, f"exit status {done.returncode}", "", time.monotonic() - begun)
    said = "" if answer["ok"] else f"{answer['key']} {answer['details'].get('check', '')}".strip()
    return Trial(release, layouts, said, answer["golden"], time.monotonic() - begun)
