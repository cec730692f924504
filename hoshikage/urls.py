"""Writes addresses as they may be shown. Pure; any thread."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def public(url: str) -> str:
    """Returns the address without what may be secret in it: user, password, query."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an address that is none
        return url.partition("://")[0] + "://"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
