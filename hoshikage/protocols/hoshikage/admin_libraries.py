"""Serves /admin/libraries: what is installed, each with its verdict; another one chosen, or the one before. Event loop
thread.

A choice counts from the next load on; with `now` the loaded model makes way for it, unless it is in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from hoshikage.dispatch.libraries import case_of
from hoshikage.errors import HoshikageError, InstallFailed
from hoshikage.http import error_response
from hoshikage.http.json_body import read_json
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import DISPATCHER, SETTINGS
from hoshikage.messages import describe
from hoshikage.protocols.hoshikage import admin_schema as schema
from hoshikage.protocols.hoshikage.insight import INSIGHT


async def listing(request: web.Request) -> web.Response:
    """Lists what is installed. A library that is not known yet is tried, which takes a moment."""
    case, language = _case(request), error_response.language(request)

    def read() -> dict[str, Any]:
        rows = [row.data(language) for row in case.rows()]
        in_use = next((row["name"] for row in rows if row["in_use"]), None)
        return {"libraries": rows, "in_use": in_use, "notes": case.notes(language)}

    return json_response(await asyncio.to_thread(_read, read))


async def use(request: web.Request) -> web.Response:
    """Only a library that can be used is chosen."""
    body = schema.parse_use(await read_json(request))
    case, language = _case(request), error_response.language(request)
    return await _switched(request, lambda: case.use(body.name, language), body.now)


async def rollback(request: web.Request) -> web.Response:
    """Goes back to the library before the last choice or installation, else to the last other one that loaded a
    model."""
    body = schema.parse_rollback(await read_json(request))
    case, language = _case(request), error_response.language(request)
    return await _switched(request, lambda: case.rollback(language), body.now)


async def _switched(request: web.Request, change: Callable[[], Any], now: bool) -> web.Response:
    done = await asyncio.to_thread(_read, change)
    notes = await asyncio.to_thread(_case(request).notes, error_response.language(request))
    unloaded = False
    if now:
        try:
            await request.app[DISPATCHER].unload()
            unloaded = True
        except HoshikageError as error:  # the choice stands; the model in use ends with the old one
            notes.append(describe(error_response.language(request), error))
    return json_response(
        {"name": done.name, "file": str(done.file), "release": done.release, "unloaded": unloaded, "notes": notes}
    )


def _case(request: web.Request) -> Any:
    return case_of(request.app[SETTINGS], request.app[INSIGHT].environ)


def _read(work: Callable[[], Any]) -> Any:
    """Raises InstallFailed where the disk refuses."""
    try:
        return work()
    except OSError as error:
        where = str(error.filename or "")
        raise InstallFailed("library.io_failed", path=where, reason=error.strerror or str(error)) from None
