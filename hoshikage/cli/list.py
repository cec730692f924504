"""`hoshikage list`: the registered models, what their files say, and whether they can be used. Main thread."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli.context import Context
from hoshikage.cli.format import parameters, size
from hoshikage.cli.options import shown
from hoshikage.cli.parser import Commands
from hoshikage.cli.registering import Registering
from hoshikage.cli.result import CommandResult
from hoshikage.cli.server import Server
from hoshikage.errors import GgufInvalid
from hoshikage.gguf import GgufHeader, read_chat_model
from hoshikage.gguf import files as gguf_files
from hoshikage.registry import ModelSpec

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS: Final = (
    "label", "file", "size", "architecture", "parameters", "quantisation", "context", "stop", "options", "state",
)  # fmt: skip
STYLES: Final = {"usable": "green", "found": "", "loaded": "bold green", "missing": "red", "damaged": "red"}


@dataclass(frozen=True, slots=True)
class Row:
    spec: ModelSpec
    header: GgufHeader | None
    state: str
    """`usable`, `loaded` (in the running server), `missing` or `damaged`; `found` in MODEL_DIR and not looked into."""
    reason: str
    """Why it cannot be used; empty where it can."""


def register(commands: Commands) -> None:
    parser = commands.add("list", commands.text("cli.list_summary"))
    parser.add_json()
    parser.add_argument("--verbose", action="store_true", help=commands.text("cli.help_verbose"))


def run(args: argparse.Namespace, context: Context) -> CommandResult:
    listing = Registering(context, verbose=args.verbose).listing()
    status = Server.of(context).status()
    loaded = status["model"]["id"] if status and status["model"]["state"] == "ready" else None
    rows = [_row(spec, loaded, context) for spec in listing.specs]
    problems = list(listing.problems)

    def view(console: Console) -> None:
        if rows:
            console.print(_table(rows, context))
            for row in rows:
                if row.reason:
                    console.print(f"{row.spec.label}: {row.reason}", style="red")
        elif not problems:
            console.print(context.text("cli.list_empty", file=listing.file))
        for problem in problems:
            console.print(f"{context.text('cli.warning')}: {problem}", style="yellow")

    data = {"file": str(listing.file), "models": [_data(row) for row in rows], "problems": problems}
    return CommandResult(data=data, view=view)


def _row(spec: ModelSpec, loaded: str | None, context: Context) -> Row:
    if spec.source == "folder":  # there may be a thousand of them
        return Row(spec, None, "loaded" if spec.label == loaded else "found", "")
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
        "source": row.spec.source,
        "size_bytes": header.size_bytes if header else _size_of(row.spec),
        "architecture": header.architecture if header else None,
        "name": header.name if header else None,
        "n_params": header.n_params if header else None,
        "file_type": header.file_type if header else None,
        "context_length": header.context_length if header else None,
        "stop": list(row.spec.stop),
        "options": row.spec.options.given(),
        "created": row.spec.created,
        "state": row.state,
        "reason": row.reason,
    }


def _table(rows: list[Row], context: Context) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    with_options = any(row.spec.options.given() for row in rows)
    for name in COLUMNS:
        if name == "options" and not with_options:
            continue
        right = name in ("size", "parameters", "context")
        table.add_column(
            context.text(f"cli.list_{name}"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=name not in ("file", "stop", "options"),
        )
    for row in rows:
        cells = zip(COLUMNS, _cells(row, context), strict=True)
        kept = [cell for name, cell in cells if with_options or name != "options"]
        table.add_row(*kept, style="dim" if row.reason else None)
    return table


def _cells(row: Row, context: Context) -> tuple[Any, ...]:
    from rich.text import Text

    header, spec = row.header, row.spec
    state = Text(context.text(f"cli.state_{row.state}"), style=STYLES[row.state])
    return (
        spec.label,
        spec.file.name,
        size(total) if (total := header.size_bytes if header else _size_of(spec)) is not None else "–",
        header.architecture if header else "–",
        parameters(header.n_params) if header else "–",
        header.file_type if header else "–",
        str(header.context_length or "–") if header else "–",
        " ".join(spec.stop) or "–",
        shown(spec.options.given()) or "–",
        state,
    )


def _size_of(spec: ModelSpec) -> int | None:
    """Of all the model's files, as far as they can be seen without opening one."""
    try:
        return sum(file.stat().st_size for file in gguf_files(spec.file))
    except OSError:
        return None
