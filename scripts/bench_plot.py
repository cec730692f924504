"""Draws a run as a picture: shares of the bare loop. Drawn by matplotlib in the peers' environment. Main thread."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import bench_peers
from screen import Refused

PROGRAM: Final = """
import json, sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
panels = json.load(sys.stdin)
figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.6), squeeze=False)
for axis, panel in zip(axes[0], panels):
    for name, points in panel["lines"].items():
        middles = [sorted(values)[len(values) // 2] for _, values in points]
        lows = [middle - min(values) for middle, (_, values) in zip(middles, points)]
        highs = [max(values) - middle for middle, (_, values) in zip(middles, points)]
        axis.errorbar([str(at) for at, _ in points], middles, yerr=[lows, highs], marker="o", capsize=3, label=name)
    axis.set_title(panel["title"])
    axis.set_xlabel(panel["x"])
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
figure.tight_layout()
figure.savefig(sys.argv[1], dpi=110)
"""


def draw(result: dict[str, Any], file: Path) -> None:
    """Raises Refused where there is nothing to draw with, or nothing to draw."""
    panels = [panel for panel in (_stream(result), _clients(result), _prompts(result)) if panel["lines"]]
    python = bench_peers.environment()
    if python is None or not panels:
        raise Refused("bench_no_plot")
    subprocess.run([str(python), "-c", PROGRAM, str(file)], input=json.dumps(panels), encoding="utf-8", check=True)


def _stream(result: dict[str, Any]) -> dict[str, Any]:
    lines: dict[str, list[Any]] = {}
    for model in result["models"]:
        bare = model["end_to_end"]["argmax"]
        for way, values in model["end_to_end"].items():
            if way != "argmax":
                shares = [value / other for value, other in zip(values, bare, strict=True)]
                lines.setdefault(way, []).append((model["model"], shares))
    return {"title": "one stream, end to end (bare = 1)", "x": "model", "lines": lines}


def _clients(result: dict[str, Any]) -> dict[str, Any]:
    lines: dict[str, list[Any]] = {}
    for row in result.get("sections", {}).get("clients", ()):
        if row["unit"] == "tokens/s":
            lines.setdefault(row["key"].removeprefix("bench_row_"), []).append((row["details"]["what"], row["values"]))
    return {"title": "small, tokens/s in all", "x": "clients", "lines": lines}


def _prompts(result: dict[str, Any]) -> dict[str, Any]:
    lines: dict[str, list[Any]] = {}
    for row in result.get("sections", {}).get("prompts", ()):
        lines.setdefault(row["key"].removeprefix("bench_row_"), []).append((row["details"]["what"], row["values"]))
    return {"title": "small, first text (ms)", "x": "prompt tokens", "lines": lines}
