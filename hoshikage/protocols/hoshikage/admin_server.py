"""Serves /admin/settings and /admin/log: what the server runs with, and the last lines of its log. Event loop thread.

The log holds no prompts, no answers, no headers; see `http.middleware.AccessLog`.
"""

from __future__ import annotations

from aiohttp import web

from hoshikage.errors import InvalidRequest
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import SETTINGS
from hoshikage.in_force import in_force
from hoshikage.protocols.hoshikage.insight import INSIGHT
from hoshikage.settings import cache_dir, config_dir


async def settings(request: web.Request) -> web.Response:
    """Lists each setting in force and where it came from: a flag, the environment, a file, the default."""
    rows = in_force(request.app[SETTINGS], request.app[INSIGHT].sources)
    return json_response({"settings": rows, "folders": {"config": str(config_dir()), "cache": str(cache_dir())}})


async def log(request: web.Request) -> web.Response:
    """Returns the log's lines since `after`, of which at most the last 500 are kept; `next` is what to ask after next
    time."""
    after = request.query.get("after", "0")
    if not (after.isascii() and after.isdecimal() and len(after) <= 15):
        raise InvalidRequest("http.log_after", param="after")
    last, lines = request.app[INSIGHT].lines(int(after))
    return json_response({"lines": lines, "next": last})
