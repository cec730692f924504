"""Lists what is stored of conversations (KV_STORE, saved slots), and removes it: `hoshikage cache [list|clear]`. Main
thread.

The running server tells of what it has in memory, too; without one the files are looked at.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import moment, size
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.settings import cache_dir

if TYPE_CHECKING:
    from rich.console import Console


def register(commands: Commands) -> None:
    parser = commands.add("cache", commands.text("cli.cache_summary"))
    parser.add_json()
    verbs = parser.commands(dest="action")
    for action in ("list", "clear"):
        verbs.add(action, commands.text(f"cli.cache_help_{action}")).add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    if args.action == "clear":
        data = _asked("DELETE", context)
        line = context.text("cli.cache_cleared", count=data["removed"], size=size(data["bytes"]))
        return CommandResult(data=data, lines=(line,))
    data = _asked("GET", context)
    if not data["data"]:
        return CommandResult(data=data, lines=(context.text("cli.cache_empty"),))
    return CommandResult(data=data, view=lambda console: _table(data, context, console))


def _asked(method: str, context: CommandContext) -> dict[str, Any]:
    answer = Server.of(context).admin(method, "cache")
    if answer is not None:
        result: dict[str, Any] = answer[0]
        return result
    from hoshikage.dispatch import kv_listing

    if method == "DELETE":
        gone = kv_listing.clear(None, cache_dir())
        return {"removed": len(gone), "bytes": sum(row.size for row in gone)}
    rows = kv_listing.conversations(None, cache_dir())
    return {"data": [row.to_json() for row in rows], "bytes": sum(row.size for row in rows)}


def _table(data: dict[str, Any], context: CommandContext, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("where", "model", "caller", "tokens", "size", "time"):
        table.add_column(context.text(f"cli.cache_{name}"), justify="right" if name in ("tokens", "size") else "left")
    for row in data["data"]:
        where = context.text(f"cli.cache_in_{row['where']}", name=row["name"] or "")
        when = moment(row["saved_at"])
        figures = (str(row["tokens"]), size(row["bytes"]))
        table.add_row(*(escape(cell) for cell in (where, row["model"] or "-", row["caller"] or "-", *figures, when)))
    console.print(table)
    console.print(context.text("cli.cache_total", count=len(data["data"]), size=size(data["bytes"])))
