"""Runs the service under Windows: a scheduled task that starts when the person logs on. Main thread; blocking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from hoshikage.errors import UsageError
from hoshikage.service import units
from hoshikage.service.manager import Report, Status, is_ours, is_there, require_ours, run, run_all, shown, write
from hoshikage.service.units import MARKER, ServiceProgram

TASK: Final = "Hoshikage"
FLAGS: Final = {"HOST": "--host", "PORT": "--port", "HOSHIKAGE_LANG": "--lang"}
"""Maps settings that a task, which has no environment of its own, can carry to the option that takes them."""
RUNNING: Final = 0x41301
"""This is SCHED_S_TASK_RUNNING, the last result of a task that is running; the state's own word is a translated one."""


class Task:
    """The task is called `Hoshikage`; its description is kept in the config folder too."""

    name = "schtasks"

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self.file = folder / "task.xml"

    def install(self, program: ServiceProgram, *, listen: str, force: bool) -> Report:
        if listen:
            raise UsageError("service.socket_is_systemd")
        lost = tuple(name for name, _ in program.environment if name not in FLAGS)
        require_ours(self.file, force=force)
        if not force:
            self._require_task_ours()
        flags = [word for name, value in program.environment if name in FLAGS for word in (FLAGS[name], value)]
        program = replace(program, environment=(), arguments=(*program.arguments, *flags))
        domain, user = self._environ.get("USERDOMAIN", ""), self._environ.get("USERNAME", "")
        write(self.file, units.scheduled_task(program, f"{domain}\\{user}" if domain else user))
        start = (
            ("schtasks", "/Create", "/TN", TASK, "/XML", str(self.file), "/F"),
            ("schtasks", "/Run", "/TN", TASK),
        )
        manager = run(("schtasks", "/Query"), self._environ)
        if not manager.ok:
            return Report((self.file,), left=tuple(map(shown, start)), reason=manager.output, lost=lost)
        return Report((self.file,), ran=run_all(start, self._environ), lost=lost)

    def uninstall(self, *, force: bool) -> Report:
        known = run(("schtasks", "/Query", "/TN", TASK), self._environ).ok
        if not known and not is_there(self.file):
            return Report()
        require_ours(self.file, force=force)
        if not force:
            self._require_task_ours()
        ran: tuple[str, ...] = ()
        if known:
            run(("schtasks", "/End", "/TN", TASK), self._environ)  # fails where it is not running
            ran = run_all((("schtasks", "/Delete", "/TN", TASK, "/F"),), self._environ)
        self.file.unlink(missing_ok=True)
        return Report((self.file,), ran=ran)

    def status(self) -> Status:
        installed = run(("schtasks", "/Query", "/TN", TASK), self._environ).ok
        if not installed:
            return Status(self.file, False, is_ours(self.file))
        listed = run(("schtasks", "/Query", "/TN", TASK, "/V", "/FO", "CSV", "/NH"), self._environ)
        state = "running" if f'"{RUNNING}"' in listed.output else "stopped"
        return Status(self.file, True, is_ours(self.file), state, at_login=True)

    def _require_task_ours(self) -> None:
        task = run(("schtasks", "/Query", "/TN", TASK, "/XML"), self._environ)
        if task.ok and MARKER not in task.output.replace("\0", ""):  # some versions write UTF-16
            raise UsageError("service.not_ours", file=TASK)
