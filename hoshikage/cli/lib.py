"""`hoshikage lib`: shows the library in use; `hoshikage lib install` brings one in. Main thread."""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli import result
from hoshikage.cli.context import Context
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import InstallFailed, LibraryUnavailable, UsageError
from hoshikage.library import contents, demo, install, locate, place, releases, sources
from hoshikage.library.verdict import Verdict, judge
from hoshikage.settings import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

_PLACES: Final = {"config": "library.place_config", "system": "library.place_system"}
Rows = list[tuple[str, str]]


def register(commands: Commands) -> None:
    parser = commands.add("lib", commands.text("cli.lib_summary"))
    parser.add_json()
    verbs = parser.commands(dest="action")
    adding = verbs.add("install", commands.text("library.help_install"))
    adding.add_json()
    machine = sources.this_machine()
    default = releases.default_backend(machine)
    adding.add_argument(
        "--backend", choices=releases.BACKENDS, help=commands.text("library.help_backend", default=default)
    )
    adding.add_argument("--release", metavar="R", help=commands.text("library.help_release"))
    adding.add_argument("--from", dest="origin", metavar="PATH|URL", help=commands.text("library.help_from"))


def run(args: argparse.Namespace, context: Context) -> CommandResult:
    return _install(args, context) if args.action == "install" else _show(context)


def _show(context: Context) -> CommandResult:
    """Exit status 1 where no usable library is there; the refusal is data and view like the rest."""
    settings = context.settings
    try:
        found = locate.find(settings.lib_path, settings.lib_dir, context.environ)
        verdict = judge(found.file, cache_dir=cache_dir(), demo=demo.find(), fresh=True)
    except LibraryUnavailable as error:
        message = context.text(error.key, **error.details)
        data = {"installed": False, "usable": False, "error": {"key": error.key, "message": message}}
        return CommandResult(1, data, lambda console: console.print(message))
    record = place.read_record(found.file.parent)
    data = {"installed": True, "source": found.source, **_data(found.file, record, verdict, context)}
    where = context.text(_PLACES[found.source]) if found.source in _PLACES else found.source
    rows = [(context.text("library.row_place"), where), *_rows(found.file, record, verdict, context)]
    return CommandResult(0 if verdict.ok else 1, data, lambda console: _draw(console, rows))


def _install(args: argparse.Namespace, context: Context) -> CommandResult:
    if args.origin is not None and (args.backend or args.release):
        raise UsageError("library.from_alone")
    order = sources.Order(args.backend, args.release, args.origin)
    bench = install.Bench(context.settings.lib_dir, cache_dir())
    try:
        with _progress(context) as progress:
            done = install.install(order, sources.market(context.environ, progress), bench)
    except LibraryUnavailable as error:
        raise InstallFailed("library.refused", reason=context.text(error.key, **error.details)) from None
    notes = []
    if done.kept is not None:
        notes.append(context.text("library.kept_by_hand", path=done.kept))
    if context.settings.lib_path is not None:
        notes.append(context.text("library.overridden", variable=locate.VARIABLE, path=context.settings.lib_path))
    if done.lacks_gpu:
        notes.append(context.text("library.no_gpu"))
    elif done.record.backends == ("cpu",) and shutil.which("nvidia-smi", path=context.environ.get("PATH")):
        notes.append(context.text("library.nvidia_hint"))
    rows = _rows(done.file, done.record, done.verdict, context)
    data = {
        **_data(done.file, done.record, done.verdict, context),
        "former_kept_at": str(done.kept) if done.kept else None,
        "notes": notes,
    }

    def view(console: Console) -> None:
        console.print(context.text("library.installed", file=done.file))
        _draw(console, rows[1:])
        for note in notes:
            console.print(note)

    return CommandResult(0, data, view)


def _data(file: Path, record: place.Record | None, verdict: Verdict, context: Context) -> dict[str, Any]:
    return {
        "file": str(file),
        "release": record.release if record else contents.release(file.parent, file) or verdict.version,
        "origin": record.origin if record else None,
        "installed_at": record.installed_at if record else None,
        "size_bytes": record.size_bytes if record else None,
        "backends": contents.backends(file.parent),
        "devices": [asdict(device) for device in verdict.devices],
        "usable": verdict.ok,
        "verdict": {
            "key": verdict.key,
            "message": "" if verdict.ok else context.text(verdict.key, **verdict.details),
            "golden": verdict.golden,
            "handshake": verdict.handshake,
            "model_layout": verdict.model_layout,
            "context_layout": verdict.context_layout,
            "fingerprint": verdict.fingerprint,
        },
    }


def _rows(file: Path, record: place.Record | None, verdict: Verdict, context: Context) -> Rows:
    data = _data(file, record, verdict, context)
    if not verdict.ok:
        judged = context.text("library.verdict_refused", reason=data["verdict"]["message"])
    else:
        judged = context.text(f"library.verdict_{'golden' if verdict.golden == 'passed' else 'good'}")
    rows = [
        ("file", str(file)),
        ("release", data["release"]),
        ("origin", record.origin if record else context.text("library.by_hand")),
        ("backends", ", ".join(data["backends"])),
        *(("devices", _device(device)) for device in data["devices"]),
    ]
    if record:
        rows.append(("size", f"{record.size_bytes / 1e6:.1f} MB"))
    if verdict.model_layout:
        rows.append(("layouts", f"{verdict.model_layout}, {verdict.context_layout}"))
    rows.append(("verdict", judged))
    return [(context.text(f"library.row_{name}"), value) for name, value in rows]


def _device(device: dict[str, Any]) -> str:
    memory = f", {device['memory_total'] / 2**30:.1f} GiB" if device["memory_total"] else ""
    return f"{device['name']} ({device['kind']}): {device['description']}{memory}"


def _draw(console: Console, rows: Rows) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    former = ""
    for name, value in rows:
        table.add_row("" if name == former else name, value)
        former = name
    console.print(table)


@contextmanager
def _progress(context: Context) -> Iterator[sources.Progress]:
    """A bar on stderr where that is a terminal, else a line for each step."""
    if not sys.stderr.isatty():
        yield _Lines(context).told
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    words = (TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[amount]"))
    columns = (SpinnerColumn(), next(words), BarColumn(), next(words))
    with Progress(*columns, console=result.console(progress=True), transient=True) as bars:
        yield _Bars(context, bars).told


class _Lines:
    """One line on stderr for each step."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._step: sources.Step | None = None

    def told(self, done: int, total: int, step: sources.Step) -> None:
        if step != self._step:
            self._step = step
            result.note(self._context.text(step.key, subject=step.subject))


class _Bars:
    """One bar for each step; a step of unknown length pulses and tells what has come."""

    def __init__(self, context: Context, bars: Any) -> None:
        self._context = context
        self._bars = bars
        self._tasks: dict[sources.Step, Any] = {}

    def told(self, done: int, total: int, step: sources.Step) -> None:
        if step not in self._tasks:
            for task in self._tasks.values():
                self._bars.update(task, visible=False)
            words = self._context.text(step.key, subject=step.subject)
            self._tasks[step] = self._bars.add_task(words, total=None, amount="")
        amount = f"{done / 1e6:.1f} / {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB" if done else ""
        self._bars.update(self._tasks[step], completed=done, total=total or None, amount=amount)
