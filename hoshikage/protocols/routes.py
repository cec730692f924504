"""Lists every route: what answers it, what a caller needs, and what OpenAPI says of it. No thread of its own.

The names of modules stand in functions, so each protocol is imported when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aiohttp import web

from hoshikage.protocols import anthropic, llama_server, ollama, openai
from hoshikage.protocols import hoshikage as own
from hoshikage.protocols.route import NDJSON, SSE, Handler, Route

if TYPE_CHECKING:
    from hoshikage.answer.schema.request_body import RequestBody
    from hoshikage.http.authenticator import Needs


def _chat_body() -> RequestBody:
    from hoshikage.answer.schema import chat

    return chat.BODY


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST",
        "/v1/chat/completions",
        lambda: openai.chat.completions,
        body=_chat_body,
        stream=SSE,
        other_paths=("/chat/completions",),
    ),
    Route(
        "POST",
        "/v1/chat/completions/input_tokens",
        lambda: openai.chat.input_tokens,
        body=_chat_body,
        other_paths=("/chat/completions/input_tokens",),
    ),
    Route(
        "POST",
        "/v1/responses",
        lambda: openai.responses.create,
        body=lambda: openai.responses_schema.BODY,
        stream=SSE,
        other_paths=("/responses",),
    ),
    Route(
        "POST",
        "/v1/responses/input_tokens",
        lambda: openai.responses.input_tokens,
        body=lambda: openai.responses_schema.BODY,
        other_paths=("/responses/input_tokens",),
    ),
    Route("GET", "/v1/responses/{id}", lambda: openai.responses.retrieve, queries=("stream",)),
    Route("DELETE", "/v1/responses/{id}", lambda: openai.responses.delete),
    Route(
        "POST",
        "/v1/messages",
        lambda: anthropic.handlers.create,
        body=lambda: anthropic.messages_schema.BODY,
        stream=SSE,
        other_paths=("/messages",),
    ),
    Route(
        "POST",
        "/v1/messages/count_tokens",
        lambda: anthropic.handlers.count_tokens,
        body=lambda: anthropic.messages_schema.BODY,
        other_paths=("/messages/count_tokens",),
    ),
    Route("POST", "/api/chat", lambda: ollama.handlers.chat, body=lambda: ollama.ollama_schema.CHAT, stream=NDJSON),
    Route(
        "POST",
        "/api/generate",
        lambda: ollama.handlers.generate,
        body=lambda: ollama.ollama_schema.GENERATE,
        stream=NDJSON,
    ),
    Route("POST", "/api/embed", lambda: ollama.handlers.embed, body=lambda: ollama.ollama_schema.EMBED),
    Route("POST", "/api/embeddings", lambda: ollama.handlers.embeddings, body=lambda: ollama.ollama_schema.EMBEDDINGS),
    Route("GET", "/api/tags", lambda: ollama.handlers.tags),
    Route("POST", "/api/show", lambda: ollama.handlers.show, body=lambda: ollama.ollama_schema.SHOW),
    Route("POST", "/api/copy", lambda: ollama.naming.copy, needs="admin", body=lambda: ollama.ollama_schema.COPY),
    Route(
        "DELETE", "/api/delete", lambda: ollama.naming.delete, needs="admin", body=lambda: ollama.ollama_schema.DELETE
    ),
    Route(
        "POST",
        "/api/pull",
        lambda: ollama.pull.pull,
        body=lambda: ollama.ollama_schema.PULL,
        needs="admin",
        stream=NDJSON,
    ),
    Route("GET", "/api/ps", lambda: ollama.handlers.ps),
    Route("GET", "/api/version", lambda: ollama.handlers.version),
    Route(
        "POST",
        "/v1/completions",
        lambda: openai.completions.completions,
        body=lambda: openai.completions_schema.BODY,
        stream=SSE,
    ),
    Route(
        "POST",
        "/v1/audio/transcriptions",
        lambda: openai.transcriptions.transcriptions,
        body=lambda: openai.transcriptions_schema.BODY,
        takes="multipart/form-data",
        stream=SSE,
        answers=("application/json", "text/plain"),
        other_paths=("/audio/transcriptions",),
    ),
    Route(
        "POST", "/v1/embeddings", lambda: openai.embeddings.embeddings, body=lambda: openai.embeddings_schema.EMBEDDINGS
    ),
    Route(
        "POST",
        "/v1/rerank",
        lambda: openai.embeddings.rerank,
        body=lambda: openai.embeddings_schema.RERANK,
        other_paths=("/rerank", "/reranking", "/v1/reranking"),
    ),
    Route(
        "POST",
        "/completion",
        lambda: llama_server.handlers.completion,
        body=lambda: llama_server.native_schema.COMPLETION,
        stream=SSE,
        other_paths=("/completions",),
    ),
    Route(
        "POST",
        "/infill",
        lambda: llama_server.handlers.infill,
        body=lambda: llama_server.native_schema.INFILL,
        stream=SSE,
    ),
    Route(
        "POST",
        "/embedding",
        lambda: llama_server.handlers.embedding,
        body=lambda: llama_server.native_schema.EMBEDDING,
        other_paths=("/embeddings",),
    ),
    Route(
        "POST", "/tokenize", lambda: llama_server.handlers.tokenize, body=lambda: llama_server.native_schema.TOKENIZE
    ),
    Route(
        "POST",
        "/detokenize",
        lambda: llama_server.handlers.detokenize,
        body=lambda: llama_server.native_schema.DETOKENIZE,
    ),
    Route("POST", "/apply-template", lambda: llama_server.handlers.apply_template, body=_chat_body),
    Route("GET", "/props", lambda: llama_server.props.props, queries=("model",), refusals=(404,)),
    Route("GET", "/slots", lambda: llama_server.props.slots, queries=("fail_on_no_slot",), refusals=(503,)),
    Route(
        "POST",
        "/slots/{id}",
        lambda: llama_server.slot_actions.act,
        body=lambda: llama_server.slot_actions.BODY,
        needs="admin",
        queries=("action", "model"),
    ),
    Route("GET", "/lora-adapters", lambda: llama_server.lora_adapters.listing, queries=("model",), refusals=(404,)),
    Route(
        "POST",
        "/lora-adapters",
        lambda: llama_server.lora_adapters.choose,
        body=lambda: llama_server.lora_adapters.CHOICE,
        needs="admin",
        queries=("model",),
    ),
    Route("GET", "/metrics", lambda: own.metrics.metrics, answers=("text/plain",)),
    Route("GET", "/v1/models", lambda: openai.models.listing, other_paths=("/models",)),
    Route("GET", "/v1/models/{id:.+}", lambda: openai.models.one),
    Route("GET", "/api/v0/models", lambda: openai.lm_studio.listing),
    Route("GET", "/api/v0/models/{id:.+}", lambda: openai.lm_studio.one),
    Route(
        "GET",
        "/v1/memory",
        lambda: own.memory.listing,
        queries=("scope", "conversation", "limit", "offset"),
        refusals=(501, 503),
    ),
    Route("POST", "/v1/memory/search", lambda: own.memory.search, body=lambda: own.memory_schema.SEARCH),
    Route("DELETE", "/v1/memory", lambda: own.memory.clear, queries=("scope", "conversation"), refusals=(501, 503)),
    Route("DELETE", "/v1/memory/{id}", lambda: own.memory.forget, queries=("scope",), refusals=(501, 503)),
    Route("GET", "/v1/status", lambda: own.status.status),
    Route("GET", "/v1/capabilities", lambda: own.capabilities.capabilities),
    Route("GET", "/v1/api/version", lambda: own.status.version),
    Route("GET", "/openapi.json", lambda: own.reference.document),
    Route("GET", "/docs", lambda: own.reference.page, answers=("text/html",)),
    Route("GET", "/", lambda: own.page.index, needs="nothing", answers=("text/html", "text/plain")),
    Route("GET", "/page/{file}", lambda: own.page.file, needs="nothing", answers=("text/javascript",)),
    Route("GET", "/health", lambda: own.status.health, needs="nothing", other_paths=("/v1/health",)),
    Route("GET", "/admin/models", lambda: own.admin.listing, needs="admin"),
    Route("POST", "/admin/models", lambda: own.admin.add, needs="admin", body=lambda: own.admin_schema.MODEL),
    Route("DELETE", "/admin/models/{name:.+}", lambda: own.admin.remove, needs="admin"),
    Route("POST", "/admin/models/{name:.+}/load", lambda: own.admin.load, needs="admin"),
    Route("POST", "/admin/models/{name:.+}/unload", lambda: own.admin.unload_one, needs="admin"),
    Route("POST", "/admin/models/check", lambda: own.admin.check, needs="admin", body=lambda: own.admin_schema.CHECK),
    Route("GET", "/admin/personas", lambda: own.admin_personas.listing, needs="admin"),
    Route(
        "POST", "/admin/personas", lambda: own.admin_personas.add, needs="admin", body=lambda: own.admin_schema.PERSONA
    ),
    Route("DELETE", "/admin/personas/{name:.+}", lambda: own.admin_personas.remove, needs="admin"),
    Route("GET", "/admin/libraries", lambda: own.admin_libraries.listing, needs="admin"),
    Route(
        "POST",
        "/admin/libraries/use",
        lambda: own.admin_libraries.use,
        needs="admin",
        body=lambda: own.admin_schema.USE,
    ),
    Route(
        "POST",
        "/admin/libraries/rollback",
        lambda: own.admin_libraries.rollback,
        needs="admin",
        body=lambda: own.admin_schema.ROLLBACK,
    ),
    Route("GET", "/admin/settings", lambda: own.admin_server.settings, needs="admin"),
    Route("GET", "/admin/log", lambda: own.admin_server.log, needs="admin", queries=("after",)),
    Route("GET", "/admin/cache", lambda: own.admin_cache.listing, needs="admin"),
    Route("DELETE", "/admin/cache", lambda: own.admin_cache.clear, needs="admin"),
    Route("POST", "/admin/unload", lambda: own.admin.unload, needs="admin"),
    Route("POST", "/admin/reload", lambda: own.admin.reload, needs="admin"),
)


@cache
def routes() -> tuple[tuple[web.AbstractResource, ...], Mapping[Handler, Needs]]:
    """Returns the paths with what answers there, and what each handler needs; every application takes the same ones."""
    router = web.UrlDispatcher()
    needs: dict[Handler, Needs] = {}
    for row in ROUTES:
        handler = _handler(row)
        needs[handler] = row.needs
        for path in (row.path, *row.other_paths):
            if row.method == "GET":
                router.add_get(path, handler)  # allows HEAD too
            else:
                router.add_route(row.method, path, handler)
    return tuple(router.resources()), MappingProxyType(needs)


def _handler(row: Route) -> Handler:
    """Makes what imports the route's protocol when it is first called: a server that is asked for chats needs no
    other."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await row.handler()(request)

    return handle
