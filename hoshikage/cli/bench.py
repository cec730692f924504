"""Measures how fast a registered model is on this machine: `hoshikage bench [LABEL]`. Main thread."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli import result
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import parameters, size
from hoshikage.cli.options import number_of
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.cli.speed import Asker, Measured, asker
from hoshikage.errors import ContextLengthExceeded, UsageError
from hoshikage.registry import ModelSpec, Registry

if TYPE_CHECKING:
    from rich.console import Console

PROMPTS: Final = (64, 256, 1024)
"""A prompt has so many words; a word is about a token and a half."""
MAX_TOKENS: Final = 4096
MAX_RUNS: Final = 100
SETTINGS: Final = ("n_parallel", "kv_reuse", "speculation", "n_ctx", "n_batch", "n_gpu_layers")


def register(commands: Commands) -> None:
    parser = commands.add("bench", commands.text("cli.bench_summary"))
    parser.add_argument("label", metavar="LABEL", nargs="?", help=commands.text("cli.bench_label"))
    parser.add_argument("--tokens", metavar="N", default="128", help=commands.text("cli.bench_tokens"))
    parser.add_argument("--runs", metavar="N", default="3", help=commands.text("cli.bench_runs"))
    parser.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    tokens = number_of("--tokens", args.tokens, int, 2, MAX_TOKENS)
    runs = number_of("--runs", args.runs, int, 1, MAX_RUNS)
    spec = _chosen(args.label, context)
    try:
        with asker(spec, context) as asking:
            data = _measure(asking, spec, tokens, runs, context)
    finally:
        result.transient("")
    return CommandResult(data=data, view=lambda console: _show(console, data, context))


def _measure(asking: Asker, spec: ModelSpec, tokens: int, runs: int, context: CommandContext) -> dict[str, Any]:
    result.transient(context.text("speed.loading", label=spec.label))
    asking.ask(_words(8, 0), 2)
    status = asking.status()
    n_ctx = int(status.get("model", {}).get("n_ctx", 0))
    prompts: list[dict[str, Any]] = []
    for count in PROMPTS:
        if prompts and n_ctx and prompts[-1]["tokens"] * 4 >= n_ctx:
            break
        result.transient(context.text("speed.prompt", count=count))
        measured = _fitting(asking, count)
        if measured is not None:
            prompts.append(_prompt(measured))
    answers = []
    for number in range(runs):
        result.transient(context.text("speed.run", number=number + 1, runs=runs))
        answers.append(asking.ask(_words(8, number + 1), tokens))
    rates = [(one.completion_tokens - 1) * 1e3 / one.timings.decode_ms for one in answers if one.timings.decode_ms > 0]
    status = asking.status()
    model, library, runner = (status.get(part) or {} for part in ("model", "library", "runner"))
    return {
        "label": spec.label,
        "where": asking.where,
        "description": model.get("description", ""),
        "n_params": model.get("n_params", 0),
        "size_bytes": model.get("size_bytes", 0),
        "n_ctx": n_ctx,
        "load_ms": round(float(model.get("load_ms", 0.0)), 1),
        "prompts": prompts,
        "first_token_ms": round(statistics.median(one.timings.first_token_ms for one in answers), 2),
        "tokens": answers[-1].completion_tokens,
        "tokens_per_second": _spread(rates),
        "drafted": sum(one.timings.drafted for one in answers),
        "accepted": sum(one.timings.accepted for one in answers),
        "resident_bytes": runner.get("resident_bytes", 0),
        "library": library.get("release") or library.get("version", ""),
        "system_info": library.get("system_info", ""),
        "devices": [device["description"] or device["name"] for device in library.get("devices", ())],
        "settings": {name: getattr(context.settings.load_params, name) for name in SETTINGS},
    }


def _fitting(asking: Asker, words: int) -> Measured | None:
    """Measures a prompt; returns None for one that the context does not hold."""
    try:
        return asking.ask(_words(words, words), 2)
    except ContextLengthExceeded:
        return None


def _prompt(measured: Measured) -> dict[str, Any]:
    milliseconds = measured.timings.prompt_ms
    return {
        "tokens": measured.prompt_tokens,
        "ms": round(milliseconds, 2),
        "tokens_per_second": round(measured.prompt_tokens * 1e3 / milliseconds, 1) if milliseconds else 0.0,
    }


def _spread(rates: Sequence[float]) -> dict[str, float]:
    values = rates or (0.0,)
    return {
        "median": round(statistics.median(values), 2),
        "minimum": round(min(values), 2),
        "maximum": round(max(values), 2),
    }


def _show(console: Console, data: dict[str, Any], context: CommandContext) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    rate = data["tokens_per_second"]
    rows = [
        ("model", " · ".join((data["label"], parameters(data["n_params"]), size(data["size_bytes"])))),
        ("generation", context.text("speed.rate", tokens=data["tokens"], **rate)),
        ("first", f"{data['first_token_ms']:.1f} ms"),
        *(("prompt", context.text("speed.prompt_rate", **prompt)) for prompt in data["prompts"]),
        ("load", f"{data['load_ms']:.0f} ms"),
        ("memory", size(data["resident_bytes"])),
    ]
    if data["drafted"]:
        rows.append(("guessed", context.text("speed.guessed", drafted=data["drafted"], accepted=data["accepted"])))
    rows.append(("library", " · ".join((data["library"], *data["devices"]))))
    rows.append(("where", context.text(f"speed.where_{data['where']}")))
    for name, value in rows:
        table.add_row(context.text(f"speed.row_{name}"), value)
    console.print(table)


def _chosen(label: str | None, context: CommandContext) -> ModelSpec:
    """Returns the model of that label; without one the only model there is. Raises ModelNotFound, UsageError."""
    registry = Registry(context.settings.model_map_file, context.settings.model_dir, context.settings.registry_root)
    if label is not None:
        return registry.resolve(label)
    specs = registry.specs()
    if len(specs) == 1:
        return specs[0]
    if not specs:
        raise UsageError("cli.chat_no_models")
    raise UsageError("speed.which", known=", ".join(spec.label for spec in specs))


def _words(count: int, number: int) -> str:
    """Makes a prompt that begins unlike any other of this command's."""
    return " ".join(f"star{(number * 7919 + at * 31) % 1000}" for at in range(count))
