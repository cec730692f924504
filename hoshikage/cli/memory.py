"""Shows, finds, exports and removes what is kept of conversations: `hoshikage memory list|search|forget|export|clear`.
Main thread.

It is done by the running server where there is one, else on the store itself, which then no server has.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from hoshikage import durable
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import moment
from hoshikage.cli.loop import event_loop
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import MemoryNotFound, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from hoshikage.memory.recollection import Recollections

SHOWN: Final = 100
EVERY: Final = "*"
Does = Callable[["Recollections"], Awaitable[dict[str, Any]]]


def register(commands: Commands) -> None:
    parser = commands.add("memory", commands.text("remember.summary"))
    parser.add_json()
    verbs = parser.commands(dest="action")
    for action in ("list", "search", "forget", "export", "clear"):
        verb = verbs.add(action, commands.text(f"remember.help_{action}"))
        if action == "search":
            verb.add_argument("query", metavar="TEXT", help=commands.text("remember.help_query"))
        if action == "forget":
            verb.add_argument("ids", metavar="ID", nargs="*", help=commands.text("remember.help_ids"))
        if action == "export":
            verb.add_argument("file", metavar="FILE", help=commands.text("remember.help_file"))
        verb.add_argument("--scope", help=commands.text("remember.help_scope"))
        if action in ("list", "forget", "export"):
            verb.add_argument("--conversation", default="", help=commands.text("remember.help_conversation"))
        verb.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    verbs = {"list": _list, "search": _search, "forget": _forget, "export": _export, "clear": _clear}
    if args.action not in verbs:
        reason = context.text("cli.missing_arguments", names="list|search|forget|export|clear")
        raise UsageError("cli.usage", reason=reason, help="hoshikage memory --help")
    return verbs[args.action](args, context)


def _list(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    result = _all(args, context)
    return CommandResult(data=result, view=lambda console: _table(result["data"], context, console))


def _search(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    scope = args.scope or "local"

    async def locally(kept: Recollections) -> dict[str, Any]:
        from hoshikage.memory.recollection import shown

        near = await kept.search(scope, args.query, 10)
        return {"data": [{**shown(one), "distance": round(one.distance, 4)} for one in near]}

    result = _done("POST", "/search", locally, context, body={"query": args.query, "scope": scope})
    return CommandResult(data=result, view=lambda console: _table(result["data"], context, console))


def _forget(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    if not args.ids and not args.conversation:
        reason = context.text("cli.missing_arguments", names="ID")
        raise UsageError("cli.usage", reason=reason, help="hoshikage memory forget --help")
    count = 0
    if args.conversation:
        count += _removed(args.scope or EVERY, context, conversation=args.conversation)
    for name in args.ids:
        count += _removed(args.scope or EVERY, context, name=name)
    return _told(count, context)


def _clear(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    return _told(_removed(args.scope or EVERY, context), context)


def _export(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    result = _all(args, context)["data"]
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in result)
    durable.replace(Path(args.file), lines.encode(), mode=0o600)
    said = context.text("remember.exported", count=len(result), file=args.file)
    return CommandResult(data={"file": args.file, "count": len(result)}, lines=(said,))


def _all(args: argparse.Namespace, context: CommandContext) -> dict[str, Any]:
    scope = args.scope or EVERY

    async def locally(kept: Recollections) -> dict[str, Any]:
        from hoshikage.memory.recollection import shown

        result = await kept.browse("" if scope == EVERY else scope, args.conversation)
        return {"data": [shown(one) for one in result.entries], "total": result.total}

    return _done("GET", "", locally, context, scope=scope, conversation=args.conversation)


def _removed(scope: str, context: CommandContext, *, name: str = "", conversation: str = "") -> int:
    """Removes them, and returns how many are gone. Raises MemoryNotFound for an id that nothing has."""

    async def locally(kept: Recollections) -> dict[str, Any]:
        ids = (name,) if name else ()
        every = not name and not conversation
        whose = "" if scope == EVERY else scope
        count = await kept.forget(whose, ids=ids, conversation=conversation, everything=every)
        if name and not count:
            raise MemoryNotFound("remember.not_found", name=name)
        return {"forgotten": count}

    path = f"/{quote(name, safe='')}" if name else ""
    return int(_done("DELETE", path, locally, context, scope=scope, conversation=conversation)["forgotten"])


def _told(count: int, context: CommandContext) -> CommandResult:
    """Says what was forgotten, and that a shared Chroma server may keep its bytes."""
    lines = [context.text("remember.forgotten", count=count)]
    if context.settings.chroma_url is not None:
        lines.append(context.text("remember.bytes_may_stay", url=context.settings.chroma_url))
    return CommandResult(data={"forgotten": count}, lines=tuple(lines))


def _done(
    method: str, path: str, locally: Does, context: CommandContext, body: dict[str, Any] | None = None, **query: str
) -> dict[str, Any]:
    text = urlencode({name: value for name, value in query.items() if value})
    answer = Server.of(context).own(method, f"/v1/memory{path}{'?' if text else ''}{text}", body=body)
    if answer is not None:
        result: dict[str, Any] = answer[0]
        return result
    with event_loop() as loop:
        done: dict[str, Any] = loop.run(_on_the_store(locally, context))
        return done


async def _on_the_store(does: Does, context: CommandContext) -> dict[str, Any]:
    """Does it on the store itself. Raises HoshikageError, UsageError where a server has the store."""
    from hoshikage.dispatch import making
    from hoshikage.memory.service import Memory
    from hoshikage.registry import Registry

    settings = context.settings
    registry = Registry(settings.model_map_file, settings.model_dir, settings.registry_root)
    dispatcher = making.create(settings, context.environ)
    memory = Memory(settings, dispatcher, registry)
    memory.claim(whatever=True)
    try:
        return await does(memory.recollections)
    finally:
        await memory.stop()
        await dispatcher.stop()


def _table(rows: list[dict[str, Any]], context: CommandContext, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        console.print(context.text("remember.list_empty"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(context.text("remember.list_id"), no_wrap=True, min_width=len(rows[0]["id"]))  # it is typed again
    for name in ("scope", "conversation", "time", "role", "text"):
        table.add_column(context.text(f"remember.list_{name}"), overflow="fold" if name == "text" else "ellipsis")
    for row in rows:
        when = moment(row["time"])
        words = " ".join(row["text"].split())
        short = words if len(words) <= SHOWN else words[:SHOWN] + "…"
        cells = (row["id"], row["scope"], row["conversation"], when, row["role"], short)
        table.add_row(*(escape(cell) for cell in cells))
    console.print(table)
