"""Every route, in one list, and what each one needs. No thread of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Final

from aiohttp import web

from hoshikage.api.gate import Needs, Route

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROUTES: Final[tuple[Route, ...]] = (
    ("POST", "/v1/chat/completions", "chat:completions", "api"),
    ("POST", "/v1/responses", "responses:create", "api"),
    ("POST", "/v1/responses/input_tokens", "responses:input_tokens", "api"),
    ("GET", "/v1/responses/{id}", "responses:retrieve", "api"),
    ("DELETE", "/v1/responses/{id}", "responses:delete", "api"),
    ("POST", "/v1/messages", "anthropic:create", "api"),
    ("POST", "/v1/messages/count_tokens", "anthropic:count_tokens", "api"),
    ("POST", "/api/chat", "ollama:chat", "api"),
    ("POST", "/api/generate", "ollama:generate", "api"),
    ("POST", "/api/embed", "ollama:embed", "api"),
    ("GET", "/api/tags", "ollama:tags", "api"),
    ("POST", "/api/show", "ollama:show", "api"),
    ("GET", "/api/ps", "ollama:ps", "api"),
    ("GET", "/api/version", "ollama:version", "api"),
    ("POST", "/v1/completions", "completions:completions", "api"),
    ("POST", "/v1/embeddings", "embeddings:embeddings", "api"),
    ("POST", "/v1/rerank", "embeddings:rerank", "api"),
    ("POST", "/completion", "native:completion", "api"),
    ("POST", "/infill", "native:infill", "api"),
    ("POST", "/tokenize", "native:tokenize", "api"),
    ("POST", "/detokenize", "native:detokenize", "api"),
    ("POST", "/apply-template", "native:apply_template", "api"),
    ("GET", "/props", "slots:props", "api"),
    ("GET", "/slots", "slots:slots", "api"),
    ("GET", "/metrics", "metrics:metrics", "api"),
    ("GET", "/v1/models", "models:listing", "api"),
    ("GET", "/v1/models/{id:.+}", "models:one", "api"),  # any id at all: one with a slash is a model that is not known
    ("GET", "/v1/status", "status:status", "api"),
    ("GET", "/v1/api/version", "status:version", "api"),
    ("GET", "/openapi.json", "reference:document", "api"),
    ("GET", "/docs", "reference:page", "api"),
    ("GET", "/health", "status:health", "nothing"),
    ("GET", "/admin/models", "admin:listing", "admin"),
    ("POST", "/admin/models", "admin:add", "admin"),
    ("DELETE", "/admin/models/{name:.+}", "admin:remove", "admin"),
    ("POST", "/admin/models/{name:.+}/load", "admin:load", "admin"),
    ("POST", "/admin/unload", "admin:unload", "admin"),
    ("POST", "/admin/reload", "admin:reload", "admin"),
)


def routes() -> tuple[list[web.RouteDef], dict[Handler, Needs]]:
    """For the application; and what each handler needs."""
    found: list[web.RouteDef] = []
    needs: dict[Handler, Needs] = {}
    for method, path, name, what in ROUTES:
        handler = _handler(name)
        needs[handler] = what
        found.append(web.get(path, handler) if method == "GET" else web.route(method, path, handler))
    return found, needs  # GET allows HEAD too


def _handler(name: str) -> Handler:
    """What imports its module when it is first called: a server that is asked for chats needs no other protocol."""
    module, _, function = name.partition(":")

    async def handle(request: web.Request) -> web.StreamResponse:
        answer: Handler = getattr(import_module(f"hoshikage.api.{module}"), function)
        return await answer(request)

    return handle
