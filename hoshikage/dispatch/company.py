"""Knows which jobs are in the runner together: one that may have ended a runner is alone for a while. Event loop
only."""

from __future__ import annotations

import asyncio
from typing import Final

PATIENCE_S: Final = 10.0
"""One that must be alone waits this many seconds at most for those that are there to leave."""


class Company:
    """`enter` before a job is sent, `Stay.leave` when the runner has ended it."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._inside: set[Stay] = set()
        self._asking = 0
        """This many wait to be alone."""
        self._trial: Stay | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    async def enter(self, *, alone: bool = False) -> Stay:
        """Waits until the job may be sent. `alone`: nobody comes to it before it is `proven` or left."""
        stay = Stay(self)
        if alone:
            await self._empty()
            self._trial = stay
        while not alone and (self._asking or self._trial is not None):
            await self._change(None)
        self._inside.add(stay)
        return stay

    async def _empty(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience_s
        self._asking += 1
        try:
            while self._trial is not None or (self._inside and loop.time() < until):
                await self._change(until - loop.time() if self._trial is None else None)
        finally:
            self._asking -= 1
            self._wake()

    async def _change(self, maximum: float | None) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=maximum)
        finally:
            self._waiters.discard(waiter)

    def _proven(self, stay: Stay) -> None:
        if self._trial is stay:
            self._trial = None
            self._wake()

    def _left(self, stay: Stay) -> None:
        self._inside.discard(stay)
        self._proven(stay)
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class Stay:
    """This is one job's time in the runner."""

    def __init__(self, company: Company) -> None:
        self._company = company

    def proven(self) -> None:
        """Says that the job has brought its first word, so that others may come. Idempotent."""
        self._company._proven(self)

    def leave(self) -> None:
        """Ends the stay. Idempotent."""
        self._company._left(self)
