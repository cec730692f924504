"""`hoshikage list`: the registered models, what their files say, and whether they can be used. Main thread."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli.context import Context
from hoshikage.cli.format import parameters, size
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.cli.server import Server
from hoshikage.errors import GgufInvalid
from hoshikage.gguf import GgufHeader, read_chat_model
from hoshikage.registry import ModelSpec, Registry

if TYPE_CHECKING:
    from rich.console import Console

STYLES: Final = {"usable": "green", "loaded": "bold green", "missing": "red", "damaged": "red"}


@dataclass(frozen=True, slots=True)
class Row:
    spec: ModelSpec
    header: GgufHeader | None
    state: str
    """`usable`, `loaded` (in the running server), `missing` or `damaged`."""
    reason: str
    """Why it cannot be used; empty where it can."""


def register(commands: Commands) -> None:
    commands.add("list", commands.text("cli.list_summary")).add_json()


def run(args: argparse.Namespace, context: Context) -> CommandResult:
    registry = Registry(context.settings.model_map_file)
    status = Server.of(context).status()
    loaded = status["model"]["id"] if status and status["model"]["state"] == "ready" else None
    rows = [_row(spec, loaded, context) for spec in registry.specs()]
    problems = [context.text(problem.key, **problem.details) for problem in registry.problems()]

    def view(console: Console) -> None:
        if rows:
            console.print(_table(rows, context))
            for row in rows:
                if row.reason:
                    console.print(f"{row.spec.label}: {row.reason}", style="red")
        elif not problems:
            console.print(context.text("cli.list_empty", file=registry.file))
        for problem in problems:
            console.print(f"{context.text('cli.warning')}: {problem}", style="yellow")

    data = {"file": str(registry.file), "models": [_data(row) for row in rows], "problems": problems}
    return CommandResult(data=data, view=view)


def _row(spec: ModelSpec, loaded: str | None, context: Context) -> Row:
    try:
        header = read_chat_model(spec.file)
    except GgufInvalid as error:
        state = "damaged" if spec.file.exists() else "missing"
        return Row(spec, None, state, context.text(error.key, **error.details))
    return Row(spec, header, "loaded" if spec.label == loaded else "usable", "")


def _data(row: Row) -> dict[str, Any]:
    header = row.header
    return {
        "label": row.spec.label,
        "file": str(row.spec.file),
        "size_bytes": header.size_bytes if header else None,
        "architecture": header.architecture if header else None,
        "name": header.name if header else None,
        "n_params": header.n_params if header else None,
        "file_type": header.file_type if header else None,
        "context_length": header.context_length if header else None,
        "stop": list(row.spec.stop),
        "created": row.spec.created,
        "state": row.state,
        "reason": row.reason,
    }


def _table(rows: list[Row], context: Context) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("label", "file", "size", "architecture", "parameters", "quantisation", "context", "stop", "state"):
        right = name in ("size", "parameters", "context")
        table.add_column(
            context.text(f"cli.list_{name}"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=name not in ("file", "stop"),
        )
    for row in rows:
        table.add_row(*_cells(row, context), style=None if row.header else "dim")
    return table


def _cells(row: Row, context: Context) -> tuple[Any, ...]:
    from rich.text import Text

    header, spec = row.header, row.spec
    state = Text(context.text(f"cli.state_{row.state}"), style=STYLES[row.state])
    return (
        spec.label,
        spec.file.name,
        size(header.size_bytes) if header else "–",
        header.architecture if header else "–",
        parameters(header.n_params) if header else "–",
        header.file_type if header else "–",
        str(header.context_length or "–") if header else "–",
        " ".join(spec.stop) or "–",
        state,
    )
