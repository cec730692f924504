"""Besieges a server of this tree: load, deaths, damaged files, slow connections, power cuts; adds up what it counts.

`.venv/bin/python scripts/siege.py [--minutes M] [--round M] [--clients N] [--seed S] [--totals FILE] [--only PART ...]
[--short]`. Main thread. Only servers that it started itself, on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import siege_deaths
import siege_files
import siege_guests
import siege_load
import siege_trees
from hoshikage.library import demo
from hoshikage.registry import Registry
from screen import ROOT, Refused, Screen, run
from serving import Server, get_json
from siege_totals import COUNTS, Gauge, Totals

PARTS: Final = ("load", "deaths", "trees", "files", "slow", "power", "cost")
SOAK: Final = "soak"
"""This part takes all of the time in one server, so it comes only where it is asked for."""
MODES: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("plain", {}),
    ("four together", {"N_PARALLEL": "4"}),
    ("kept prefixes", {"N_PARALLEL": "2", "KV_REUSE": "prefix"}),
    ("guesses", {"SPECULATION": "lookup"}),
    ("without a RAM disk", {"RAMDISK_PATH": "off", "RUNNER_AHEAD": "off"}),
)
SHARES: Final = {"load": 0.6, "deaths": 0.15, "trees": 0.05, "files": 0.1, "slow": 0.02, "power": 0.03}
"""These are shares of a round's time; what costs is measured once a run."""
ROUND_MINUTES: Final = 4.0
SHORT_S: Final = 60.0
SHORT_CLIENTS: Final = 48
SOAK_CLIENTS: Final = 4
SOAK_REST_S: Final = 0.8
SOAK_SETTINGS: Final = {"N_PARALLEL": "2", "KV_REUSE": "prefix"}
MODEL: Final = "m"


def main(screen: Screen) -> int:
    options = _parser(screen).parse_args()
    if (model := demo.in_folder(ROOT / "demo" / "hoshikage_demo")) is None or not options.library.is_file():
        raise Refused("siege_parts_missing", library=options.library)
    seconds = SHORT_S if options.short else options.minutes * 60
    clients = SHORT_CLIENTS if options.short else options.clients
    totals = Totals(options.totals, options.seed)
    dice = random.Random(totals.seed)
    screen.say("siege_begins", minutes=seconds / 60, clients=clients, seed=totals.seed)
    rounds = max(1, round(seconds / options.round / 60)) if options.only != [SOAK] else 0
    try:
        if SOAK in options.only:
            _soak(model.model, options.library, seconds, totals, dice)
        for number in range(rounds):
            name, settings = MODES[(len(totals.runs) - 1 + number) % len(MODES)]
            screen.say("siege_round", number=number + 1, rounds=rounds, mode=name)
            with tempfile.TemporaryDirectory(prefix="siege-") as folder:
                parts = [part for part in options.only if part in SHARES]
                _round(
                    Path(folder), model.model, options.library, settings, parts, seconds / rounds, clients, totals, dice
                )
            totals.write()
        if "cost" in options.only and not options.short:
            _cost(model.model, options.library, totals)
    finally:
        totals.write()
        _show(screen, totals)
    return 1 if totals.faults else 0


def _parser(screen: Screen) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=screen.text("siege_about"))
    library = Path(os.environ.get("HOSHIKAGE_LIB_PATH", ROOT / ".cache" / "libllama.so"))
    made.add_argument("--minutes", type=float, default=60.0, help=screen.text("siege_minutes_help"))
    made.add_argument("--round", type=float, default=ROUND_MINUTES, help=screen.text("siege_round_help"))
    made.add_argument("--clients", type=int, default=512, help=screen.text("siege_clients_help"))
    made.add_argument("--seed", type=int, default=1, help=screen.text("siege_seed_help"))
    made.add_argument(
        "--totals", type=Path, default=ROOT / ".cache" / "siege.json", help=screen.text("siege_totals_help")
    )
    made.add_argument("--library", type=Path, default=library, help=screen.text("siege_library_help"))
    made.add_argument(
        "--only", nargs="+", choices=[*PARTS, SOAK], default=list(PARTS), help=screen.text("siege_only_help")
    )
    made.add_argument("--short", action="store_true", help=screen.text("siege_short_help"))
    return made


