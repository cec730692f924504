"""Measures what settings bring a model here, and stores the better ones: `hoshikage tune LABEL`. Main thread."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli import result
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import size
from hoshikage.cli.options import number_of, shown
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.cli.tune_choice import TuneFigures, same_answer
from hoshikage.cli.tune_run import TuneMeasured, measure
from hoshikage.dispatch.libraries import InstalledLibraries
from hoshikage.dispatch.tuned import machine
from hoshikage.dispatch.wanted import wanted_load
from hoshikage.errors import Unavailable, UsageError
from hoshikage.library.selection import SelectedLibrary
from hoshikage.registry import ModelSpec, Registry
from hoshikage.registry.tuned import GUARDED, Tuned, free

if TYPE_CHECKING:
    from rich.console import Console

MIN_BUDGET: Final = 5
MAX_BUDGET: Final = 3600


def register(commands: Commands) -> None:
    parser = commands.add("tune", commands.text("tune.summary"))
    parser.add_argument("label", metavar="LABEL", help=commands.text("tune.label"))
    parser.add_argument("--budget", metavar="SECONDS", default="120", help=commands.text("tune.budget"))
    parser.add_argument("--kv", action="store_true", help=commands.text("tune.kv"))
    parser.add_argument("--dry-run", action="store_true", help=commands.text("tune.dry_run"))
    parser.add_argument("--reset", action="store_true", help=commands.text("tune.reset"))
    parser.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    budget = number_of("--budget", args.budget, float, MIN_BUDGET, MAX_BUDGET)
    settings = context.settings
    registry = Registry(settings.model_map_file, settings.model_dir, settings.registry_root)
    spec = registry.resolve(args.label)
    if spec.source == "folder":
        raise UsageError("tune.not_registered", label=spec.label, file=str(spec.file))
    if args.reset:
        had = spec.tuned is not None
        registry.set_tuned(spec.label, None)
        line = context.text("tune.was_reset" if had else "tune.had_none", label=spec.label)
        return CommandResult(data={"label": spec.label, "reset": had}, lines=(line,))
    _require_idle(context)
    params = wanted_load(spec, settings).params
    choice = InstalledLibraries(settings, context.environ).current(params)
    allowed = free(settings.load_params, spec.options)
    try:
        measured = measure(
            params,
            choice,
            allowed,
            budget,
            os.cpu_count() or 1,
            kv=args.kv,
            tell=lambda step: result.transient(
                context.text(f"tune.step_{step}", label=spec.label, seconds=round(budget))
            ),
        )
    finally:
        result.transient("")
    stored = not args.dry_run and not measured.busy
    if stored:
        registry.set_tuned(spec.label, _tuned(spec, choice, measured.chosen.values))
    data = _data(spec, choice, measured, allowed, context, stored=stored)
    return CommandResult(data=data, view=lambda console: _show(console, data, measured, context))


def _require_idle(context: CommandContext) -> None:
    """Answers and measurements would make each other slow. Raises Unavailable."""
    queue = (Server.of(context).status() or {}).get("queue") or {}
    if queue.get("running") or queue.get("waiting"):
        raise Unavailable("tune.busy", running=queue.get("running", 0), waiting=queue.get("waiting", 0))


def _tuned(spec: ModelSpec, choice: SelectedLibrary, values: Mapping[str, Any]) -> Tuned | None:
    if not values:
        return None
    state = spec.file.stat()
    as_stored = {
        name: ("on" if value else "off") if isinstance(value, bool) else value for name, value in values.items()
    }
    return Tuned(
        library=choice.fingerprint,
        release=choice.release,
        machine=machine(choice.devices),
        size=state.st_size,
        mtime_ns=state.st_mtime_ns,
        values=tuple(sorted(as_stored.items())),
        at=int(time.time()),
    )


def _data(
    spec: ModelSpec,
    choice: SelectedLibrary,
    measured: TuneMeasured,
    allowed: frozenset[str],
    context: CommandContext,
    *,
    stored: bool,
) -> dict[str, Any]:
    reasons = [context.text(reason.key, **reason.details) for reason in measured.chosen.reasons]
    yours = sorted(GUARDED.keys() - allowed)
    if yours:
        reasons.append(context.text("tune.why_yours", names=", ".join(yours)))
    return {
        "label": spec.label,
        "library": choice.name,
        "seconds": round(measured.seconds, 1),
        "n_sequences": measured.n_sequences,
        "base": asdict(measured.base),
        "trials": [
            {"changed": dict(one.changed), "figures": one.figures and asdict(one.figures), "error": one.error or None}
            for one in measured.trials
        ],
        "together": measured.together and asdict(measured.together),
        "chosen": measured.chosen.values,
        "reasons": reasons,
        "stored": stored,
    }


def _show(console: Console, data: dict[str, Any], measured: TuneMeasured, context: CommandContext) -> None:
    from rich.table import Table

    base, chosen = measured.base, measured.chosen
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(context.text("tune.col_setting"), no_wrap=True)
    for name in ("generation", "together", "prompt", "load", "memory", "answer"):
        words = context.text(f"tune.col_{name}", n=measured.n_sequences)
        table.add_column(words, justify="left" if name == "answer" else "right")

    def row(words: str, figures: TuneFigures | None, error: str = "", style: str = "") -> None:
        if figures is None:
            table.add_row(words, context.text("tune.cannot" if error else "tune.not_reached"), style="dim")
            return
        cells = (
            f"{figures.generation:.1f}",
            "–" if figures.together is None else f"{figures.together:.1f}",
            f"{figures.prompt:.0f}",
            f"{figures.load_s:.2f}",
            size(figures.resident_bytes + figures.vram_bytes),
            context.text("tune.same" if same_answer(figures, base) else "tune.differs"),
        )
        table.add_row(words, *cells, style=style)

    row(context.text("tune.as_it_is", threads=base.n_threads), base)
    for trial in measured.trials:
        taken = dict(chosen.by_axis.get(trial.axis, {}))
        is_taken = any(taken.get(name) == value for name, value in trial.changed.items())
        row(shown(trial.changed), trial.figures, trial.error, "bold green" if is_taken else "")
    if measured.together is not None:
        row(context.text("tune.all_together"), measured.together)
    console.print(table)
    for reason in data["reasons"]:
        console.print(reason)
    key = "tune.stored" if data["stored"] else "tune.not_stored"
    if data["chosen"]:
        console.print(context.text(key, label=data["label"], setting=shown(chosen.values), library=data["library"]))
