"""Lets a server that is started as it was before answer for its health at once. Main thread; it imports little.

What a start comes to (where it listens, what it answers to) depends on its arguments, on the environment, on `.env`
files and on the program itself. Where all of these are as the last ordinary start left them in a file of the cache
folder, the sleeper begins with those answers; the server takes over soon after, or as soon as anybody asks for more. In
any doubt nothing is done here, and the ordinary start says what is wrong.
"""

from __future__ import annotations

import marshal
import os
import socket
import sys
import time

from hoshikage.sleeper.program import WOKEN, Sleeper, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

AFTER_S = 0.3
"""So long does the sleeper answer before the server takes over."""
BACKLOG = 512
MAX_BYTES = 64 * 1024


def file() -> str:
    base = os.environ.get("XDG_CACHE_HOME", "").strip() or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "hoshikage", "start")


def key(variables: list[str], files: list[str]) -> dict[str, Any]:
    """Returns all that a start depends on; `variables` are those of the settings, `files` the `.env` files there could
    be."""
    return {
        "command": [sys.executable, *sys.orig_argv[1:]],
        "folder": os.getcwd(),
        "variables": {name: os.environ[name] for name in variables if name in os.environ},
        "files": {name: signature(name) for name in (*files, __file__, sys.executable)},
    }


def remembered() -> dict[str, Any] | None:
    """Returns what the last start left, where this one is the same."""
    if sys.platform != "linux" or WOKEN in os.environ or "LISTEN_FDS" in os.environ:
        return None
    try:
        with open(file(), "rb") as opened:
            result = os.fstat(opened.fileno())
            if result.st_uid != os.geteuid() or result.st_mode & 0o077 or result.st_size > MAX_BYTES:
                return None
            state: dict[str, Any] = marshal.loads(opened.read())
        return state if state["key"] == key(state["variables"], state["files"]) else None
    except (OSError, ValueError, EOFError, TypeError, KeyError):
        return None


def begin() -> None:
    """Becomes the sleeper, and with that the server; returns where the start has to be an ordinary one."""
    state = remembered()
    if state is None:
        return
    opened = socket.socket(socket.AF_INET6 if ":" in state["host"] else socket.AF_INET)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((state["host"], state["port"]))
        opened.listen(BACKLOG)
        host, port = opened.getsockname()[:2]
    except OSError:
        opened.close()
        return
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    sleeper = Sleeper(
        {
            **state,
            "listening": [(opened.detach(), "plain")],
            "connections": [],
            "command": state["key"]["command"],
            "notify": os.environ.get("NOTIFY_SOCKET", ""),
            "ping_every": ping_every(),
            "until": time.monotonic() + AFTER_S,
            "asks": [],
            "runner": None,
        }
    )
    sleeper.heed()
    sys.stderr.write(state["ready"].replace("{url}", url) + "\n")
    sys.stderr.flush()
    sleeper.notify(f"READY=1\nSTATUS={url}")
    sleeper.run()


def ping_every() -> float:
    """Returns half of the time after which the service manager takes the server for hung; 0 where it does not watch."""
    micros = os.environ.get("WATCHDOG_USEC", "")
    watched = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(micros) / 2_000_000 if watched and micros.isascii() and micros.isdigit() else 0.0
