"""Every route, in one list. No thread of its own."""

from __future__ import annotations

from aiohttp import web

from hoshikage.api import chat, models, status


def routes() -> list[web.RouteDef]:
    return [
        web.post("/v1/chat/completions", chat.completions),
        web.get("/v1/models", models.listing),
        web.get("/v1/models/{id:.+}", models.one),  # any id at all: one with a slash is a model that is not known
        web.get("/v1/status", status.status),
        web.get("/v1/api/version", status.version),
        web.get("/health", status.health),
    ]
