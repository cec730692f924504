"""Lists the registered models, what their files say, and whether they can be used: `hoshikage list`. Main thread."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import parameters, size
from hoshikage.cli.options import shown
from hoshikage.cli.parser import Commands
from hoshikage.cli.registering import Registering
from hoshikage.cli.result import CommandResult, one_line
from hoshikage.dispatch.wanted import require_parts
from hoshikage.errors import GgufInvalid, HoshikageError
from hoshikage.gguf import GgufHeader, read_chat_model
from hoshikage.gguf import files as gguf_files
from hoshikage.registry import ModelSpec

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS: Final = (
    "label", "file", "size", "architecture", "parameters", "quantisation", "context", "stop", "options", "state",
)  # fmt: skip
LEAVING: Final = ("stop", "file", "architecture", "options")
"""A narrow terminal does without these columns, the first of them first."""
SHORTENED: Final = {"label": 28, "file": 24, "stop": 12}
"""Long texts in these columns may be held to so many characters."""
NARROW: Final = 60
NOTHING: Final = "–"
STYLES: Final = {"usable": "green", "found": "", "loaded": "bold green", "missing": "red", "damaged": "red"}


@dataclass(frozen=True, slots=True)
class ListRow:
    """A ListRow is one model of the list."""

    spec: ModelSpec
    header: GgufHeader | None
    state: str
    """`state` is `usable`, `loaded` (in the running server), `missing` or `damaged`; `found` in MODEL_DIR and not
    looked into."""
    reason: str
    """`reason` says why it cannot be used; empty where it can."""


def register(commands: Commands) -> None:
    parser = commands.add("list", commands.text("cli.list_summary"))
    parser.add_argument("--remote", metavar="REPO", help=commands.text("pull.remote"))
    parser.add_json()
    parser.add_argument("--verbose", action="store_true", help=commands.text("cli.help_verbose"))


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    if args.remote is not None:
        from hoshikage.cli.list_remote import list_remote

        return list_remote(args.remote, context)
    listing = Registering(context, verbose=args.verbose).listing()
    status = Server.of(context).status()
    loaded = _loaded(status)
    rows = [_row(spec, loaded, context) for spec in listing.specs]
    problems = list(listing.problems)

    def view(console: Console) -> None:
        if rows:
            _show(rows, context, console)
            for row in rows:
                if row.reason:
                    console.print(f"{row.spec.label}: {row.reason}", style="red")
        elif not problems:
            console.print(context.text("cli.list_empty", file=listing.file))
        for problem in problems:
            console.print(f"{context.text('cli.warning')}: {problem}", style="yellow")

    data = {"file": str(listing.file), "models": [_data(row) for row in rows], "problems": problems}
    return CommandResult(data=data, view=view)


def _loaded(status: dict[str, Any] | None) -> frozenset[str]:
    """Returns the labels of the models that the running server has in memory."""
    if status is None:
        return frozenset()
    shown = {status["model"]["id"]} if status["model"]["state"] == "ready" else set()
    beside = {one["model"] for one in status.get("runners", ()) if one["kind"] != "vocabulary"}
    return frozenset(shown | beside)


def _row(spec: ModelSpec, loaded: frozenset[str], context: CommandContext) -> ListRow:
    if spec.source == "folder":  # there may be a thousand of them
        return ListRow(spec, None, "loaded" if spec.label in loaded else "found", "")
    try:
        header = read_chat_model(spec.file)
    except GgufInvalid as error:
        state = "damaged" if spec.file.exists() else "missing"
        return ListRow(spec, None, state, context.text(error.key, **error.details))
    try:
        require_parts(spec, header)
    except HoshikageError as error:
        return ListRow(spec, header, "damaged", context.text(error.key, **error.details))
    return ListRow(spec, header, "loaded" if spec.label in loaded else "usable", "")


def _data(row: ListRow) -> dict[str, Any]:
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
        "tuned": dict(row.spec.tuned.values) if row.spec.tuned else {},
        "created": row.spec.created,
        "state": row.state,
        "reason": row.reason,
    }


def _show(rows: list[ListRow], context: CommandContext, console: Console) -> None:
    """Draws a table, or on a narrow terminal one block for each model."""
    from rich.text import Text

    from hoshikage.cli.table import Column, drawn, fitted

    cells = [_cells(row, context) for row in rows]
    columns = [
        Column(
            context.text(f"cli.list_{name}"),
            tuple(Text(values[name], style=STYLES[row.state] if name == "state" else "")
                  for values, row in zip(cells, rows, strict=True)),
            right=name in ("size", "parameters", "context"),
            minimum=_least(name, cells),
            folded=name in ("label", "options"),
            leaves=LEAVING.index(name) if name in LEAVING else None,
        )
        for name in COLUMNS
        if name != "options" or any(row.spec.options.given() or row.spec.tuned for row in rows)
    ]  # fmt: skip
    result = fitted(columns, console.width) if console.width >= NARROW else None
    if result is not None:
        console.print(drawn(result, ["dim" if row.reason else "" for row in rows]))
        return
    for number in range(len(rows)):
        label, *others = columns
        console.print(Text.assemble((label.cells[number].plain, "bold")), overflow="fold")
        for column in others:
            if column.cells[number].plain != NOTHING:
                console.print(Text.assemble("  ", column.title, ": ", column.cells[number]), overflow="fold")


def _least(name: str, cells: list[dict[str, str]]) -> int | None:
    """Returns the width that a column can do with; settings are broken between words only."""
    if name == "options":
        return max(len(word) for values in cells for word in values[name].split())
    return SHORTENED.get(name)


def _cells(row: ListRow, context: CommandContext) -> dict[str, str]:
    header, spec = row.header, row.spec
    total = header.size_bytes if header else _size_of(spec)
    result = {
        "label": spec.label,
        "file": spec.file.name,
        "size": size(total) if total is not None else "",
        "architecture": header.architecture if header else "",
        "parameters": parameters(header.n_params) if header else "",
        "quantisation": (header.file_type or "") if header else "",
        "context": str(header.context_length or "") if header else "",
        "stop": " ".join(spec.stop),
        "options": " ".join(filter(None, (shown(spec.options.given()), _tuned(spec)))),
        "state": context.text(f"cli.state_{row.state}"),
    }
    return {name: one_line(words) or NOTHING for name, words in result.items()}


def _tuned(spec: ModelSpec) -> str:
    """Writes what was chosen by measuring as `n_threads=2(tune)`, told apart from what a person set."""
    return "" if spec.tuned is None else " ".join(f"{name}={value}(tune)" for name, value in spec.tuned.values)


def _size_of(spec: ModelSpec) -> int | None:
    """Adds up all the model's files, as far as they can be seen without opening one."""
    try:
        return sum(file.stat().st_size for file in gguf_files(spec.file))
    except OSError:
        return None
