"""Describes one route: what answers it, what a caller needs, and what OpenAPI says of it. Values; no thread of their
own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web

from hoshikage.frozen import Frozen
from hoshikage.http.authenticator import Needs

if TYPE_CHECKING:
    from hoshikage.answer.schema.request_body import RequestBody

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON: Final = "application/json"
SSE: Final = "text/event-stream"
NDJSON: Final = "application/x-ndjson"


class Route(Frozen, frozen=True):
    """This is a row of the table of routes. Its summary stands in `messages/routes.py`, under its `operation`."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """`path` is written as aiohttp takes it; `{name:.+}` matches slashes too."""
    handler: Callable[[], Handler]
    """`handler` gives the handler, so that naming a handler does not import it."""
    body: Callable[[], RequestBody] | None = None
    """`body` gives the JSON that a POST takes; none for a POST without one."""
    takes: str = JSON
    """`takes` is the media type of what a POST takes."""
    needs: Needs = "api"
    """`needs` says what a caller needs."""
    stream: str | None = None
    """`stream` is the media type of the answer where `stream` is asked for."""
    answers: tuple[str, ...] = (JSON,)
    """The media types of an answer that is sent whole."""
    queries: tuple[str, ...] = ()
    """`queries` are the parameters that the URL may have."""
    refusals: tuple[int, ...] = ()
    """Its kind of route does not have the statuses in `refusals`."""
    other_paths: tuple[str, ...] = ()
    """It has `other_paths` for clients of llama-server, and for those whose base URL has no `/v1`."""

    @property
    def plain_path(self) -> str:
        """Gives the path as people and OpenAPI write it."""
        return re.sub(r":[^}]*", "", self.path)

    @property
    def operation(self) -> str:
        """Gives the name of the route among OpenAPI's operations, and of its summary among the texts."""
        return re.sub(r"[^a-z0-9]+", "_", f"{self.method} {self.plain_path}".lower()).strip("_")
