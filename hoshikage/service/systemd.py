"""Runs the service under systemd: user units, written, started, looked at and removed. Main thread; blocking."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hoshikage.service import units
from hoshikage.service.manager import (
    Outcome,
    Report,
    Status,
    is_ours,
    is_there,
    require_ours,
    run,
    run_all,
    shown,
    write,
)
from hoshikage.service.units import SERVICE, SOCKET, ServiceProgram

Commands = tuple[tuple[str, ...], ...]
STATES: Final = {
    "active": "running",
    "activating": "starting",
    "reloading": "running",
    "failed": "failed",
    "inactive": "stopped",
    "deactivating": "stopped",
}
LINGER: Final = Path("/var/lib/systemd/linger")


class UserUnits:
    """These are `hoshikage.service`, and where asked for `hoshikage.socket`, in the person's own systemd."""

    name = "systemd"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        config = Path(environ.get("XDG_CONFIG_HOME", ""))
        folder = (config if config.is_absolute() else Path.home() / ".config") / "systemd" / "user"
        self.service = folder / SERVICE
        self.socket = folder / SOCKET

    def install(self, program: ServiceProgram, *, listen: str, force: bool) -> Report:
        require_ours(self.service, self.socket, force=force)
        had_socket = is_there(self.socket)
        manager = self._manager()
        ran = run_all((_ctl("disable", "--now", SOCKET),), self._environ) if had_socket and manager.ok else ()
        lock = not makes_gpu_files(self._environ)
        text = units.systemd_service(program, on_demand=bool(listen), lock_privileges=lock)
        write(self.service, text.encode())
        files = [self.service]
        if listen:
            write(self.socket, units.systemd_socket(listen).encode())
            files.append(self.socket)
        elif had_socket:
            _remove(self.socket)
        start = ON_DEMAND if listen else AT_LOGIN
        if not manager.ok:
            return Report(tuple(files), left=tuple(map(shown, start)), reason=manager.output)
        return Report(tuple(files), ran=(*ran, *run_all(start, self._environ)))

    def uninstall(self, *, force: bool) -> Report:
        files = tuple(file for file in (self.socket, self.service) if is_there(file))
        if not files:
            return Report()
        require_ours(*files, force=force)
        manager = self._manager()
        stop = tuple(_ctl("disable", "--now", file.name) for file in files)
        ran = run_all(stop, self._environ) if manager.ok else ()
        for file in files:
            _remove(file)
        if not manager.ok:
            return Report(files, left=(shown(RELOAD),), reason=manager.output)
        return Report(files, ran=(*ran, *run_all((RELOAD,), self._environ)))

    def status(self) -> Status:
        installed = is_there(self.service)
        ours = is_ours(self.service)
        manager = self._manager()
        if not installed or not manager.ok:
            return Status(self.service, installed, ours, reason="" if manager.ok else manager.output)
        service, socket = self._properties(SERVICE), self._properties(SOCKET)
        state = STATES.get(service.get("ActiveState", ""), "unknown")
        if state == "stopped" and socket.get("ActiveState") == "active":
            state = "waiting"
        at_login = "enabled" in (service.get("UnitFileState"), socket.get("UnitFileState"))
        said = service.get("StatusText", "")
        return Status(self.service, installed, ours, state, at_login, url=said if state == "running" else "")

    def _properties(self, unit: str) -> dict[str, str]:
        shown = run(_ctl("show", unit, "--property=ActiveState,UnitFileState,StatusText"), self._environ)
        return dict(line.split("=", 1) for line in shown.output.splitlines() if shown.ok and "=" in line)

    def _manager(self) -> Outcome:
        """Asks whether the person's systemd can be reached, and returns its words if not."""
        return run(_ctl("show-environment"), self._environ)


def makes_gpu_files(environ: Mapping[str, str]) -> bool:
    """Returns whether CUDA may have to call a setuid program here, which NoNewPrivileges would take the rights from."""
    program = shutil.which("nvidia-modprobe", path=environ.get("PATH"))
    return program is not None and bool(Path(program).stat().st_mode & stat.S_ISUID)


def lingers(user: str) -> bool:
    """Returns whether the person's services run on without a login."""
    return bool(user) and (LINGER / user).exists()


def _remove(unit: Path) -> None:
    """Removes the unit and the links by which it is enabled."""
    for target in ("default.target.wants", "sockets.target.wants"):
        (unit.parent / target / unit.name).unlink(missing_ok=True)
    unit.unlink()


def _ctl(*arguments: str) -> tuple[str, ...]:
    return ("systemctl", "--user", *arguments)


RELOAD: Final = _ctl("daemon-reload")
AT_LOGIN: Final[Commands] = (RELOAD, _ctl("enable", SERVICE), _ctl("restart", SERVICE))
ON_DEMAND: Final[Commands] = (
    RELOAD,
    _ctl("disable", "--now", SERVICE),  # its former self may have been started at login
    _ctl("reset-failed", f"{SERVICE}*"),  # a pattern, for which it is no failure that there is nothing to reset
    _ctl("enable", SOCKET),
    _ctl("restart", SOCKET),
)
