"""Says what the application holds: typed keys, and the shape of the dispatcher behind one. Event loop thread."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web

from hoshikage.access.limits import RateLimits
from hoshikage.dispatch.client import Note
from hoshikage.dispatch.latencies import Latencies
from hoshikage.dispatch.standby import RunnerCommand
from hoshikage.dispatch.status import DispatcherStatus, FullStatus
from hoshikage.errors import QueueFull
from hoshikage.frozen import Frozen
from hoshikage.http.authenticator import Authenticator
from hoshikage.http.bodies import Bodies
from hoshikage.http.measures import Measures
from hoshikage.http.origin_policy import OriginPolicy
from hoshikage.http.refusal import Refusals
from hoshikage.params import Scaled, Work
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import Settings

if TYPE_CHECKING:
    from ssl import SSLContext  # a server without TLS imports no OpenSSL

    from hoshikage.dispatch.handed import HandedProcess
    from hoshikage.dispatch.kv_files import StoredFile
    from hoshikage.dispatch.kv_listing import StoredConversation


class Dispatching(Protocol):
    """HTTP needs this of the dispatcher."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def drain(self) -> None:
        """Refuses those who wait and all who come; those who run go on."""
        ...

    @property
    def full(self) -> QueueFull | None:
        """Gives the refusal of whoever comes now; None while there is a place."""
        ...

    def generate(self, spec: ModelSpec, request: Work, /) -> AsyncGenerator[Note, None]:
        """Yields notes, then exactly one Finished; raises HoshikageError.

        `aclose()` frees its place at once, in the queue or on a lane.
        """
        ...

    async def preload(self, spec: ModelSpec, /) -> None:
        """Loads the model in its turn, as a request for it would. Raises HoshikageError."""
        ...

    def keep(self, spec: ModelSpec, seconds: float, /) -> None:
        """The model, where it is loaded, stays so long after its last use; 0 unloads it as soon as nothing runs, inf is
        for good."""
        ...

    def review_pins(self) -> None:
        """Unpins the models that the registry does not pin any more."""
        ...

    async def unload(self, which: ModelSpec | str | None = None, /) -> None:
        """Unloads the model, or whatever is loaded; a name is one that is not registered any more. Raises
        HoshikageError while it is in use."""
        ...

    def status(self) -> DispatcherStatus: ...

    async def full_status(self) -> FullStatus: ...

    @property
    def sleeps(self) -> bool:
        """Tells whether no model is loaded or wanted, and nothing is remembered that a new server must know."""
        ...

    async def put_away(self) -> None:
        """Gives back what is kept for the next load alone."""
        ...

    async def stored(self) -> Sequence[StoredConversation]:
        """Lists what is stored of conversations, the newest first."""
        ...

    async def clear_stored(self) -> Sequence[StoredFile]:
        """Removes all of it, and tells what it was."""
        ...

    def kept_state(self) -> dict[str, Any]:
        """Returns the figures as plain values."""
        ...

    def runner_to_start(self) -> RunnerCommand | None:
        """Says how a runner is started beside the waking server; None where it is not known. Blocking."""
        ...

    def restore(self, kept: Mapping[str, Any], runner: HandedProcess | None = None, /) -> None:
        """Has the figures go on from those, and takes over the runner that was started beside this server."""
        ...

    def latencies(self) -> Latencies:
        """Returns how long answers took since the server started."""
        ...


class StreamTimeouts(Frozen, frozen=True):
    """A silent stream is kept alive and a stalled one ended by these times, in seconds."""

    commit_after: float = 10.0
    """So long may the first result take before the stream commits to status 200 and comments fill the silence."""
    comment_every: float = 5.0
    """Between a comment and what was sent before it there is at least this time."""
    stalled_after: float = 60.0
    """A client may take nothing of what waits for it for this many seconds; then it is left, and its place on the lane
    is free."""


SETTINGS: Final = web.AppKey("settings", Settings)
REGISTRY: Final = web.AppKey("registry", Registry)
DISPATCHER: Final[web.AppKey[Dispatching]] = web.AppKey("dispatcher", Dispatching)
BODIES: Final = web.AppKey("bodies", Bodies)
ORIGIN_POLICY: Final = web.AppKey("doorway", OriginPolicy)
AUTHENTICATOR: Final = web.AppKey("gate", Authenticator)
LIMITS: Final = web.AppKey("limits", RateLimits)
LORA_SCALES: Final[web.AppKey[dict[str, tuple[Scaled, ...]]]] = web.AppKey("lora_scales", dict)
"""These LoRA adapters were chosen while the server runs, by the name of the model or persona."""
METRICS: Final = web.AppKey("metrics", Measures)
STREAM_TIMEOUTS: Final = web.AppKey("pace", StreamTimeouts)
REFUSALS: Final = web.AppKey("refusals", Refusals)
ENVIRON: Final[web.AppKey[Mapping[str, str]]] = web.AppKey("environ", Mapping)
"""The server was started in this environment."""
TLS: Final[web.AppKey[SSLContext]] = web.AppKey("tls")
"""This is absent where plain HTTP is served."""

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The request that the current task answers has this id; aiohttp gives each request a task of its own."""

LIBRARY: Final[Any] = web.RequestKey("library", str) if hasattr(web, "RequestKey") else "hoshikage.library"
"""A request holds the name of the library that answers it by this key, once that is known. Older versions of aiohttp
have no such keys."""


def new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"
