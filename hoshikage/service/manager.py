"""Defines what every service manager offers, the service's files, and how its commands are run. Main thread;
blocking."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from hoshikage import durable
from hoshikage.errors import InstallFailed, UsageError
from hoshikage.service.units import MARKER, ServiceProgram

COMMAND_S: Final = 120
"""Longer than a unit's start and stop may take together."""
IMPORT_S: Final = 60
CODES: Final = ("utf-8", "utf-16-le")
"""Service files are written in these; the second one is the task scheduler's."""


@dataclass(frozen=True, slots=True)
class Report:
    """An installation or a removal did this."""

    files: tuple[Path, ...] = ()
    """`files` were written, or removed."""
    ran: tuple[str, ...] = ()
    """`ran` are the commands that were run."""
    left: tuple[str, ...] = ()
    """`left` are the commands that are left to the person, because the manager could not be reached."""
    reason: str = ""
    """`reason` says why they are left: the manager's words."""
    lost: tuple[str, ...] = ()
    """`lost` are settings of this terminal's environment that the service will not see."""


@dataclass(frozen=True, slots=True)
class Status:
    """A status says whether the service is there, and whether it runs."""

    file: Path
    installed: bool
    ours: bool
    """`ours` is false for a file that somebody else wrote."""
    state: str = "unknown"
    """`state` is `running`, `starting`, `waiting` (for a first connection), `stopped`, `failed` or `unknown`."""
    at_login: bool | None = None
    """`at_login` tells whether it starts by itself; None where that is not known."""
    reason: str = ""
    """`reason` says why `state` is `unknown`: the manager's words."""
    url: str = ""
    """The server says that it listens here; empty where it has not told."""


class Manager(Protocol):
    """This is one of systemd, launchd and the task scheduler."""

    name: str

    def install(self, program: ServiceProgram, *, listen: str, force: bool) -> Report:
        """Writes the service's files and starts it. `listen`: an address to be started by, or empty.

        Raises UsageError for files of somebody else and for what this manager cannot do, InstallFailed.
        """
        ...

    def uninstall(self, *, force: bool) -> Report:
        """Stops the service and removes its files; an empty report where there are none. Raises as `install`."""
        ...

    def status(self) -> Status: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome says how a command of the system's went."""

    ok: bool
    output: str
    """`output` is stdout, or stderr of a command that failed."""


def run(command: tuple[str, ...], environ: Mapping[str, str]) -> Outcome:
    """Runs a program of PATH; one that is missing or hangs has failed."""
    program = shutil.which(command[0], path=environ.get("PATH"))
    if program is None:
        return Outcome(False, f"{command[0]}: not found")
    try:
        done = subprocess.run(
            [program, *command[1:]],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=COMMAND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Outcome(False, str(error))
    return Outcome(done.returncode == 0, (done.stdout if done.returncode == 0 else done.stderr or done.stdout).strip())


def run_all(commands: tuple[tuple[str, ...], ...], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Runs each and gives them as lines. Raises InstallFailed for the first that fails."""
    for command in commands:
        outcome = run(command, environ)
        if not outcome.ok:
            raise InstallFailed("service.command_failed", command=shown(command), reason=outcome.output)
    return tuple(shown(command) for command in commands)


def shown(command: tuple[str, ...]) -> str:
    """Writes the command as a person types it."""
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


def require_start(program: ServiceProgram, environ: Mapping[str, str]) -> None:
    """Makes the working folder; raises InstallFailed where the server could not be started from there."""
    program.folder.mkdir(parents=True, exist_ok=True)
    command = [str(program.interpreter), "-m", "hoshikage", "--version"]
    outside = {name: value for name, value in environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(
            command, cwd=program.folder, env=outside, capture_output=True, text=True, timeout=IMPORT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallFailed("service.not_startable", command=shown(tuple(command)), reason=str(error)) from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or [str(done.returncode)]
        raise InstallFailed("service.not_startable", command=shown(tuple(command)), reason=lines[-1])


def is_there(file: Path) -> bool:
    return file.exists() or file.is_symlink()


def is_ours(file: Path) -> bool:
    """Returns whether this program wrote the file. A link is somebody's: a masked unit is one to /dev/null."""
    return not file.is_symlink() and file.is_file() and any(MARKER.encode(code) in file.read_bytes() for code in CODES)


def require_ours(*files: Path, force: bool) -> None:
    """Raises UsageError for a file that is there and was not written by this program."""
    for file in files:
        if is_there(file) and not is_ours(file) and not force:
            raise UsageError("service.not_ours", file=str(file))


def write(file: Path, data: bytes) -> None:
    """Puts the file in place, whole or not at all. Raises InstallFailed."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():
            file.unlink()
        durable.replace(file, data)
    except OSError as error:
        raise InstallFailed("service.not_written", file=str(file), reason=error.strerror or str(error)) from None
