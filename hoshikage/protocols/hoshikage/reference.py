"""Serves GET /openapi.json and /docs: this API described, to programs and to people. Event loop thread."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from hoshikage.http.error_response import language
from hoshikage.http.json_response import json_response
from hoshikage.protocols.hoshikage import reference_page
from hoshikage.protocols.hoshikage.openapi_document import OPENAPI

HEADERS: Final = {"Vary": "Accept-Language"}
PAGE_HEADERS: Final = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


async def document(request: web.Request) -> web.Response:
    tree: dict[str, Any] = request.app[OPENAPI].tree(language(request))
    return json_response(tree, HEADERS)


async def page(request: web.Request) -> web.Response:
    reader = language(request)
    shown = reference_page.render(request.app[OPENAPI].tree(reader), reader)
    headers = {**PAGE_HEADERS, "Content-Language": reader}
    return web.Response(text=shown, content_type="text/html", charset="utf-8", headers=headers)
