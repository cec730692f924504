"""Kills runners in whatever they do while clients ask: the siege's deaths. Event loop thread."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiohttp import ClientError, ClientSession, ClientTimeout

from siege_load import Target, load
from siege_totals import Gauge

SIGNALS: Final = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGTERM)


class Crowd(NamedTuple):
    """These clients ask while runners are killed, in phases that come about among so many of them."""

    clients: int
    rest_s: float
    phases: tuple[str, ...]
    """A runner is killed in one of `phases`, each as often as it stands here."""
    share: float
    """The crowd has this share of the time."""


CROWDS: Final = (
    Crowd(24, 0.05, ("loading", "loading", "answering", "answering", "answering"), 0.8),
    Crowd(2, 4.0, ("idle", "started ahead"), 0.2),
)
MEETING_S: Final = 6.0
"""A phase is waited for so long, before whatever the runner is at will do."""


async def kill_runners(target: Target, seconds: float, crowd: Crowd, forgive: Callable[[], None], gauge: Gauge) -> None:
    """Kills the runner again and again, in whatever it does, while clients ask; the port must never close."""
    target.may_crash, target.rest_s = True, crowd.rest_s
    loaded = asyncio.create_task(load(target, crowd.clients, seconds, gauge))
    async with ClientSession(timeout=ClientTimeout(total=30)) as session:
        while not loaded.done():
            phase, pid = await _met(session, target, target.dice.choice(crowd.phases), loaded)
            if pid:
                await asyncio.sleep(target.dice.random() * 0.3)
                _kill(target, pid, phase)
                forgive()
    await loaded
    target.may_crash = False


async def _met(session: ClientSession, target: Target, wanted: str, loaded: asyncio.Task[None]) -> tuple[str, int]:
    """Returns a runner in the wanted phase, or after a while in whatever phase there is."""
    until = time.monotonic() + MEETING_S
    while not loaded.done():
        try:
            async with session.get(target.url + "/v1/status") as answer:
                status = await answer.json()
        except (ClientError, OSError, asyncio.TimeoutError):
            target.totals.counts["port_closed"] += 1
            continue
        there = _phases(status)
        if there and (wanted in there or time.monotonic() > until):
            phase = wanted if wanted in there else next(iter(there))
            return phase, there[phase]
        await asyncio.sleep(target.dice.random() * 0.1)
    return wanted, 0


def _phases(status: dict[str, Any]) -> dict[str, int]:
    """Says what each runner was at when it was looked at, and which process it is."""
    pid, ahead = status["runner"]["pid"], status["runner"]["ahead"]
    state = str(status["model"]["state"])
    if state == "ready":
        state = "answering" if status["queue"]["running"] else "idle"
    return {**({state: pid} if pid else {}), **({"started ahead": ahead} if ahead else {})}


def _kill(target: Target, pid: int, phase: str) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, target.dice.choice(SIGNALS))
        target.totals.counts["deaths"] += 1
        target.totals.counts[f"deaths: {phase}"] += 1
