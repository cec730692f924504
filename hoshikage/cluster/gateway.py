"""Takes HTTP requests and has a server answer them; status, headers and every piece pass unchanged. Event loop.

A server that is lost before the first byte is replaced by another one; after it the answer ends with an error event.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import ray
from ray import serve
from ray.serve.exceptions import BackPressureError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from hoshikage.cluster import affinity
from hoshikage.cluster.replica import Head
from hoshikage.messages import accepted_language, text

TRIES: Final = 3
RETRY_AFTER_S: Final = "5"
MAX_BYTES: Final = 64 << 20
LOST: Final = (ray.exceptions.RayActorError, ray.exceptions.ActorUnavailableError, ConnectionError)
"""The loss of a node, of an actor, or of the server in it comes as one of these."""


@serve.deployment(name="gateway", max_ongoing_requests=10_000)
class Gateway:
    """This is the cluster's one face."""

    def __init__(self, replicas: Any) -> None:
        self._replicas = replicas.options(stream=True)

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        language = accepted_language(request.headers.get("accept-language"), "en")
        tree = _tree(body) if len(body) <= MAX_BYTES else None
        model, keys = affinity.model_of(tree), affinity.chain(tree)
        path = _target(request)
        call = self._replicas.options(multiplexed_model_id=model).call if model else self._replicas.call
        for _ in range(TRIES):
            pieces = call.remote(request.method, path, list(request.headers.items()), body, keys=keys)
            try:
                status, headers = await _first(pieces)
            except BackPressureError:
                return _refused(503, text(language, "cluster.full"), {"Retry-After": RETRY_AFTER_S})
            except LOST:
                continue
            sent = _rest(pieces, _lost(headers, request.url.path, text(language, "cluster.lost")))
            return _answer(status, headers, sent)
        return _refused(503, text(language, "cluster.none"), {"Retry-After": RETRY_AFTER_S})


def _target(request: Request) -> str:
    """Returns path and query as the client wrote them: a name may have a slash in it, written as %2F."""
    raw = request.scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(request.scope["path"])
    query = request.scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else str(path)


def _tree(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None  # the server says what is wrong with it


async def _first(pieces: Any) -> Head:
    head: Head = await pieces.__anext__()
    return head


async def _rest(pieces: Any, lost: bytes) -> AsyncGenerator[bytes, None]:
    """Yields what follows the head. A client that leaves closes this, and so the work on its answer."""
    ended = False
    try:
        async for piece in pieces:
            yield piece
        ended = True
    except LOST:
        ended = True
        if not lost:
            raise
        yield lost
    finally:
        if not ended:
            pieces.cancel()


def _answer(status: int, headers: list[tuple[str, str]], sent: AsyncIterator[bytes]) -> Response:
    answer = StreamingResponse(sent, status_code=status)
    answer.raw_headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return answer


def _lost(headers: list[tuple[str, str]], path: str, message: str) -> bytes:
    """Makes the error event that ends a stream of that kind; nothing for an answer that is sent whole."""
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    error = {"message": message, "type": "unavailable_error", "param": None, "code": "replica_lost"}
    if kind.startswith("application/x-ndjson"):
        return json.dumps({"error": message}).encode() + b"\n"
    if not kind.startswith("text/event-stream"):
        return b""
    if path.rstrip("/").endswith("/messages"):
        body = {"type": "error", "error": {"type": "overloaded_error", "message": message}}
        return b"event: error\ndata: " + json.dumps(body).encode() + b"\n\n"
    if path.rstrip("/").endswith("/responses"):
        return b"event: error\ndata: " + json.dumps({"type": "error", **error}).encode() + b"\n\n"
    return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"


def _refused(status: int, message: str, headers: dict[str, str]) -> Response:
    error = {"message": message, "type": "unavailable_error", "param": None, "code": "unavailable"}
    return JSONResponse({"error": error}, status_code=status, headers=headers)
