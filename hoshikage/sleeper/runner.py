"""Starts a runner beside the server that wakes, so that both come up at once. One thread; it imports nothing else.

The runner is a child of this process, which is the server's own from the exec on: it ends with it as every runner does.
"""

from __future__ import annotations

import os

from hoshikage.sleeper.request import Unsure


def spawned(command: list[str], environ: dict[str, str]) -> tuple[int, ...]:
    """Returns what `dispatch.handed.HandedProcess` is made of. The child has no descriptor but its pipes. Raises
    OSError, and Unsure where the system has no handles of processes."""
    if not hasattr(os, "pidfd_open"):
        raise Unsure
    os.close(os.pidfd_open(os.getpid()))
    inherited = [one for one in map(int, os.listdir("/proc/self/fd")) if one > 2 and _is_inherited(one)]
    pipes: list[int] = []
    try:
        for one in inherited:
            os.set_inheritable(one, False)
        for _ in range(3):
            pipes += os.pipe()
        commands, to_commands, from_events, events, from_errors, errors = pipes
        places = [(os.POSIX_SPAWN_DUP2, one, number) for number, one in enumerate((commands, events, errors))]
        pid = os.posix_spawn(command[0], command, environ, file_actions=places)
    except OSError:
        for one in pipes:
            os.close(one)
        raise
    finally:
        for one in inherited:
            os.set_inheritable(one, True)
    for one in (commands, events, errors):
        os.close(one)
    return pid, os.pidfd_open(pid), to_commands, from_events, from_errors


def _is_inherited(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # that of the look itself
        return False
