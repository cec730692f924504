"""Serves /admin/cache: what is stored of conversations (KV_STORE, saved slots), and its removal. Event loop thread."""

from __future__ import annotations

from aiohttp import web

from hoshikage.http.json_response import json_response
from hoshikage.http.keys import DISPATCHER


async def listing(request: web.Request) -> web.Response:
    """Lists each conversation without its words, the newest first."""
    rows = await request.app[DISPATCHER].stored()
    return json_response({"data": [row.to_json() for row in rows], "bytes": sum(row.size for row in rows)})


async def clear(request: web.Request) -> web.Response:
    """Removes all of it. What a loaded model keeps in its memory stays there."""
    gone = await request.app[DISPATCHER].clear_stored()
    return json_response({"removed": len(gone), "bytes": sum(row.size for row in gone)})
