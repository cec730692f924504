"""Who may talk to the server: Host, Origin and Sec-Fetch-Site against an allow-list. Any thread; pure.

A page in a browser can reach every port of its machine. Checking the Host header on every route stops DNS rebinding
(a foreign name that resolves to 127.0.0.1), checking Origin and Sec-Fetch-Site stops plain requests across sites.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from hoshikage.errors import PermissionRefused, UsageError

LOCAL_NAMES: Final = frozenset({"localhost"})


def require_loopback(host: str) -> None:
    """Raises UsageError for an address that others can reach: access tokens do not exist yet."""
    if not is_loopback(host):
        raise UsageError("http.not_loopback", host=host)


def is_loopback(host: str) -> bool:
    """For `localhost` and for literal addresses of 127.0.0.0/8 and ::1; other names are not looked up."""
    if host.lower() in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def check(request: web.Request, bound_host: str) -> None:
    """Raises PermissionRefused for a request that a foreign page may have caused."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not _allowed(hosts[0], bound_host):
        raise PermissionRefused("http.host_refused")
    origins = request.headers.getall("Origin", [])
    if not all(_origin_allowed(origin, bound_host) for origin in origins):
        raise PermissionRefused("http.origin_refused")
    if request.headers.get("Sec-Fetch-Site", "").strip().lower() == "cross-site":
        raise PermissionRefused("http.origin_refused")


def _origin_allowed(origin: str, bound_host: str) -> bool:
    scheme, separator, authority = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and _allowed(authority, bound_host)


def _allowed(authority: str, bound_host: str) -> bool:
    """True for `host` or `host:port` of an allowed host, whatever the port."""
    try:
        parts = urlsplit(f"//{authority}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = name is not None and not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return plain and name is not None and (name == bound_host.lower() or is_loopback(name))
