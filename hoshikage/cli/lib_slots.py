"""`hoshikage lib list`, `use`, `rollback`, `rm`, `check`: the libraries of the config folder. Main thread."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hoshikage.cli import lib_view, result
from hoshikage.cli.context import Context
from hoshikage.cli.format import size
from hoshikage.cli.judging import judge
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.cli.server import Server
from hoshikage.errors import HoshikageError, InstallFailed, LibraryUnavailable
from hoshikage.library import dependencies, fingerprint, locate, place, shelf, slots
from hoshikage.library.verdict import Verdict
from hoshikage.settings import cache_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console


def register(verbs: Commands) -> None:
    verbs.add("list", verbs.text("slots.help_list")).add_json()
    using = verbs.add("use", verbs.text("slots.help_use"))
    using.add_argument("name", metavar="NAME")
    back = verbs.add("rollback", verbs.text("slots.help_rollback"))
    for parser in (using, back):
        parser.add_argument("--now", action="store_true", help=verbs.text("slots.help_now"))
        parser.add_json()
    removing = verbs.add("rm", verbs.text("slots.help_rm"))
    removing.add_argument("name", metavar="NAME")
    removing.add_json()
    checking = verbs.add("check", verbs.text("slots.help_check"))
    checking.add_argument("path", nargs="?", type=Path, metavar="PATH")
    checking.add_json()


def run(args: argparse.Namespace, context: Context) -> CommandResult:
    verbs = {"list": _list, "use": _use, "rollback": _rollback, "rm": _remove, "check": _check}
    return verbs[args.action](args, context)


# list


@dataclass(frozen=True, slots=True)
class _Row:
    slot: shelf.Slot
    verdict: Verdict | LibraryUnavailable | None
    """None where the slot holds no libllama."""
    in_use: bool
    name: str


def _list(_args: argparse.Namespace, context: Context) -> CommandResult:
    settings, lib_dir = context.settings, context.settings.lib_dir
    found = _in_use(context)
    names = slots.names(lib_dir)
    listed = [_row(shelf.slot(lib_dir, name), found, context) for name in names]
    if found is not None and found.source != "config":
        listed.insert(0, _outsider(found, context))
    result.transient("")
    fallen = slots.read(lib_dir).fallen if settings.lib_path is None else None
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
            console.print(context.text("slots.none_listed", command=locate.INSTALL_COMMAND, folder=lib_dir))
        for note in notes:
            console.print(note)

    return CommandResult(0, data, view)


def _in_use(context: Context) -> locate.Found | None:
    settings = context.settings
    try:
        return locate.find(settings.lib_path, settings.lib_dir, context.environ)
    except LibraryUnavailable:
        return None


def _row(slot: shelf.Slot, found: locate.Found | None, context: Context) -> _Row:
    in_use = found is not None and found.source == "config" and found.slot == slot.name
    return _Row(slot, _verdict(slot.file, context) if slot.file else None, in_use, slot.name)


def _outsider(found: locate.Found, context: Context) -> _Row:
    """The library in use, where it is none of the config folder's."""
    outside = shelf.described(found.file)
    return _Row(outside, _verdict(found.file, context), True, found.source)


def _verdict(file: Path, context: Context) -> Verdict | LibraryUnavailable:
    result.transient(context.text("library.step_trying", subject=str(file)))
    try:
        locate.checked(file)
        return judge(file, context)
    except LibraryUnavailable as refusal:
        return refusal


def _words(row: _Row, context: Context) -> str:
    if row.verdict is None:
        return context.text("slots.slot_hollow")
    if isinstance(row.verdict, Verdict):
        return lib_view.judged(row.verdict, context)
    return context.text("library.verdict_refused", reason=context.text(row.verdict.key, **row.verdict.details))


def _data(row: _Row, context: Context) -> dict[str, Any]:
    judged = row.verdict if isinstance(row.verdict, Verdict) else None
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


def _draw(console: Console, listed: Sequence[_Row], context: Context) -> None:
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


