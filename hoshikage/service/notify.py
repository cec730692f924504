"""Lets systemd and the server talk to each other: readiness, watchdog, ready-made sockets. Main thread, event loop.

The protocol is sd_notify(3) and sd_listen_fds(3), spoken without a library. Where no service manager asks for it,
everything here does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from typing import Final

from hoshikage.errors import UsageError

FIRST_FD: Final = 3
SEND_S: Final = 1.0
"""So long may a full queue of the manager hold the caller."""
log: Final = logging.getLogger("hoshikage.service")


class Notifier:
    """This is the line to the service manager that started this process."""

    def __init__(self, address: str, ping_every_s: float | None) -> None:
        self.told_address = address
        """`told_address` is the address as the manager told it."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address  # an abstract socket
        self.ping_every_s = ping_every_s
        """`ping_every_s` is half of the time after which the manager takes the server for hung; None where it does not
        watch."""

    @classmethod
    def of(cls, environ: Mapping[str, str], pid: int) -> Notifier:
        """Makes the notifier that NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID ask for; `pid` is this process's."""
        watched = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        micros = environ.get("WATCHDOG_USEC", "")
        every = int(micros) / 2_000_000 if watched and micros.isascii() and micros.isdigit() and int(micros) else None
        return cls(environ.get("NOTIFY_SOCKET", ""), every)

    def ready(self, status: str) -> None:
        """The server takes connections. `status` is a line for `systemctl status`."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def stopping(self, within_s: float) -> None:
        """The server ends by itself within that time, for which the manager is asked to wait."""
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round(within_s * 1_000_000)}")

    def ping(self) -> None:
        self._send("WATCHDOG=1")

    async def keep_alive(self) -> None:
        """Pings the manager from the event loop until cancelled, so that a hung loop is noticed; ends at once if none
        watches."""
        while self._address and self.ping_every_s:
            self.ping()
            await asyncio.sleep(self.ping_every_s)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(SEND_S)
                line.connect(self._address)
                line.sendall(message.encode())
        except OSError as error:  # the server is of use even where its manager does not listen
            log.warning("the service manager does not hear %s: %s", message.partition("\n")[0], error)


def listen_fds(environ: Mapping[str, str], pid: int) -> tuple[socket.socket, ...]:
    """Returns the listening sockets that the manager opened for this process; () where it opened none.

    To be called once: the sockets own their descriptors and no child inherits them. Raises UsageError for a
    descriptor that is no listening stream socket.
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(pid) or not (count.isascii() and count.isdigit()):
        return ()
    result: list[socket.socket] = []
    try:
        for fd in range(FIRST_FD, FIRST_FD + int(count)):
            result.append(_listening(fd))
    except (OSError, ValueError) as error:
        for opened in result:
            opened.close()
        raise UsageError("service.bad_descriptor", fd=FIRST_FD + len(result), reason=str(error)) from None
    return tuple(result)


def _listening(fd: int) -> socket.socket:
    os.set_inheritable(fd, False)
    result = socket.socket(fileno=fd)
    if result.type != socket.SOCK_STREAM or not result.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        result.close()
        raise ValueError("not a listening stream socket")
    result.setblocking(False)
    return result


def _line(words: str) -> str:
    return " ".join(words.split())
