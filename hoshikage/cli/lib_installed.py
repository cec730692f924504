"""Lists, chooses and removes the libraries of the config folder: `hoshikage lib list`, `use`, `rollback`, `rm`,
`check`. Main thread."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hoshikage.cli import lib_view, result
from hoshikage.cli.checking import judge
from hoshikage.cli.client import Server
from hoshikage.cli.connection import WAKING_S
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import size
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import HoshikageError, LibraryUnavailable
from hoshikage.library import dependencies, gpu, library_state, locate, staging, store
from hoshikage.library.case import Case, Switched
from hoshikage.library.check_report import CheckReport
from hoshikage.settings import cache_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console


def register(verbs: Commands) -> None:
    verbs.add("list", verbs.text("installed.help_list")).add_json()
    using = verbs.add("use", verbs.text("installed.help_use"))
    using.add_argument("name", metavar="NAME")
    back = verbs.add("rollback", verbs.text("installed.help_rollback"))
    for parser in (using, back):
        parser.add_argument("--now", action="store_true", help=verbs.text("installed.help_now"))
        parser.add_json()
    removing = verbs.add("rm", verbs.text("installed.help_rm"))
    removing.add_argument("name", metavar="NAME")
    removing.add_json()
    checking = verbs.add("check", verbs.text("installed.help_check"))
    checking.add_argument("path", nargs="?", type=Path, metavar="PATH")
    checking.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    verbs = {"list": _list, "use": _use, "rollback": _rollback, "rm": _remove, "check": _check}
    return verbs[args.action](args, context)


# list


def _list(_args: argparse.Namespace, context: CommandContext) -> CommandResult:
    case = _case(context)
    listed = case.rows()
    result.transient("")
    notes = case.notes(context.language)
    shown = [row.data(context.language) for row in listed]
    data = {
        "libraries": shown,
        "in_use": next((row.name for row in listed if row.in_use), None),
        "notes": notes,
    }

    def view(console: Console) -> None:
        if shown:
            _draw(console, shown, context)
        else:
            folder = context.settings.lib_dir
            console.print(context.text("installed.none_listed", command=locate.INSTALL_COMMAND, folder=folder))
        for note in notes:
            console.print(note)
        if any(row["name"].startswith(library_state.KEPT) for row in shown):
            console.print(context.text("installed.copies_note", count=store.COPIES))

    return CommandResult(0, data, view)


def _case(context: CommandContext) -> Case:
    def told(file: Path) -> CheckReport:
        result.transient(context.text("library.step_trying", subject=str(file)))
        return judge(file, context)

    settings = context.settings
    return Case(settings.lib_path, settings.lib_dir, cache_dir(), context.environ, told)


def _draw(console: Console, listed: Sequence[dict[str, Any]], context: CommandContext) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("name", "release", "backends", "devices", "size"):
        table.add_column(context.text(f"library.row_{column}"), no_wrap=column != "backends")
    table.add_column(context.text("library.row_verdict"), overflow="fold")
    for shown in listed:
        table.add_row(
            "*" if shown["in_use"] else "",
            shown["name"],
            shown["release"],
            ", ".join(shown["backends"]),
            ", ".join(shown["devices"]),
            size(shown["size_bytes"]),
            shown["verdict"],
        )
    console.print(table)


# use, rollback, rm


def _use(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    return _told(_case(context).use(args.name, context.language), args.now, context)


def _rollback(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    return _told(_case(context).rollback(context.language), args.now, context)


def _told(switched: Switched, now: bool, context: CommandContext) -> CommandResult:
    result.transient("")
    notes = []
    if context.settings.lib_path is not None:
        notes.append(context.text("library.overridden", variable=locate.VARIABLE, path=context.settings.lib_path))
    if now:
        notes.append(_unloaded(context))
    name, release = switched.name, switched.release
    data = {"name": name, "file": str(switched.file), "release": release, "notes": notes}
    line = context.text("installed.used", name=name, release=release)
    return CommandResult(0, data, lines=(line, *notes))


def _unloaded(context: CommandContext) -> str:
    """Says what became of the wish that the running model makes way."""
    server = Server.of(context)
    if server.status(WAKING_S) is None:
        return context.text("installed.now_no_server")
    try:
        server.require("POST", "unload")
    except HoshikageError as error:
        return context.text("installed.now_refused", reason=context.text(error.key, **error.details))
    return context.text("installed.now_done")


def _remove(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    outcome = _case(context).in_use()
    in_use = outcome.installed if outcome is not None else ""
    kept = store.remove(context.settings.lib_dir, args.name, in_use)
    lines = [context.text("installed.removed", name=args.name)]
    if kept is not None:
        lines.append(context.text("library.kept_by_hand", path=kept))
    return CommandResult(0, {"name": args.name, "kept_at": str(kept) if kept else None}, lines=tuple(lines))


# check


def _check(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    """Checks a library, by its path or its name; the exit status is 1 for one that cannot be used."""
    settings = context.settings
    path: Path | None = args.path
    if path is not None and not path.exists() and str(path) in library_state.names(settings.lib_dir):
        folder = library_state.folder(settings.lib_dir, str(path))
        path = locate.in_named(folder, str(path)) or folder
    elif path is not None:
        path = path.expanduser().absolute()
    result.transient(context.text("library.step_trying", subject=str(path or settings.lib_dir)))
    try:
        outcome = locate.find(path or settings.lib_path, settings.lib_dir, context.environ)
        verdict = judge(outcome.file, context, fresh=True)
        idle = gpu.idle(outcome.file, verdict.devices) if verdict.ok else ()
        lacking = lib_view.lacks((*dependencies.survey(outcome.file, context.environ), *idle), context)
    except LibraryUnavailable as error:
        message = context.text(error.key, **error.details)
        data = {"usable": False, "error": {"key": error.key, "message": message}}
        return CommandResult(1, data, lines=(message,))
    finally:
        result.transient("")
    record = staging.read_record(outcome.file.parent)
    data = {**lib_view.data(outcome.file, record, verdict, context), "lacks": lacking}
    rows = lib_view.rows(outcome.file, record, verdict, context)
    said = "" if verdict.ok else context.text(verdict.key, **verdict.details)
    rows += [(context.text("library.row_lacks"), lack["message"]) for lack in lacking if lack["message"] != said]
    return CommandResult(0 if verdict.ok else 1, data, lambda console: lib_view.draw(console, rows))