def _use(args: argparse.Namespace, context: Context) -> CommandResult:
    return _switched(shelf.slot(context.settings.lib_dir, args.name), args.now, context)


def _rollback(args: argparse.Namespace, context: Context) -> CommandResult:
    """To what was in use before the last `lib use` or installation; else to the last other one that loaded a model."""
    found, lib_dir = _in_use(context), context.settings.lib_dir
    chosen = slots.read(lib_dir).use
    if (
        chosen is not None
        and found is not None
        and found.slot == chosen.slot
        and chosen.before in slots.names(lib_dir)
        and chosen.lib_seen == shelf.hand_look(lib_dir)  # else `lib` was changed by hand since
    ):
        return _switched(shelf.slot(lib_dir, chosen.before), args.now, context)
    current = fingerprint.of_set(found.file, cache_dir()) if found is not None else ""
    former = shelf.previous(lib_dir, cache_dir(), current)
    if former is None:
        raise InstallFailed("slots.no_former")
    return _switched(former[1], args.now, context)


def _switched(slot: shelf.Slot, now: bool, context: Context) -> CommandResult:
    """Only a library that can be used is chosen; HOSHIKAGE_LIB_PATH is there for whoever wants a broken one."""
    lib_dir = context.settings.lib_dir
    if slot.file is None:
        raise InstallFailed("library.nothing_inside", path=str(slots.folder(lib_dir, slot.name)))
    verdict = _verdict(slot.file, context)
    result.transient("")
    if isinstance(verdict, LibraryUnavailable) or not verdict.ok:
        reason = context.text(verdict.key, **verdict.details)
        raise InstallFailed("slots.use_refused", name=slot.name, reason=reason)
    found = _in_use(context)
    shelf.use(lib_dir, slot.name, found.slot if found is not None else "")
    notes = []
    if context.settings.lib_path is not None:
        notes.append(context.text("library.overridden", variable=locate.VARIABLE, path=context.settings.lib_path))
    if now:
        notes.append(_unloaded(context))
    release = slot.release or verdict.version
    data = {"name": slot.name, "file": str(slot.file), "release": release, "notes": notes}
    line = context.text("slots.used", name=slot.name, release=release)
    return CommandResult(0, data, lines=(line, *notes))


def _unloaded(context: Context) -> str:
    """What became of the wish that the running model makes way."""
    server = Server.of(context)
    if server.status() is None:
        return context.text("slots.now_no_server")
    try:
        server.require("POST", "unload")
    except HoshikageError as error:
        return context.text("slots.now_refused", reason=context.text(error.key, **error.details))
    return context.text("slots.now_done")


def _remove(args: argparse.Namespace, context: Context) -> CommandResult:
    found = _in_use(context)
    in_use = found.slot if found is not None else ""
    kept = shelf.remove(context.settings.lib_dir, args.name, in_use)
    lines = [context.text("slots.removed", name=args.name)]
    if kept is not None:
        lines.append(context.text("library.kept_by_hand", path=kept))
    return CommandResult(0, {"name": args.name, "kept_at": str(kept) if kept else None}, lines=tuple(lines))


# check


def _check(args: argparse.Namespace, context: Context) -> CommandResult:
    """Exit status 1 for a library that cannot be used. A name of a slot may stand in the path's place."""
    settings = context.settings
    path: Path | None = args.path
    if path is not None and not path.exists() and str(path) in slots.names(settings.lib_dir):
        path = slots.folder(settings.lib_dir, str(path))
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
    record = place.read_record(found.file.parent)
    data = {**lib_view.data(found.file, record, verdict, context), "lacks": lacking}
    rows = lib_view.rows(found.file, record, verdict, context)
    said = "" if verdict.ok else context.text(verdict.key, **verdict.details)
    rows += [(context.text("library.row_lacks"), lack["message"]) for lack in lacking if lack["message"] != said]
    return CommandResult(0 if verdict.ok else 1, data, lambda console: lib_view.draw(console, rows))
