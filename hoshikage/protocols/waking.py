"""The server wakes: it takes back its figures, its sockets, and the connections of who woke it. Event loop thread."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from hoshikage import __version__
from hoshikage.frozen import Frozen
from hoshikage.gguf import newest
from hoshikage.http.connections import HttpRunner, Site
from hoshikage.http.keys import DISPATCHER, LORA_SCALES, METRICS, TLS
from hoshikage.params import Scaled
from hoshikage.sleeper import program

if TYPE_CHECKING:
    from hoshikage.dispatch.handed import HandedProcess

log: Final = logging.getLogger("hoshikage.server")


class Woken(Frozen, frozen=True):
    """This is what the sleeper handed over."""

    listening: tuple[tuple[socket.socket, str], ...]
    """`listening` has the listening sockets and their kinds: `plain`, `tls`, `unix`."""
    connections: tuple[tuple[socket.socket, str], ...]
    """`connections` has each connection with what its client has sent still unread."""
    counts: dict[tuple[str, str], int]
    """`counts` says how often the sleeper answered, by method and route."""
    runner: HandedProcess | None
    """The runner was started when somebody asked for words of a model."""
    kept: dict[str, Any] | None
    """`kept` is None for a server that takes over its own start."""

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Woken | None:
        """Returns None for a server that was not asleep. The variable that tells it is taken out: it is true once."""
        text = environ.pop(program.WOKEN, "")
        if not text.isdecimal():
            return None
        state = program.take(int(text))
        return cls(
            tuple((_socket(fd), kind) for fd, kind in state["listening"]),
            tuple((_socket(fd), kind) for fd, kind in state["connections"]),
            state["counts"],
            _handed(state["runner"]),
            state["kept"],
        )

    @property
    def slept(self) -> bool:
        """Tells whether it was a server before, which has told that it is ready."""
        return self.kept is not None

    @property
    def tcp(self) -> tuple[socket.socket, ...]:
        """Gives the listening sockets that others may reach."""
        return tuple(opened for opened, kind in self.listening if kind != "unix")

    def restore(self, app: web.Application) -> None:
        """Has the figures go on where they were. What another version kept may mean something else: it is left."""
        if self.kept is not None and self.kept["version"] == __version__:
            app[DISPATCHER].restore(self.kept, self.runner)
            app[METRICS].restore(self.kept["measures"])
            for label, chosen in self.kept["lora_scales"].items():
                app[LORA_SCALES][label] = tuple(Scaled(*one) for one in chosen)
            newest.take_over(self.kept["headers"])
        elif self.runner is not None:
            self.runner.end()
        for (method, route), count in self.counts.items():
            app[METRICS].add_many(method, route, count)

    async def listen(self, running: HttpRunner, app: web.Application) -> None:
        """Goes on with every socket, and with every connection as if it had just been accepted."""
        for opened, kind in self.listening:
            await Site(running, opened, app.get(TLS) if kind == "tls" else None).start()
        taken = [asyncio.create_task(self._take(running, app, *one)) for one in self.connections]
        for task in taken:
            task.add_done_callback(_tell_failure)

    async def _take(self, running: HttpRunner, app: web.Application, opened: socket.socket, kind: str) -> None:
        tls = app.get(TLS) if kind == "tls" else None
        await asyncio.get_running_loop().connect_accepted_socket(partial(running.connect, tls), opened)


def _handed(runner: tuple[int, ...] | None) -> HandedProcess | None:
    if runner is None:
        return None
    from hoshikage.dispatch.handed import HandedProcess  # few wake by a request for words

    pid, *descriptors = runner
    for one in descriptors:
        os.set_inheritable(one, False)
    return HandedProcess(pid, *descriptors)


def _tell_failure(done: asyncio.Task[None]) -> None:
    """A connection that ended meanwhile is nobody's loss."""
    if not done.cancelled() and (error := done.exception()) is not None:
        log.info("a connection could not be taken over: %s", type(error).__name__)


def _socket(fd: int) -> socket.socket:
    os.set_inheritable(fd, False)
    listener = socket.socket(fileno=fd)
    listener.setblocking(False)
    return listener
