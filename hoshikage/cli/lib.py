"""Shows the library in use with `hoshikage lib`; `hoshikage lib install` brings one in. Main thread.

`lib_installed` has the other verbs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli import lib_installed, lib_view, result
from hoshikage.cli.checking import judge
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import size
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import InstallFailed, LibraryUnavailable, UsageError
from hoshikage.library import dependencies, gpu, install, library_state, locate, releases, sources, staging, store
from hoshikage.library.case import fallen_words
from hoshikage.settings import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

_PLACES: Final = {"config": "library.place_config", "system": "library.place_system"}


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
    adding.add_argument("--name", metavar="NAME", help=commands.text("installed.help_name"))
    adding.add_argument("--release", metavar="R", help=commands.text("library.help_release"))
    adding.add_argument("--from", dest="origin", metavar="PATH|URL", help=commands.text("library.help_from"))
    lib_installed.register(verbs)


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    try:
        if args.action == "install":
            return _install(args, context)
        return _show(context) if args.action is None else lib_installed.run(args, context)
    except OSError as error:
        where = str(error.filename or context.settings.lib_dir)
        raise InstallFailed("library.io_failed", path=where, reason=error.strerror or str(error)) from None


def _show(context: CommandContext) -> CommandResult:
    """Shows the library in use. The exit status is 1 where no usable library is there; the refusal is data and view
    like the rest."""
    settings = context.settings
    try:
        located = locate.find(settings.lib_path, settings.lib_dir, context.environ)
        verdict = judge(located.file, context, fresh=True)
        lacks = (*dependencies.survey(located.file, context.environ), *gpu.idle(located.file, verdict.devices))
        lacking = lib_view.lacks(lacks, context) if verdict.ok else []
    except LibraryUnavailable as error:
        message = context.text(error.key, **error.details)
        data = {"installed": False, "usable": False, "error": {"key": error.key, "message": message}}
        return CommandResult(1, data, lambda console: console.print(message))
    record = staging.read_record(located.file.parent)
    fallen = library_state.read(settings.lib_dir).fallen if located.source == "config" else None
    notes = [fallen_words(fallen, context.language)] if fallen is not None else []
    data = {
        "installed": True,
        "source": located.source,
        "name": located.installed or None,
        **lib_view.data(located.file, record, verdict, context),
        "lacks": lacking,
        "notes": notes,
    }
    where = context.text(_PLACES[located.source]) if located.source in _PLACES else located.source
    if located.installed not in ("", library_state.MANUAL):
        where = located.installed
    rows = [(context.text("library.row_place"), where), *lib_view.rows(located.file, record, verdict, context)]
    rows += [(context.text("library.row_lacks"), lack["message"]) for lack in lacking]

    def view(console: Console) -> None:
        lib_view.draw(console, rows)
        for note in notes:
            console.print(note)

    return CommandResult(0 if verdict.ok else 1, data, view)


def _install(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    if args.origin is not None and (args.backend or args.release):
        raise UsageError("library.from_alone")
    order = sources.InstallRequest(args.backend, args.release, args.origin)
    lib_dir = context.settings.lib_dir
    name = library_state.checked_name(args.name) if args.name is not None else library_state.MANUAL
    before = _name_in_use(context)
    bench = install.InstallContext(lib_dir, cache_dir(), context.environ, name, context.settings.library_timeout)
    try:
        with _progress(context) as progress:
            done = install.install(order, sources.market(context.environ, progress), bench)
    except LibraryUnavailable as error:
        raise InstallFailed("library.refused", reason=context.text(error.key, **error.details)) from None
    notes = []
    if name == library_state.MANUAL:
        store.use(lib_dir, name, done.former if before in ("", None, library_state.MANUAL) else before)
        store.prune(lib_dir, done.verdict.fingerprint)
    elif before is None and _name_in_use(context) is None:
        store.use(lib_dir, name)
        notes.append(context.text("installed.used_first", name=name))
    else:
        notes.append(context.text("installed.use_hint", name=name))
    if done.kept is not None:
        notes.append(context.text("library.kept_by_hand", path=done.kept))
    if context.settings.lib_path is not None:
        notes.append(context.text("library.overridden", variable=locate.VARIABLE, path=context.settings.lib_path))
    if done.lacks_gpu:
        notes.append(context.text("library.no_gpu"))
    elif done.record.backends == ("cpu",) and shutil.which("nvidia-smi", path=context.environ.get("PATH")):
        notes.append(context.text("library.nvidia_hint"))
    rows = lib_view.rows(done.file, done.record, done.verdict, context)
    data = {
        "name": name,
        **lib_view.data(done.file, done.record, done.verdict, context),
        "former_kept_at": str(done.kept) if done.kept else None,
        "notes": notes,
    }

    def view(console: Console) -> None:
        console.print(context.text("library.installed", file=done.file))
        lib_view.draw(console, rows[1:])
        for note in notes:
            console.print(note)

    return CommandResult(0, data, view)


def _name_in_use(context: CommandContext) -> str | None:
    """Returns the library's name, which is empty for one outside the config folder; None where there is no library."""
    try:
        return locate.find(context.settings.lib_path, context.settings.lib_dir, context.environ).installed
    except LibraryUnavailable:
        return None


@contextmanager
def _progress(context: CommandContext) -> Iterator[sources.Progress]:
    """Draws a bar on stderr where that is a terminal, else a line for each step."""
    if not sys.stderr.isatty():
        yield _Lines(context).told
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    words = (TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[amount]"))
    columns = (SpinnerColumn(), next(words), BarColumn(), next(words))
    with Progress(*columns, console=result.console(progress=True), transient=True) as bars:
        yield _Bars(context, bars).told


class _Lines:
    """Each step is one line on stderr."""

    def __init__(self, context: CommandContext) -> None:
        self._context = context
        self._step: sources.Step | None = None

    def told(self, done: int, total: int, step: sources.Step) -> None:
        if step != self._step:
            self._step = step
            result.note(self._context.text(step.key, subject=step.subject))


class _Bars:
    """Each step is one bar; a step of unknown length pulses and tells what has come."""

    def __init__(self, context: CommandContext, bars: Any) -> None:
        self._context = context
        self._bars = bars
        self._tasks: dict[sources.Step, Any] = {}

    def told(self, done: int, total: int, step: sources.Step) -> None:
        if step not in self._tasks:
            for task in self._tasks.values():
                self._bars.update(task, visible=False)
            words = self._context.text(step.key, subject=step.subject)
            self._tasks[step] = self._bars.add_task(words, total=None, amount="")
        amount = f"{size(done)} / {size(total)}" if total else size(done) if done else ""
        self._bars.update(self._tasks[step], completed=done, total=total or None, amount=amount)
