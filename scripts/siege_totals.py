"""Adds up what the runs of a siege counted, over interruptions. Main thread; standard library only."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from screen import ROOT

FAULTS: Final = (
    "requests_wrong",
    "requests_lost",
    "files_ended_server",
    "power_lost",
    "slow_kept_out",
    "port_closed",
    "trees_left",
    "trees_not_again",
)
"""These counts must stay 0."""
COUNTS: Final = (
    "requests", "requests_whole", "requests_refused", "requests_left", "requests_told_of_crash", "requests_silent",
    "requests_wrong", "requests_lost", "deaths", "port_closed", "files", "files_refused_by_check",
    "files_passed_and_not_loaded", "files_refused_by_load", "files_answered", "files_runner_deaths",
    "files_ended_server", "slow_connections", "slow_kept_out", "power_states", "power_lost", "trees",
    "trees_processes", "trees_unseen", "trees_left", "trees_not_again",
)  # fmt: skip
"""These are all counts, in the table's order."""


class Totals:
    """These are the counts of all runs of one commit. Another commit's file is begun anew."""

    def __init__(self, file: Path, seed: int) -> None:
        self._file = file
        self.commit = _commit()
        self.counts: Counter[str] = Counter()
        self.slopes: list[dict[str, Any]] = []
        """Each stage has one row: what grew, an hour."""
        self.figures: dict[str, float] = {}
        self.runs: list[dict[str, Any]] = []
        if (result := _read(file)) is not None and result.get("commit") == self.commit:
            self.counts.update(result["counts"])
            self.slopes, self.figures, self.runs = result["slopes"], result["figures"], result["runs"]
        self.seed = seed + len(self.runs)
        self._run: dict[str, Any] = {"seed": self.seed, "seconds": 0.0}
        self.runs.append(self._run)
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return float(sum(run["seconds"] for run in self.runs))

    @property
    def faults(self) -> dict[str, int]:
        return {name: self.counts[name] for name in FAULTS if self.counts[name]}

    def write(self) -> None:
        """Writes the file whole or not at all, so that an interruption loses nothing."""
        self._run["seconds"] = round(time.monotonic() - self._began, 1)
        said = {
            "commit": self.commit,
            "counts": {name: self.counts[name] for name in (*COUNTS, *sorted(self.counts.keys() - set(COUNTS)))},
            "slopes": self.slopes,
            "figures": self.figures,
            "runs": self.runs,
        }
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        temporary.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        temporary.replace(self._file)


class Gauge:
    """This measures memory, descriptors and threads of a process over time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._looks: list[tuple[float, dict[str, float]]] = []

    def look(self) -> None:
        folder = Path(f"/proc/{self._pid}")
        try:
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
            result = {
                "resident_mib": int(status["VmRSS"].split()[0]) / 1024,
                "threads": float(status["Threads"]),
                "descriptors": float(len(list((folder / "fd").iterdir()))),
            }
        except (OSError, KeyError):
            return
        self._looks.append((time.monotonic(), result))

    def slopes(self) -> dict[str, float]:
        """Returns the growth an hour by least squares, the first third left out; empty where too little was seen."""
        looks = self._looks[len(self._looks) // 3 :]
        if len(looks) < 8:
            return {}
        return {name: round(_slope([(at, seen[name]) for at, seen in looks]) * 3600, 2) for name in looks[0][1]} | {
            f"last_{name}": round(value, 1) for name, value in looks[-1][1].items()
        }


def cpu_seconds(pid: int) -> float:
    """Returns what the process has used of the CPU."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _slope(points: list[tuple[float, float]]) -> float:
    middle = sum(at for at, _ in points) / len(points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    return sum((at - middle) * value for at, value in points) / spread if spread else 0.0


def _read(file: Path) -> dict[str, Any] | None:
    try:
        result: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return result


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
