"""Runs the server as a service of the person's session: `hoshikage service install|uninstall|status`. Main thread."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from hoshikage import settings
from hoshikage.cli.client import Server
from hoshikage.cli.connection import WAKING_S
from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import UsageError
from hoshikage.service import units
from hoshikage.service.launchd import Agent
from hoshikage.service.manager import Manager, Report, Status, require_start
from hoshikage.service.schtasks import Task
from hoshikage.service.systemd import UserUnits, lingers, makes_gpu_files

if TYPE_CHECKING:
    from rich.console import Console

JOURNAL: Final = "journalctl --user -u hoshikage -e"
FOLDERS: Final = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
"""These variables move the folders of settings and library; a session may set them, the manager need not know them."""
STYLES: Final = {"running": "green", "waiting": "green", "failed": "bold red"}


def register(commands: Commands) -> None:
    parser = commands.add("service", commands.text("service.summary"))
    parser.add_json()
    verbs = parser.commands(dest="action")
    installing = verbs.add("install", commands.text("service.help_install"))
    installing.add_argument("--socket", action="store_true", help=commands.text("service.help_socket"))
    removing = verbs.add("uninstall", commands.text("service.help_uninstall"))
    for changing in (installing, removing):
        changing.add_argument("--force", action="store_true", help=commands.text("service.help_force"))
        changing.add_json()
    verbs.add("status", commands.text("service.help_status")).add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    manager = _manager(sys.platform, context)
    if args.action == "install":
        return _install(manager, context, socket=args.socket, force=args.force)
    if args.action == "uninstall":
        return _uninstall(manager, context, force=args.force)
    return _status(manager, context)


def _manager(platform: str, context: CommandContext) -> Manager:
    if platform == "linux":
        return UserUnits(context.environ)
    if platform == "darwin":
        return Agent(context.environ)
    if platform == "win32":
        return Task(context.environ, settings.config_dir())
    raise UsageError("service.unsupported", platform=platform)


def _install(manager: Manager, context: CommandContext, *, socket: bool, force: bool) -> CommandResult:
    address = units.listen_address(context.settings.host, context.settings.port) if socket else ""
    program = units.ServiceProgram(Path(sys.executable), settings.config_dir(), _environment(context))
    require_start(program, context.environ)
    report = manager.install(program, listen=address, force=force)
    notes = [*_notes(program, report, context)]
    if report.ran:
        key = "service.installed_on_demand" if socket else "service.installed"
        notes.append(context.text(key, address=address))
    if manager.name == "systemd":
        notes.append(context.text("service.logs", command=JOURNAL))
        if makes_gpu_files(context.environ):
            notes.append(context.text("service.gpu_files"))
        if not lingers(context.environ.get("USER", "")):
            notes.append(context.text("service.linger"))
    if manager.name == "schtasks":
        notes.append(context.text("service.console"))
    wrote = [context.text("service.wrote", file=file) for file in report.files]
    return _told(manager, report, [*wrote, *_commands(manager, report, context)], notes)


def _uninstall(manager: Manager, context: CommandContext, *, force: bool) -> CommandResult:
    report = manager.uninstall(force=force)
    if not report.files:
        return _told(manager, report, [context.text("service.nothing", file=manager.status().file)], [])
    removed = [context.text("service.removed", file=file) for file in report.files]
    lines = [*removed, *_commands(manager, report, context)]
    return _told(manager, report, lines, [context.text("service.uninstalled")])


def _environment(context: CommandContext) -> tuple[tuple[str, str], ...]:
    """Returns the settings of flags and environment, and the folders; the rest the service reads for itself."""
    kept = {name: context.environ[name] for name in FOLDERS if context.environ.get(name)}
    for name, value in context.settings.by_variable().items():
        if context.sources[name] == "flag" or isinstance(value, Path):
            text = str(value)  # a path is absolute here, while the variable's may not be
        else:
            text = context.environ.get(name, "")
        if context.sources[name] in ("flag", "environment"):
            kept[name] = text
    kept[settings.LANGUAGE_VARIABLE] = context.language  # the manager may have another locale
    return tuple(kept.items())


def _notes(program: units.ServiceProgram, report: Report, context: CommandContext) -> list[str]:
    """Lists what the person should know about the settings that the service will have."""
    config = settings.config_dir() / ".env"
    carried = [f"{name}={value}" for name, value in program.environment if name not in report.lost]
    notes = [context.text("service.carried", names=", ".join(carried))]
    if report.lost:
        notes.append(context.text("service.lost", names=", ".join(report.lost), file=config))
    here = Path.cwd() / ".env"
    missed = [name for name, source in context.sources.items() if source == str(here) != str(config)]
    if missed:
        notes.append(context.text("service.working_env", names=", ".join(missed), file=here, config=config))
    return notes


def _commands(manager: Manager, report: Report, context: CommandContext) -> list[str]:
    lines = [context.text("service.ran", command=command) for command in report.ran]
    if report.left:
        lines.append(context.text("service.left", manager=manager.name, reason=report.reason))
        lines.extend(f"  {command}" for command in report.left)
    return lines


def _told(manager: Manager, report: Report, lines: list[str], notes: list[str]) -> CommandResult:
    data = {
        "manager": manager.name,
        "files": [str(file) for file in report.files],
        "ran": list(report.ran),
        "left_to_run": list(report.left),
        "reason": report.reason,
        "notes": notes,
    }
    return CommandResult(data=data, lines=(*lines, *notes))


def _status(manager: Manager, context: CommandContext) -> CommandResult:
    """Shows how the service does; the exit status is 1 where it does not run."""
    status = manager.status()
    server = _server(status, context)
    answer = server.status(WAKING_S) if status.state != "waiting" else None  # asking would start it
    stays = lingers(context.environ.get("USER", "")) if manager.name == "systemd" else None
    data: dict[str, Any] = {
        "manager": manager.name,
        "file": str(status.file),
        "installed": status.installed,
        "ours": status.ours,
        "state": status.state,
        "starts_by_itself": status.at_login,
        "lingers": stays,
        "reason": status.reason,
        "server": {"url": server.url, "version": answer["version"] if answer else None},
    }
    rows = [("file", _file(status, context), ""), *_rows(manager, status, stays, context)]
    if answer is not None:
        rows.append(("server", context.text("service.answers", url=server.url, version=answer["version"]), "green"))
    elif status.state != "waiting":
        rows.append(("server", context.text("service.answers_not", url=server.url), ""))

    def view(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for name, value, style in rows:
            table.add_row(context.text(f"service.row_{name}"), value, style=style)
        console.print(table)

    return CommandResult(0 if status.state in ("running", "waiting") else 1, data, view)


def _server(status: Status, context: CommandContext) -> Server:
    """Returns the service's server, which may have been installed with another address than this command's settings."""
    address = urlsplit(status.url)
    if address.hostname and address.port:
        return Server.at(address.hostname, address.port, context)
    return Server.of(context)


def _file(status: Status, context: CommandContext) -> str:
    if not status.installed:
        return context.text("service.absent")
    return str(status.file) if status.ours else context.text("service.foreign", file=status.file)


def _rows(manager: Manager, status: Status, stays: bool | None, context: CommandContext) -> list[tuple[str, str, str]]:
    """Returns name, value and style of each line about a service that is installed."""
    if not status.installed:
        return []
    details = {"command": JOURNAL, "manager": manager.name, "reason": status.reason}
    state = context.text(f"service.state_{status.state}", **details)
    rows = [("state", state, STYLES.get(status.state, ""))]
    if status.at_login is not None:
        rows.append(("at_login", context.text("service.yes" if status.at_login else "service.no"), ""))
    if stays is not None:
        rows.append(("linger", context.text("service.lingers" if stays else "service.lingers_not"), ""))
    return rows
