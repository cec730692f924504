"""Runs the service under macOS' launchd: an agent of the person's own session. Main thread; blocking."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hoshikage.errors import UsageError
from hoshikage.service import units
from hoshikage.service.manager import Report, Status, is_ours, is_there, require_ours, run, run_all, shown, write
from hoshikage.service.units import AGENT, ServiceProgram


class Agent:
    """The agent is `~/Library/LaunchAgents/<label>.plist`."""

    name = "launchd"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.file = Path.home() / "Library" / "LaunchAgents" / f"{AGENT}.plist"
        self.log_file = Path.home() / "Library" / "Logs" / "hoshikage.log"
        self._domain = f"gui/{os.getuid()}"

    def install(self, program: ServiceProgram, *, listen: str, force: bool) -> Report:
        if listen:
            raise UsageError("service.socket_is_systemd")
        require_ours(self.file, force=force)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        write(self.file, units.launchd_agent(program, self.log_file))
        start = (
            ("launchctl", "enable", f"{self._domain}/{AGENT}"),
            ("launchctl", "bootstrap", self._domain, str(self.file)),
        )
        manager = run(("launchctl", "print", self._domain), self._environ)
        if not manager.ok:
            return Report((self.file,), left=tuple(map(shown, start)), reason=manager.output)
        ran = self._leave()
        return Report((self.file,), ran=(*ran, *run_all(start, self._environ)))

    def uninstall(self, *, force: bool) -> Report:
        if not is_there(self.file):
            return Report()
        require_ours(self.file, force=force)
        ran = self._leave()
        self.file.unlink()
        return Report((self.file,), ran=ran)

    def status(self) -> Status:
        installed = is_there(self.file)
        loaded = run(("launchctl", "print", f"{self._domain}/{AGENT}"), self._environ)
        if loaded.ok:
            running = any(line.strip() == "state = running" for line in loaded.output.splitlines())
            state = "running" if running else "stopped"
        else:
            state = "stopped" if installed else "unknown"
        return Status(self.file, installed, is_ours(self.file), state, at_login=installed)

    def _leave(self) -> tuple[str, ...]:
        """Stops the agent that launchd holds, if it holds one: a second one of the same label would be refused."""
        target = f"{self._domain}/{AGENT}"
        if not run(("launchctl", "print", target), self._environ).ok:
            return ()
        return run_all((("launchctl", "bootout", target),), self._environ)