def _round(
    folder: Path, source: Path, library: Path, settings: dict[str, str], parts: Sequence[str], seconds: float,
    clients: int, totals: Totals, dice: random.Random,
) -> None:  # fmt: skip
    """Besieges one server in one mode in every way."""
    whole = sum(SHARES[part] for part in parts) or 1.0
    spans = {part: seconds * SHARES[part] / whole for part in parts}
    if "power" in spans:
        siege_files.cut_power(folder, spans["power"], totals, dice)
    if "trees" in spans:

        def prepare(place: Path, mode: dict[str, str]) -> siege_trees.Prepared:
            return _prepared(place, source, library, mode)

        siege_trees.kill_trees(prepare, folder, MODEL, spans["trees"], totals, dice)
    with _serving(folder, source, library, {"QUEUE_SIZE": "256", **settings}) as server:
        gauge = Gauge(server.process.pid)
        target = siege_load.Target(server.url, MODEL, server.process.pid, totals, dice)
        asyncio.run(siege_load.learn(target))
        if "load" in spans:
            asyncio.run(siege_load.load(target, clients, spans["load"], gauge))
            if slopes := gauge.slopes():
                totals.slopes.append({"mode": settings, "seconds": round(spans["load"]), **slopes})
        if "deaths" in spans:
            model = folder / "model.gguf"

            def forgive() -> None:
                os.utime(model)  # a changed file lifts the quarantine that so many deaths bring

            for crowd in siege_deaths.CROWDS:
                asyncio.run(siege_deaths.kill_runners(target, spans["deaths"] * crowd.share, crowd, forgive, gauge))
        if "slow" in spans:
            siege_guests.hold_slowly(server.url, totals, dice)
        if "files" in spans:
            siege_files.try_models(server.url, source, folder / "models", spans["files"], totals, dice)
        if server.process.poll() is not None:
            totals.counts["files_ended_server"] += 1


def _soak(source: Path, library: Path, seconds: float, totals: Totals, dice: random.Random) -> None:
    """Has few clients ask one server for all of the time: what grows by the hour shows."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="siege-")))
        server = stack.enter_context(_serving(folder, source, library, SOAK_SETTINGS))
        target = siege_load.Target(server.url, MODEL, server.process.pid, totals, dice, rest_s=SOAK_REST_S)
        asyncio.run(siege_load.learn(target))
        gauges = {"server": Gauge(server.process.pid), "runner": Gauge(_runner(server))}
        asyncio.run(siege_load.load(target, SOAK_CLIENTS, seconds, *gauges.values()))
        for name, gauge in gauges.items():
            totals.slopes.append({"soak": name, "seconds": round(seconds), **gauge.slopes()})


def _runner(server: Server) -> int:
    return int(get_json(server.url, "/v1/status")["runner"]["pid"])


def _cost(source: Path, library: Path, totals: Totals) -> None:
    """Measures what those cost who are refused, and those who wait."""
    for settings, measure in (
        ({"QUEUE_SIZE": "2"}, siege_guests.refused_beside_served),
        ({"QUEUE_SIZE": "600"}, siege_guests.waiting_beside_served),
    ):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="siege-")))
            server = stack.enter_context(_serving(folder, source, library, settings))
            totals.figures.update(measure(server.url, server.process.pid, MODEL, 30.0, 512))
        totals.write()


@contextmanager
def _serving(folder: Path, source: Path, library: Path, settings: dict[str, str]) -> Iterator[Server]:
    """Runs a server of this tree in a home of its own."""
    prepared = _prepared(folder, source, library, settings)
    with Server([*prepared.program, *siege_trees.SERVE], prepared.environ) as server:
        yield server


def _prepared(folder: Path, source: Path, library: Path, settings: dict[str, str]) -> siege_trees.Prepared:
    """Makes a home of its own, with a registered model."""
    model, models = folder / "model.gguf", folder / "models"
    shutil.copyfile(source, model)
    models.mkdir()
    registry = folder / "model_map.json"
    Registry(registry).add(MODEL, model)
    environ = {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "LANG")},
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "HOSHIKAGE_LANG": "en",
        "HOSHIKAGE_LIB_PATH": str(library),
        "MODEL_MAP_FILE": str(registry),
        "MODEL_DIR": str(models),
        "LOG_LEVEL": "error",
        "RAMDISK_PATH": "off",
        **settings,
    }
    return siege_trees.Prepared([sys.executable, "-m", "hoshikage"], environ, model)


def _show(screen: Screen, totals: Totals) -> None:
    """Shows the table as the documents have it."""
    screen.line()
    screen.say("siege_table", commit=totals.commit[:12], minutes=totals.seconds / 60, runs=len(totals.runs))
    for name in COUNTS:
        screen.line(f"| {name} | {totals.counts[name]:,} |")
    for name, count in sorted(totals.counts.items()):
        if name not in COUNTS:
            screen.line(f"| {name} | {count:,} |")
    for name, value in totals.figures.items():
        screen.line(f"| {name} | {value} |")
    for slope in totals.slopes[-len(MODES) :]:
        screen.line(f"| {slope} |")


if __name__ == "__main__":
    run(main)
