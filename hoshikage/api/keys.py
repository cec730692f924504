"""What the application holds: typed keys, and the shape of the dispatcher behind one. Event loop thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import web

from hoshikage.dispatch.client import Note
from hoshikage.params import GenerationRequest
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import Settings


class Dispatching(Protocol):
    """The dispatcher, as HTTP needs it."""

    async def stop(self) -> None: ...

    def generate(self, spec: ModelSpec, request: GenerationRequest, /) -> AsyncGenerator[Note, None]:
        """Notes, then exactly one Finished; raises HoshikageError. `aclose()` frees the place or the slot at once."""
        ...

    def status(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How a silent stream is kept alive, in seconds."""

    commit_after: float = 10.0
    """So long may the first result take before the stream commits to status 200 and comments fill the silence."""
    comment_every: float = 5.0
    """The least time between a comment and what was sent before it."""


SETTINGS: Final = web.AppKey("settings", Settings)
REGISTRY: Final = web.AppKey("registry", Registry)
DISPATCHER: Final[web.AppKey[Dispatching]] = web.AppKey("dispatcher", Dispatching)
PACE: Final = web.AppKey("pace", Pace)

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the request that the current task answers; aiohttp gives each request a task of its own."""
