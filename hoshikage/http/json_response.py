"""The one way a value becomes a JSON answer. Any thread; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web


def json_response(value: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> web.Response:
    """The answer holds `value` as JSON in UTF-8."""
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )
