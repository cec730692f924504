"""Reads bodies of multipart/form-data: their fields, each once, from a body that is bounded as all are. Event loop
thread; what has megabytes is taken apart in a worker."""

from __future__ import annotations

import asyncio
import re
from email.message import Message
from typing import Final

from aiohttp import web

from hoshikage.errors import BodyTooLarge, InvalidRequest, UnsupportedMediaType
from hoshikage.http.bodies import MAX_BYTES, MAX_MEDIA_BYTES
from hoshikage.http.keys import BODIES

FORM: Final = "multipart/form-data"
LIMIT: Final = MAX_BYTES + MAX_MEDIA_BYTES
MAX_FIELDS: Final = 64
NAME: Final = re.compile(
    rb'^content-disposition:[^\r\n]*?;[ \t]*name="([^"\r\n]{1,128})"', re.IGNORECASE | re.MULTILINE
)
"""The pattern is bound to a line's beginning, so that each line is read once."""
LIST: Final = "[]"
"""A field that may come several times has a name with this end."""


async def read_form(request: web.Request) -> dict[str, bytes]:
    """Reads the form: each field's name leads to its content. Raises UnsupportedMediaType, BodyTooLarge,
    RequestTimedOut, InvalidRequest."""
    if request.content_type != FORM:
        raise UnsupportedMediaType("http.form_type")
    if (request.content_length or 0) > LIMIT:
        raise BodyTooLarge("http.body_too_large", limit=LIMIT)
    try:
        async with request.app[BODIES].of(request, LIMIT) as raw:
            return await asyncio.to_thread(fields_of, raw, request.headers["Content-Type"])
    except web.RequestPayloadError:
        raise InvalidRequest("http.body_undecodable") from None


def fields_of(raw: bytes, content_type: str) -> dict[str, bytes]:
    """Returns the fields of a form, those of a list one a line. Raises InvalidRequest for a body that is none, and for
    another field that is there twice."""
    head = Message()
    head["Content-Type"] = content_type
    boundary = str(head.get_param("boundary") or "").encode("utf-8", "replace")
    parts = (b"\r\n" + raw).split(b"\r\n--" + boundary, MAX_FIELDS + 1) if boundary else []
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise InvalidRequest("http.form_damaged", limit=MAX_FIELDS)
    result: dict[str, bytes] = {}
    for part in parts[1:-1]:
        described, between, content = part.partition(b"\r\n\r\n")
        match = NAME.search(described)
        if match is None or not between:
            raise InvalidRequest("http.form_damaged", limit=MAX_FIELDS)
        name = match[1].decode("utf-8", "replace")
        if name in result and not name.endswith(LIST):
            raise InvalidRequest("http.duplicate_key", param=name, place=name, shown=name)
        result[name] = result[name] + b"\n" + content if name in result else content
    return result
