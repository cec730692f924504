"""Makes the OpenAPI document when it is first asked for: it takes the schemas of all protocols. Any thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from hoshikage.messages import Language
from hoshikage.protocols.route import Route


class OpenApiDocument:
    """Describes the routes."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._trees: dict[Language, dict[str, Any]] = {}

    def tree(self, language: Language) -> dict[str, Any]:
        if language not in self._trees:
            from hoshikage.protocols.hoshikage.openapi import document

            self._trees[language] = document(self._routes, language)
        return self._trees[language]


OPENAPI: Final = web.AppKey("openapi", OpenApiDocument)
