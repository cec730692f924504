"""Tries one request: its model is loaded, its job is run, and once more where the runner crashed. Event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Final

from hoshikage import wire
from hoshikage.dispatch.company import Company, Stay
from hoshikage.dispatch.crashes import Crashes, Origin
from hoshikage.dispatch.lifecycle import Lifecycle
from hoshikage.dispatch.loading import WantedLoad
from hoshikage.dispatch.queue import Ticket
from hoshikage.errors import HoshikageError, ModelCrashed
from hoshikage.frozen import Frozen
from hoshikage.params import Work

ACCOUNT: Final[ContextVar[str]] = ContextVar("account", default="")
"""The current task's request counts against this: a token or an address."""

MAX_TRIES: Final = 5
"""Tries of a request whose runners were ended by others."""
MAX_LOADS: Final = 2
"""One whose model crashes while it is loaded is tried so often."""

RunNote = (
    wire.Started
    | wire.SlotTaken
    | wire.Prefill
    | wire.Echo
    | wire.Token
    | wire.ChoiceEnd
    | wire.Answered
    | wire.Finished
)
BEFORE_TEXT: Final = (wire.Started, wire.SlotTaken, wire.Prefill)
"""These events come before a request has brought anything."""


class Answering(Frozen, frozen=True):
    """The model is loaded, and this library computes with it."""

    library: str
    """`library` names llama.cpp's release, and what it computes on."""


class Tries:
    """Serves all requests of one dispatcher."""

    def __init__(self, lifecycle: Lifecycle, crashes: Crashes, clock: Callable[[], float]) -> None:
        self._lifecycle = lifecycle
        self._crashes = crashes
        self._clock = clock
        self._company = Company()

    async def notes(
        self, find: Callable[[], WantedLoad], request: Work, ticket: Ticket, origin: Origin
    ) -> AsyncGenerator[wire.Loading | Answering | RunNote, None]:
        """Yields what the runner tells of the request. `find` says what is to be loaded, and may block on the disk.

        A runner that crashes before any text was sent is replaced and the request run once more: alone, where it may
        have been the one that did it. Raises HoshikageError.
        """
        started = sent = suspect = False
        number = 0
        while True:
            number += 1
            running = False
            try:
                begun = self._clock()
                async with aclosing(self.load(find, origin.caller)) as progress:
                    async for loading in progress:
                        yield loading
                ticket.load_s += self._clock() - begun
                running = True
                if (choice := self._lifecycle.choice) is not None:
                    yield Answering(choice.name)
                async with aclosing(self._run(request, ticket, origin, alone=suspect)) as events:
                    async for event in events:
                        if isinstance(event, wire.Started) and started:
                            continue
                        started |= isinstance(event, wire.Started)
                        sent |= not isinstance(event, (*BEFORE_TEXT, wire.Finished))
                        yield event
                return
            except ModelCrashed as error:
                error.final = self._crashes.refuses(origin.digest)
                if sent or error.final or number >= (MAX_TRIES if running else MAX_LOADS):
                    raise
                suspect = error.suspect

    async def load(self, find: Callable[[], WantedLoad], caller: str = "") -> AsyncGenerator[wire.Loading, None]:
        wanted = await asyncio.to_thread(find)
        async with aclosing(self._lifecycle.ready(wanted, caller)) as progress:
            async for loading in progress:
                yield loading

    async def _run(
        self, request: Work, ticket: Ticket, origin: Origin, *, alone: bool
    ) -> AsyncGenerator[RunNote, None]:
        stay = await self._company.enter(alone=alone)
        # The place on the lane is free when the runner is done, however slowly the client reads.
        job = self._lifecycle.submit(request, lambda: _leave(ticket, stay), origin)
        try:
            while True:
                item = await job.items.get()
                if isinstance(item, HoshikageError):
                    raise item
                assert not isinstance(item, wire.Failed)
                if not isinstance(item, BEFORE_TEXT):
                    stay.proven()
                yield item
                if isinstance(item, wire.Finished):
                    return
        finally:
            self._lifecycle.forget(job)
            stay.leave()


def _leave(ticket: Ticket, stay: Stay) -> None:
    ticket.leave()
    stay.leave()
