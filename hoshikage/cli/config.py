"""Shows each setting in force and where it came from: `hoshikage config`. Main thread."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hoshikage import settings
from hoshikage.cli.context import CommandContext
from hoshikage.cli.options import shown
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.in_force import in_force
from hoshikage.registry import Registry

if TYPE_CHECKING:
    from rich.console import Console


def register(commands: Commands) -> None:
    commands.add("config", commands.text("cli.config_summary")).add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    rows = in_force(context.settings, context.sources)
    registry = Registry(context.settings.model_map_file, None, context.settings.registry_root)
    tuned = {spec.label: spec.tuned for spec in registry.specs() if spec.tuned is not None}
    folders = {"config": str(settings.config_dir()), "cache": str(settings.cache_dir())}

    def view(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("name", "value", "source"):
            table.add_column(context.text(f"cli.config_{name}"), overflow="fold", no_wrap=name == "name")
        for row in rows:
            style = "" if row["source"] == "default" else "bold"
            table.add_row(str(row["name"]), _shown(row["value"]), _source(str(row["source"]), context), style=style)
        console.print(table)
        console.print(context.text("cli.config_folder", folder=folders["config"]))
        for label, chosen in tuned.items():
            details = {"setting": shown(dict(chosen.values)), "release": chosen.release}
            console.print(context.text("tune.chosen_for", label=label, **details))

    of_models = {label: {"values": dict(chosen.values), "source": "tune"} for label, chosen in tuned.items()}
    return CommandResult(data={"settings": rows, "models": of_models, "folders": folders}, view=view)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _source(source: str, context: CommandContext) -> str:
    named = ("flag", "environment", "default")
    return context.text(f"cli.source_{source}") if source in named else source
