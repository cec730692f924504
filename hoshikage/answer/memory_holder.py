"""Imports memory when somebody needs it: nothing of it is imported before. Event loop thread."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from aiohttp import web

from hoshikage.http.keys import Dispatching
from hoshikage.registry import Registry
from hoshikage.settings import Settings

if TYPE_CHECKING:
    from hoshikage.memory.service import Memory

MAX_COUNTS: Final = 20_000


class TokenCounts:
    """This remembers how many tokens texts came to, so that a growing conversation is counted once."""

    def __init__(self) -> None:
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def get(self, key: bytes) -> int | None:
        if key in self._counts:
            self._counts.move_to_end(key)
        return self._counts.get(key)

    def put(self, key: bytes, count: int) -> None:
        self._counts[key] = count
        if len(self._counts) > MAX_COUNTS:
            self._counts.popitem(last=False)


class MemoryHolder:
    """The application makes it, and stops it."""

    def __init__(self, settings: Settings, dispatcher: Dispatching, registry: Registry) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._registry = registry
        self._memory: Memory | None = None
        self.counts = TokenCounts()

    @property
    def memory(self) -> Memory:
        """Gives the one memory of this server, which is made when it is first asked for."""
        if self._memory is None:
            from hoshikage.memory.service import Memory

            self._memory = Memory(self._settings, self._dispatcher, self._registry)
        return self._memory

    def start(self) -> None:
        """With MEMORY=on, takes the folder of what is kept. Raises UsageError where another server has it."""
        if self._settings.memory:
            self.memory.claim()

    @property
    def rests(self) -> bool:
        """Tells whether no process of it runs."""
        return self._memory is None or self._memory.keeper.pid is None

    async def stop(self) -> None:
        if self._memory is not None:
            await self._memory.stop()


MEMORY: Final = web.AppKey("memory", MemoryHolder)
