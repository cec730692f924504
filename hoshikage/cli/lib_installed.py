"""`hoshikage lib list`, `use`, `rollback`, `rm`, `check`: the libraries of the config folder. Main thread."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hoshikage.cli import lib_view, result
from hoshikage.cli.checking import judge
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import size
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import HoshikageError, InstallFailed, LibraryUnavailable
from hoshikage.library import dependencies, fingerprint, library_state, locate, staging, store
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


@dataclass(frozen=True, slots=True)
class _Row:
    slot: store.InstalledLibrary
    verdict: CheckReport | LibraryUnavailable | None
    """None where the slot holds no libllama."""
    in_use: bool
    name: str


def _list(_args: argparse.Namespace, context: CommandContext) -> CommandResult:
    settings, lib_dir = context.settings, context.settings.lib_dir
    found = _in_use(context)
    names = library_state.names(lib_dir)
    listed = [_row(store.slot(lib_dir, name), found, context) for name in names]
    if found is not None and found.source != "config":
        listed.insert(0, _outsider(found, context))
    result.transient("")
    fallen = library_state.read(lib_dir).fallen if settings.lib_path is None else None
    notes = [lib_view.fallen(fallen, context)] if fallen is not None else []
    if settings.lib_path is not None:
        notes.append(context.text("library.overridden", variable=locate.VARIABLE, path=settings.lib_path))
    data = {
        "libraries": [_data(row, context) for row in listed],
        "in_use": next((row.name for row in listed if row.in_use), None),
        "notes": notes,
    }

    def view(console: Console) -> None:
        if listed:
            _draw(console, listed, context)
        else:
            console.print(context.text("installed.none_listed", command=locate.INSTALL_COMMAND, folder=lib_dir))
        for note in notes:
            console.print(note)

    return CommandResult(0, data, view)


def _in_use(context: CommandContext) -> locate.LocatedLibrary | None:
    settings = context.settings
    try:
        return locate.find(settings.lib_path, settings.lib_dir, context.environ)
    except LibraryUnavailable:
        return None


def _row(slot: store.InstalledLibrary, found: locate.LocatedLibrary | None, context: CommandContext) -> _Row:
    in_use = found is not None and found.source == "config" and found.slot == slot.name
    return _Row(slot, _verdict(slot.file, context) if slot.file else None, in_use, slot.name)


def _outsider(found: locate.LocatedLibrary, context: CommandContext) -> _Row:
    """The library in use, where it is none of the config folder's."""
    outside = store.described(found.file)
    return _Row(outside, _verdict(found.file, context), True, found.source)


def _verdict(file: Path, context: CommandContext) -> CheckReport | LibraryUnavailable:
    result.transient(context.text("library.step_trying", subject=str(file)))
    try:
        locate.checked(file)
        return judge(file, context)
    except LibraryUnavailable as refusal:
        return refusal


def _words(row: _Row, context: CommandContext) -> str:
    if row.verdict is None:
        return context.text("installed.slot_hollow")
    if isinstance(row.verdict, CheckReport):
        return lib_view.judged(row.verdict, context)
    return context.text("library.verdict_refused", reason=context.text(row.verdict.key, **row.verdict.details))


def _data(row: _Row, context: CommandContext) -> dict[str, Any]:
    judged = row.verdict if isinstance(row.verdict, CheckReport) else None
    return {
        "name": row.name,
        "in_use": row.in_use,
        "file": str(row.slot.file) if row.slot.file else None,
        "release": row.slot.release or (judged.version if judged else ""),
        "backends": row.slot.backends,
        "devices": [device.name for device in judged.devices] if judged else [],
        "size_bytes": row.slot.size_bytes,
        "origin": row.slot.record.origin if row.slot.record else None,
        "usable": judged.ok if judged else False,
        "status": "usable" if judged and judged.ok else "refused" if row.verdict is not None else "empty",
        "key": row.verdict.key if row.verdict is not None else "",
        "verdict": _words(row, context),
    }


