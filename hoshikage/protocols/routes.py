"""Every route, in one list, and what each one needs. No thread of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Final

from aiohttp import web

from hoshikage.http.authenticator import Needs, Route

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROUTES: Final[tuple[Route, ...]] = (
    ("POST", "/v1/chat/completions", "openai.chat:completions", "api"),
    ("POST", "/v1/chat/completions/input_tokens", "openai.chat:input_tokens", "api"),
    ("POST", "/v1/responses", "openai.responses:create", "api"),
    ("POST", "/v1/responses/input_tokens", "openai.responses:input_tokens", "api"),
    ("GET", "/v1/responses/{id}", "openai.responses:retrieve", "api"),
    ("DELETE", "/v1/responses/{id}", "openai.responses:delete", "api"),
    ("POST", "/v1/messages", "anthropic.handlers:create", "api"),
    ("POST", "/v1/messages/count_tokens", "anthropic.handlers:count_tokens", "api"),
    ("POST", "/api/chat", "ollama.handlers:chat", "api"),
    ("POST", "/api/generate", "ollama.handlers:generate", "api"),
    ("POST", "/api/embed", "ollama.handlers:embed", "api"),
    ("POST", "/api/embeddings", "ollama.handlers:embeddings", "api"),
    ("GET", "/api/tags", "ollama.handlers:tags", "api"),
    ("POST", "/api/show", "ollama.handlers:show", "api"),
    ("GET", "/api/ps", "ollama.handlers:ps", "api"),
    ("GET", "/api/version", "ollama.handlers:version", "api"),
    ("POST", "/v1/completions", "openai.completions:completions", "api"),
    ("POST", "/v1/embeddings", "openai.embeddings:embeddings", "api"),
    ("POST", "/v1/rerank", "openai.embeddings:rerank", "api"),
    ("POST", "/completion", "llama_server.handlers:completion", "api"),
    ("POST", "/infill", "llama_server.handlers:infill", "api"),
    ("POST", "/embedding", "llama_server.handlers:embedding", "api"),
    ("POST", "/tokenize", "llama_server.handlers:tokenize", "api"),
    ("POST", "/detokenize", "llama_server.handlers:detokenize", "api"),
    ("POST", "/apply-template", "llama_server.handlers:apply_template", "api"),
    ("GET", "/props", "llama_server.props:props", "api"),
    ("GET", "/slots", "llama_server.props:slots", "api"),
    ("GET", "/metrics", "hoshikage.metrics:metrics", "api"),
    ("GET", "/v1/models", "openai.models:listing", "api"),
    (
        "GET",
        "/v1/models/{id:.+}",
        "openai.models:one",
        "api",
    ),  # any id at all: one with a slash is a model that is not known
    ("GET", "/v1/status", "hoshikage.status:status", "api"),
    ("GET", "/v1/api/version", "hoshikage.status:version", "api"),
    ("GET", "/openapi.json", "reference:document", "api"),
    ("GET", "/docs", "reference:page", "api"),
    ("GET", "/", "hoshikage.page:index", "nothing"),
    ("GET", "/page/{file}", "hoshikage.page:file", "nothing"),
    ("GET", "/health", "hoshikage.status:health", "nothing"),
    ("GET", "/admin/models", "hoshikage.admin:listing", "admin"),
    ("POST", "/admin/models", "hoshikage.admin:add", "admin"),
    ("DELETE", "/admin/models/{name:.+}", "hoshikage.admin:remove", "admin"),
    ("POST", "/admin/models/{name:.+}/load", "hoshikage.admin:load", "admin"),
    ("POST", "/admin/models/check", "hoshikage.admin:check", "admin"),
    ("GET", "/admin/personas", "hoshikage.admin_personas:listing", "admin"),
    ("POST", "/admin/personas", "hoshikage.admin_personas:add", "admin"),
    ("DELETE", "/admin/personas/{name:.+}", "hoshikage.admin_personas:remove", "admin"),
    ("GET", "/admin/libraries", "hoshikage.admin_libraries:listing", "admin"),
    ("POST", "/admin/libraries/use", "hoshikage.admin_libraries:use", "admin"),
    ("POST", "/admin/libraries/rollback", "hoshikage.admin_libraries:rollback", "admin"),
    ("GET", "/admin/settings", "hoshikage.admin_server:settings", "admin"),
    ("GET", "/admin/log", "hoshikage.admin_server:log", "admin"),
    ("POST", "/admin/unload", "hoshikage.admin:unload", "admin"),
    ("POST", "/admin/reload", "hoshikage.admin:reload", "admin"),
)

OTHER_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "/v1/chat/completions": ("/chat/completions",),
    "/v1/chat/completions/input_tokens": ("/chat/completions/input_tokens",),
    "/v1/responses": ("/responses",),
    "/v1/responses/input_tokens": ("/responses/input_tokens",),
    "/v1/messages": ("/messages",),
    "/v1/messages/count_tokens": ("/messages/count_tokens",),
    "/v1/rerank": ("/rerank", "/reranking", "/v1/reranking"),
    "/v1/models": ("/models",),
    "/completion": ("/completions",),
    "/embedding": ("/embeddings",),
    "/health": ("/v1/health",),
}
"""Path -> what else it is called by clients of llama-server, or by those whose base URL has no `/v1`."""


def routes() -> tuple[list[web.RouteDef], dict[Handler, Needs]]:
    """For the application; and what each handler needs."""
    found: list[web.RouteDef] = []
    needs: dict[Handler, Needs] = {}
    for method, path, name, what in ROUTES:
        handler = _handler(name)
        needs[handler] = what
        for one in (path, *OTHER_NAMES.get(path, ())):
            found.append(web.get(one, handler) if method == "GET" else web.route(method, one, handler))
    return found, needs  # GET allows HEAD too


def _handler(name: str) -> Handler:
    """What imports its module when it is first called: a server that is asked for chats needs no other protocol."""
    module, _, function = name.partition(":")

    async def handle(request: web.Request) -> web.StreamResponse:
        answer: Handler = getattr(import_module(f"hoshikage.protocols.{module}"), function)
        return await answer(request)

    return handle
