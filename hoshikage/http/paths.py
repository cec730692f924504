"""Gives every request's path one spelling: no slash too many, and no API_PREFIX. Any thread; pure.

Paths are respelt before anything else looks at them, so that access rules and routes always see the same one.
"""

from __future__ import annotations

import re

from aiohttp.http import RawRequestMessage
from yarl import URL


def respelt(message: RawRequestMessage, prefix: str) -> RawRequestMessage:
    """Returns the message with its path as the routes have it. A target that is a whole URL or `*` stays as it is."""
    if not message.path.startswith("/"):
        return message
    path, mark, query = message.path.partition("?")
    clean = plain(path, prefix)
    if clean == path:
        return message
    url = URL.build(path=clean, query_string=query, encoded=True)
    return message._replace(path=f"{clean}{mark}{query}", url=url)


def plain(path: str, prefix: str) -> str:
    """Returns `/v1/models` for `//v1//models/`; without `prefix` where the path begins with it."""
    path = re.sub("/{2,}", "/", path)
    if len(path) > 1:
        path = path.removesuffix("/")
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        path = path[len(prefix) :] or "/"
    return path