def _draw(console: Console, listed: Sequence[_Row], context: CommandContext) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("name", "release", "backends", "devices", "size"):
        table.add_column(context.text(f"library.row_{column}"), no_wrap=column != "backends")
    table.add_column(context.text("library.row_verdict"), overflow="fold")
    for row in listed:
        shown = _data(row, context)
        table.add_row(
            "*" if row.in_use else "",
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
    return _switched(store.slot(context.settings.lib_dir, args.name), args.now, context)


def _rollback(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    """To what was in use before the last `lib use` or installation; else to the last other one that loaded a model."""
    found, lib_dir = _in_use(context), context.settings.lib_dir
    chosen = library_state.read(lib_dir).use
    if (
        chosen is not None
        and found is not None
        and found.slot == chosen.slot
        and chosen.before in library_state.names(lib_dir)
        and chosen.lib_seen == store.hand_look(lib_dir)  # else `lib` was changed by hand since
    ):
        return _switched(store.slot(lib_dir, chosen.before), args.now, context)
    current = fingerprint.of_set(found.file, cache_dir()) if found is not None else ""
    former = store.previous(lib_dir, cache_dir(), current)
    if former is None:
        raise InstallFailed("installed.no_former")
    return _switched(former[1], args.now, context)


def _switched(slot: store.InstalledLibrary, now: bool, context: CommandContext) -> CommandResult:
    """Only a library that can be used is chosen; HOSHIKAGE_LIB_PATH is there for whoever wants a broken one."""
    lib_dir = context.settings.lib_dir
    if slot.file is None:
        raise InstallFailed("library.nothing_inside", path=str(library_state.folder(lib_dir, slot.name)))
    verdict = _verdict(slot.file, context)
    result.transient("")
    if isinstance(verdict, LibraryUnavailable) or not verdict.ok:
        reason = context.text(verdict.key, **verdict.details)
        raise InstallFailed("installed.use_refused", name=slot.name, reason=reason)
    found = _in_use(context)
    store.use(lib_dir, slot.name, found.slot if found is not None else "")
    notes = []
    if context.settings.lib_path is not None:
        notes.append(context.text("library.overridden", variable=locate.VARIABLE, path=context.settings.lib_path))
    if now:
        notes.append(_unloaded(context))
    release = slot.release or verdict.version
    data = {"name": slot.name, "file": str(slot.file), "release": release, "notes": notes}
    line = context.text("installed.used", name=slot.name, release=release)
    return CommandResult(0, data, lines=(line, *notes))


def _unloaded(context: CommandContext) -> str:
    """What became of the wish that the running model makes way."""
    server = Server.of(context)
    if server.status() is None:
        return context.text("installed.now_no_server")
    try:
        server.require("POST", "unload")
    except HoshikageError as error:
        return context.text("installed.now_refused", reason=context.text(error.key, **error.details))
    return context.text("installed.now_done")


def _remove(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    found = _in_use(context)
    in_use = found.slot if found is not None else ""
    kept = store.remove(context.settings.lib_dir, args.name, in_use)
    lines = [context.text("installed.removed", name=args.name)]
    if kept is not None:
        lines.append(context.text("library.kept_by_hand", path=kept))
    return CommandResult(0, {"name": args.name, "kept_at": str(kept) if kept else None}, lines=tuple(lines))


# check


def _check(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    """Exit status 1 for a library that cannot be used. A name of a slot may stand in the path's place."""
    settings = context.settings
    path: Path | None = args.path
    if path is not None and not path.exists() and str(path) in library_state.names(settings.lib_dir):
        path = library_state.folder(settings.lib_dir, str(path))
    elif path is not None:
        path = path.expanduser().absolute()
    result.transient(context.text("library.step_trying", subject=str(path or settings.lib_dir)))
    try:
        found = locate.find(path or settings.lib_path, settings.lib_dir, context.environ)
        verdict = judge(found.file, context, fresh=True)
        lacking = lib_view.lacks(dependencies.survey(found.file, context.environ), context)
    except LibraryUnavailable as error:
        message = context.text(error.key, **error.details)
        data = {"usable": False, "error": {"key": error.key, "message": message}}
        return CommandResult(1, data, lines=(message,))
    finally:
        result.transient("")
    record = staging.read_record(found.file.parent)
    data = {**lib_view.data(found.file, record, verdict, context), "lacks": lacking}
    rows = lib_view.rows(found.file, record, verdict, context)
    said = "" if verdict.ok else context.text(verdict.key, **verdict.details)
    rows += [(context.text("library.row_lacks"), lack["message"]) for lack in lacking if lack["message"] != said]
    return CommandResult(0 if verdict.ok else 1, data, lambda console: lib_view.draw(console, rows))
