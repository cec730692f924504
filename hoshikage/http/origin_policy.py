"""Decides by which name, from which page and over which socket the server may be spoken to. Any thread; pure.

A page in a browser can reach every port of its machine. Checking the Host header on every route stops DNS rebinding
(a foreign name that resolves to 127.0.0.1), checking Origin and Sec-Fetch-Site stops plain requests across sites.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from hoshikage.errors import PermissionRefused, SettingInvalid
from hoshikage.frozen import Frozen
from hoshikage.http.origins import ANY, WEB, Origins
from hoshikage.settings import Settings

LOCAL_NAMES: Final = frozenset({"localhost"})
MAX_SHOWN: Final = 200
"""A refusal quotes so many characters of an origin at most."""


def is_loopback(host: str) -> bool:
    """Returns whether the host is `localhost` or an address of 127.0.0.0/8 or ::1; other names are not looked up."""
    if host.lower() in LOCAL_NAMES:
        return True
    address = _address(host)
    return address is not None and address.is_loopback


class OriginPolicy(Frozen, frozen=True):
    """The server answers to this, whoever asks."""

    names: frozenset[str]
    """`names` are the server's own, beside those of this machine."""
    origins: Origins
    """`origins` are the other sites whose pages may use the server."""
    unix_socket: str | None
    """`unix_socket` is the path of a socket that only this user can open; None where there is none."""
    exposed: bool
    """`exposed` tells whether other machines can reach it."""
    needs_token: bool

    @classmethod
    def of(cls, settings: Settings, exposed: bool) -> OriginPolicy:
        """Raises SettingInvalid where every site's pages could use the server without a token."""
        needs_token = exposed or settings.require_token == "always"
        origins = Origins.of(settings.cors_origins)
        if origins.any_site and not needs_token:
            raise SettingInvalid("http.any_origin")
        own = settings.host.lower().removeprefix("[").removesuffix("]")
        return cls(
            frozenset((own, *settings.allowed_hosts)),
            origins,
            str(settings.unix_socket) if settings.unix_socket else None,
            exposed,
            needs_token,
        )

    def is_private(self, request: web.Request) -> bool:
        """Whether the request came by the Unix socket, which only this user can open and no browser can."""
        transport = request.transport
        return self.unix_socket is not None and (
            transport is not None and transport.get_extra_info("sockname") == self.unix_socket
        )

    def check(self, request: web.Request, *, admin: bool = False) -> None:
        """Raises PermissionRefused for a request that a foreign page may have caused.

        `admin`: the request is for an admin route, which no page but one of this very server may use.
        """
        if self.is_private(request):
            return
        hosts = request.headers.getall("Host", [])
        host = _name(hosts[0]) if len(hosts) == 1 else None
        if host is None or not self._is_mine(host) or not self._is_target_mine(request.raw_path):
            raise PermissionRefused("http.host_refused")
        origins = request.headers.getall("Origin", [])
        site = request.headers.get("Sec-Fetch-Site", "").strip().lower()
        if admin:
            if not all(_is_same(origin, hosts[0]) for origin in origins) or site not in ("", "none", "same-origin"):
                raise PermissionRefused("http.admin_origin_refused")
            return
        if origins and self.listed_origin(request) is not None:
            return
        for origin in origins:
            if not self._is_own_page(origin, host):
                raise PermissionRefused("http.origin_refused", origin=_shown(origin))
        if site == "cross-site":
            raise PermissionRefused("http.site_refused")

    def listed_origin(self, request: web.Request) -> str | None:
        """Returns what to allow the browser by name: the one Origin that is listed, or `*` where all are."""
        origins = request.headers.getall("Origin", [])
        if len(origins) != 1:
            return None
        if self.origins.any:
            return ANY
        return origins[0] if self.origins.lists(origins[0]) else None

    def _is_mine(self, host: str) -> bool:
        # A literal address cannot be rebound: a page that asks for it by that name came from there.
        return host in self.names or is_loopback(host) or (self.exposed and _address(host) is not None)

    def _is_target_mine(self, target: str) -> bool:
        """Returns whether the request's target is this server: a path, or a whole URL with a host of ours. Such a host
        goes before the Host header (RFC 9112, 3.2.2)."""
        if target.startswith("/") or target == "*":
            return True
        host = _name(target.partition("://")[2].partition("/")[0].partition("?")[0])
        return host is not None and self._is_mine(host)

    def _is_own_page(self, origin: str, host: str) -> bool:
        scheme, separator, authority = origin.partition("://")
        if not separator or scheme not in WEB:
            return False
        name = _name(authority)
        return name is not None and (name == host or name in self.names or is_loopback(name))


def _is_same(origin: str, host: str) -> bool:
    """Returns whether the page came from the address that the request was sent to."""
    scheme, separator, authority = origin.partition("://")
    return bool(separator) and scheme in WEB and authority.lower() == host.lower()


def _shown(origin: str) -> str:
    return origin[:MAX_SHOWN].encode("ascii", "replace").decode() or "(empty)"


def _name(authority: str) -> str | None:
    """Returns `host` of `host` or `host:port`, in small letters; None for anything else."""
    try:
        parts = urlsplit(f"//{authority}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return None
    return None if parts.path or parts.query or parts.fragment or "@" in parts.netloc else name


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
