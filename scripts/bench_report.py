"""Holds what a bench run found, on which machine, and shows it: JSON values and a Markdown table. Main thread."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from screen import Screen

WAYS: Final = {
    "own": "bench_way_own",
    "argmax": "bench_way_argmax",
    "streamed": "bench_way_streamed",
    "plain": "bench_way_plain",
}
"""Maps what is measured by turns to its text: bare with the library's own greedy sampler, bare with the engine's
argmax, and the server in its two manners."""


@dataclass(slots=True)
class Report:
    """This is everything that was measured of one model; every list holds one value a round."""

    model: str
    n_params: int = 0
    size_bytes: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    """`tokens` are those of all questions of a round together, as `prompt_tokens` are."""
    load_s: float = 0.0
    cold_first_s: float = 0.0
    """`cold_first_s` is the time to the first text of the first request: the runner's start and the model's load are in
    it."""
    end_to_end: dict[str, list[float]] = field(default_factory=dict)
    """`end_to_end` has the tokens per second of each way, the prompt's time included."""
    decode: dict[str, list[float]] = field(default_factory=dict)
    """`decode` has the tokens per second after the first, of each way."""
    first_ms: dict[str, list[float]] = field(default_factory=dict)
    """`first_ms` has the milliseconds to the first text, of each way."""
    overhead_us: list[float] = field(default_factory=list)
    """`overhead_us` is per token: what streaming through the server adds to the bare loop with the same sampler."""
    memory: dict[str, int] = field(default_factory=dict)
    """`memory` has the resident bytes of server and runner: idle, loaded, after the unload."""


def markdown(screen: Screen, result: dict[str, Any]) -> str:
    """Writes a run's tables in the screen's language."""
    models = result["models"]
    parts = [screen.text("bench_about_run", **result["machine"], **result["library"], rounds=result["rounds"])]
    if models:
        parts.append(table(screen.text("bench_speed_head"), _speed(screen, models)))
        parts.append(table(screen.text("bench_memory_head"), _memory(screen, models)))
    if result["start_to_healthy_ms"]:
        parts.append(screen.text("bench_start", ms=median_range(result["start_to_healthy_ms"], "{:.0f}")))
    return "\n\n".join([*parts, *_sections(screen, result)])


def _sections(screen: Screen, result: dict[str, Any]) -> Iterable[str]:
    for name, rows in result.get("sections", {}).items():
        shown = (
            row(
                screen.text(one["key"], **one["details"]),
                median_range(one["values"], "{:.0f}" if statistics.median(one["values"]) > 100 else "{:.1f}"),
                one["unit"],
            )
            for one in rows
            if one["values"]
        )
        yield f"**{screen.text(f'bench_{name}_title')}**\n\n{table(screen.text('bench_section_head'), shown)}"


def _speed(screen: Screen, models: Sequence[dict[str, Any]]) -> Iterable[str]:
    for model in models:
        decode, whole, first = model["decode"], model["end_to_end"], model["first_ms"]
        bare = statistics.median(decode["argmax"])
        for way, name in WAYS.items():
            seconds = decode.get(way)
            yield row(
                f"{model['model']} ({model['prompt_tokens']} → {model['tokens']})" if way == "own" else "",
                screen.text(name),
                median_range(seconds, "{:.0f}" if bare > 100 else "{:.1f}") if seconds else "–",
                f"{_share(decode[way], decode['argmax']):.3f}" if seconds else "–",
                median_range(whole[way], "{:.0f}" if bare > 100 else "{:.1f}"),
                f"{_share(whole[way], whole['argmax']):.3f}",
                median_range(first[way], "{:.1f}") if way in first else "–",
                median_range(model["overhead_us"], "{:.0f}") if way == "streamed" else "–",
            )


def _memory(screen: Screen, models: Sequence[dict[str, Any]]) -> Iterable[str]:
    for model in models:
        memory = {name: _mib(count) for name, count in model["memory"].items()}
        yield row(
            model["model"],
            screen.text("bench_shape", params=model["n_params"] / 1e6, size=_mib(model["size_bytes"])),
            memory["server_idle"],
            f"{memory['server_loaded']} + {memory['runner_loaded']}",
            f"{memory['server_unloaded']} + {memory['runner_unloaded']}",
            f"{model['load_s'] * 1e3:.0f}",
            f"{model['cold_first_s'] * 1e3:.0f}",
        )


def table(titles: str, rows: Iterable[str]) -> str:
    return "\n".join([titles, "|" + "---|" * (titles.count("|") - 1), *rows])


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def median_range(values: Sequence[float], form: str) -> str:
    minimum, maximum = (form.format(value) for value in (min(values), max(values)))
    return f"{form.format(statistics.median(values))} ({minimum}–{maximum})"


def _share(values: Sequence[float], others: Sequence[float]) -> float:
    """Returns the median of the rounds' own ratios: what slowed a whole round drops out."""
    return statistics.median(value / other for value, other in zip(values, others, strict=True))


def _mib(count: int) -> str:
    return "–" if count < 0 else f"{count / (1 << 20):.0f}"


def resident_bytes(pid: int) -> int:
    """Returns the bytes of physical memory of a process, the pages that it shares with others included; -1 where the
    system does not say."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return -1


def machine() -> dict[str, Any]:
    """Returns what the figures depend on, and nothing that names the machine."""
    cpu, system = platform.processor() or platform.machine(), platform.system()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):  # neither file is there on Windows and macOS
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / (1 << 30)),
        "system": system,
        "python": platform.python_version(),
    }
