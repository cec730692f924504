"""Compares what was aimed at with what was measured. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from bench_report import median_range, row, table
from screen import Screen

Values = Sequence[float]
KEPT: Final = (
    *(("checkpoints", "bench_aim_state", "state_kept", "state_anew", name, 0.1) for name in ("LFM2", "Gemma-3-270M")),
    *(("put_away", "bench_aim_put_away", f"put_away_{way}", "put_away_off", way, 0.15) for way in ("memory", "disk")),
)
"""These are the sections of what is kept between turns: the aim, the row, what it is compared with, of what, and the
share."""

FIRST_TEXT_MS: Final = {"tiny": 1, "small": 2}
IDLE_MIB: Final = 36
HEALTHY_MS: Final = 40
SLEEP: Final = {("asleep", "MiB"): 12, ("waking", "ms"): 250}


def targets(screen: Screen, result: dict[str, Any]) -> Iterable[str]:
    """A table of the targets that this run has measured; nothing where it has none."""
    rows = [
        row(
            screen.text(key, **details),
            aim,
            median_range(values, form),
            screen.text("bench_yes" if met else "bench_no"),
        )
        for key, details, aim, values, form, met in _measured(result)
    ]
    if rows:
        yield table(screen.text("bench_targets_head"), rows)


def _measured(result: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str, Values, str, bool]]:
    for model in result["models"]:
        minimum = {("small", "streamed"): 0.98, ("tiny", "streamed"): 0.90, ("tiny", "plain"): 0.97}
        for (name, way), aim in minimum.items():
            if name == model["model"]:
                for bare in ("own", "argmax"):
                    shares = _shares(model["end_to_end"][way], model["end_to_end"][bare])
                    key = f"bench_aim_{way}_{bare}"
                    yield key, {"what": name}, f"≥ {aim:.2f}", shares, "{:.3f}", _median(shares) >= aim
        if model["model"] in FIRST_TEXT_MS:
            later = [a - b for a, b in zip(model["first_ms"]["streamed"], model["first_ms"]["argmax"], strict=True)]
            bound = FIRST_TEXT_MS[model["model"]]
            yield "bench_aim_first", {"what": model["model"]}, f"≤ {bound} ms", later, "{:.1f}", _median(later) <= bound
            idle, left = (model["memory"][f"server_{when}"] / 2**20 for when in ("idle", "unloaded"))
            yield "bench_aim_idle", {"what": model["model"]}, f"≤ {IDLE_MIB} MiB", [idle], "{:.1f}", idle <= IDLE_MIB
            yield "bench_aim_left", {"what": model["model"]}, "≤ 2 MiB", [left - idle], "{:.1f}", left - idle <= 2
    if result["start_to_healthy_ms"]:
        healthy = result["start_to_healthy_ms"]
        yield "bench_aim_healthy", {}, f"≤ {HEALTHY_MS} ms", healthy, "{:.0f}", _median(healthy) <= HEALTHY_MS
    yield from _of_sections(result.get("sections", {}))


def _of_sections(
    sections: dict[str, list[dict[str, Any]]],
) -> Iterator[tuple[str, dict[str, Any], str, Values, str, bool]]:
    result = {
        (name, one["key"].removeprefix("bench_row_"), one["details"].get("what", ""), one["unit"]): one["values"]
        for name, rows in sections.items()
        for one in rows
    }

    def ratio(section: str, way: str, other: str, what: str, unit: str = "tokens/s") -> Values:
        mine, theirs = result.get((section, way, what, unit)), result.get((section, other, what, unit))
        return _shares(mine, theirs) if mine and theirs else ()

    for name in ("tiny", "small"):
        if shares := ratio("peers", "own", "llama_server", name):
            yield "bench_aim_llama", {"what": name}, "≥ 1", shares, "{:.3f}", _median(shares) >= 1
    for count in ("4", "8", "16"):
        if shares := ratio("clients", "own", "limit", count):
            yield "bench_aim_clients", {"what": count}, "≥ 0.96", shares, "{:.2f}", _median(shares) >= 0.96
    if shares := ratio("clients", "first_own", "first_llama_server", "4", "ms"):
        yield "bench_aim_clients_first", {}, "≤ 1", shares, "{:.2f}", _median(shares) <= 1
    if shares := ratio("second_turn", "turn_kept", "turn_anew", "", "ms"):
        yield "bench_aim_turn", {}, "≤ 0.1", shares, "{:.3f}", _median(shares) <= 0.1
    for section, key, way, other, name, most in KEPT:
        if shares := ratio(section, way, other, "" if section == "put_away" else name, "ms"):
            yield key, {"what": name}, f"≤ {most}", shares, "{:.3f}", _median(shares) <= most
    if shares := ratio("guesses", "lookup", "bare", "repeats"):
        yield "bench_aim_repeats", {}, "≥ 1.5", shares, "{:.2f}", _median(shares) >= 1.5
    if shares := ratio("guesses", "lookup", "bare", "differs"):
        yield "bench_aim_differs", {}, "≥ 0.97", shares, "{:.3f}", _median(shares) >= 0.97
    if shares := ratio("structured", "schema", "bare", ""):
        yield "bench_aim_schema", {}, "> 1", shares, "{:.2f}", _median(shares) > 1
    for name in ("tiny", "small"):
        if values := result.get(("switches", "switch_over", name, "ms")):
            yield "bench_aim_switch", {"what": name}, "≤ 50 ms", values, "{:.0f}", _median(values) <= 50
    yield from _of_sleep(result)
    yield from _of_ramdisk(ratio)


def _of_sleep(
    result: dict[tuple[str, str, str, str], Values],
) -> Iterator[tuple[str, dict[str, Any], str, Values, str, bool]]:
    for (key, unit), bound in SLEEP.items():
        if values := result.get(("sleep", key, "", unit)):
            yield f"bench_aim_{key}", {}, f"≤ {bound} {unit}", values, "{:.1f}", _median(values) <= bound


def _of_ramdisk(
    ratio: Callable[[str, str, str, str, str], Values],
) -> Iterator[tuple[str, dict[str, Any], str, Values, str, bool]]:
    for way, other, bound in (
        ("first_cold", "disk_cold", 1.03),
        ("first_warm", "disk_warm", 1.03),
        ("copy", "disk_cold", 0.67),
    ):
        if shares := ratio("ramdisk", f"ram_{way}", f"ram_{other}", "", "ms"):
            yield f"bench_aim_ram_{way}", {}, f"≤ {bound}", shares, "{:.2f}", _median(shares) <= bound


def _shares(values: Values, others: Values) -> list[float]:
    return [value / other for value, other in zip(values, others, strict=True)]


def _median(values: Values) -> float:
    return statistics.median(values)
