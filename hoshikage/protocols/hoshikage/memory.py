"""Serves /v1/memory: what is kept of a caller's conversations, listed, searched and forgotten. Event loop thread."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hoshikage.answer.memory_holder import MEMORY
from hoshikage.answer.remembering import scope_of_caller
from hoshikage.errors import InvalidRequest, MemoryNotFound, PermissionRefused
from hoshikage.http.authenticator import CALLER, OWNER
from hoshikage.http.ignored import read_body
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import SETTINGS
from hoshikage.memory.recollection import Recollections, shown
from hoshikage.protocols.hoshikage import memory_schema as schema

EVERY: Final = "*"
"""This scope, which this user's own commands may give, stands for all scopes."""
MAX_DIGITS: Final = 9


async def listing(request: web.Request) -> web.Response:
    """Lists what is kept, the newest first."""
    query = request.query
    limit, offset = _number(query.get("limit", "0"), "limit"), _number(query.get("offset", "0"), "offset")
    result = await _kept(request).browse(
        _scope(request, query.get("scope")), query.get("conversation", ""), limit, offset
    )
    return json_response({"object": "list", "data": [shown(one) for one in result.entries], "total": result.total})


async def search(request: web.Request) -> web.Response:
    """Finds what is kept about something, the nearest first."""
    body = await read_body(request, schema.parse)
    scope = _scope(request, body.scope)
    if not scope:
        raise InvalidRequest("http.field_missing", param="scope", place="scope")
    result = await _kept(request).search(scope, body.query, body.limit or schema.DEFAULT_LIMIT)
    data = [{**shown(one), "distance": round(one.distance, 4)} for one in result]
    return json_response({"object": "list", "data": data, "total": len(data)})


async def forget(request: web.Request) -> web.Response:
    """Forgets one of them."""
    name = request.match_info["id"]
    if not await _kept(request).forget(_scope(request, request.query.get("scope")), ids=(name,)):
        raise MemoryNotFound("remember.not_found", name=name[:100])
    return _gone(request, 1)


async def clear(request: web.Request) -> web.Response:
    """Forgets the entries of one conversation, or all of the scope."""
    conversation = request.query.get("conversation", "")
    scope = _scope(request, request.query.get("scope"))
    count = await _kept(request).forget(scope, conversation=conversation, everything=not conversation)
    return _gone(request, count)


def _gone(request: web.Request, count: int) -> web.Response:
    """Answers how many were forgotten, and `from_files`: whether the text and its vector are gone from the files,
    too."""
    return json_response({"forgotten": count, "from_files": request.app[SETTINGS].chroma_url is None})


def _kept(request: web.Request) -> Recollections:
    """Raises InvalidRequest where nothing is kept here."""
    if not request.app[SETTINGS].memory:
        raise InvalidRequest("remember.off", param="memory")
    return request.app[MEMORY].memory.recollections


def _scope(request: web.Request, scope: str | None) -> str:
    """Returns whose memory is meant; empty for everybody's. Raises PermissionRefused for another caller's."""
    own = scope_of_caller()
    if scope is None or scope == own:
        return own
    if CALLER.get() != OWNER:
        raise PermissionRefused("remember.scope_refused", name=scope[:100])
    return "" if scope == EVERY else scope


def _number(text: str, name: str) -> int:
    """Reads a count in a URL. Raises InvalidRequest."""
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise InvalidRequest("http.wrong_length", param=name, place=name, relation="≥ 0")
    return int(text)
