"""Fetches pictures from the network, where ALLOW_REMOTE_IMAGES is on. Event loop thread.

Whoever may ask this server must not reach by it what only this machine reaches. An address is resolved first, looked
at, and connected to as it was resolved; each redirect anew. No proxy, no cookies, no names and passwords.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from hoshikage.answer.schema.media import MAX_BYTES, MAX_MEDIA
from hoshikage.errors import Detail, HoshikageError, InvalidRequest

TIMEOUT_S: Final = 20.0
"""All downloads of one request together may take this many seconds."""
MAX_REDIRECTS: Final = 3
MAX_URL: Final = 4096
CHUNK: Final = 64 * 1024
REDIRECTS: Final = (301, 302, 303, 307, 308)
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Returns whether the address is one of the internet's, whatever form it is written in."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


class _Refused(OSError):
    """The host has an address that nothing is fetched from."""


class _Resolver(AbstractResolver):
    """Gives the addresses that may be connected to."""

    def __init__(self, allows: Callable[[Address], bool]) -> None:
        self._allows = allows

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        if not all(self._allows(ipaddress.ip_address(str(one[4][0]).partition("%")[0])) for one in addresses):
            raise _Refused(host)
        return [
            ResolveResult(
                hostname=host, host=str(to[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, to in addresses
        ]

    async def close(self) -> None:
        pass


class Fetching:
    """Fetches the pictures of one request. `allows` says which addresses may be connected to."""

    def __init__(self, allows: Callable[[Address], bool] = is_public, timeout_s: float = TIMEOUT_S) -> None:
        self._allows = allows
        self._timeout_s = timeout_s

    async def fetch(self, urls: Iterable[str]) -> dict[str, bytes | HoshikageError]:
        """Returns what each address brings, or why it brings nothing; the first are fetched first. Never raises for
        one."""
        result: dict[str, bytes | HoshikageError] = {}
        room = MAX_BYTES
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        for url in list(dict.fromkeys(urls))[:MAX_MEDIA]:
            try:
                data = await self._fetch(url, room, deadline)
            except HoshikageError as error:
                result[url] = error
                continue
            room -= len(data)
            result[url] = data
        return result

    async def _fetch(self, address: str, room: int, deadline: float) -> bytes:
        """Raises InvalidRequest."""
        url = _url(address)
        host = url.host or ""
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        try:
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=_Resolver(self._allows), use_dns_cache=False, force_close=True, limit=1
                ),
                timeout=aiohttp.ClientTimeout(total=left),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"User-Agent": "hoshikage", "Accept": "image/*", "Accept-Encoding": "identity"},
            ) as session:
                return await asyncio.wait_for(self._follow(session, url, room), left)
        except asyncio.TimeoutError:
            raise _refused("media.remote_slow", host=host, seconds=int(self._timeout_s)) from None
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, _Refused):
                raise _refused("media.remote_address", host=str(error.os_error)) from None
            raise _refused("media.remote_failed", host=host, reason=error.strerror or "-") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _refused("media.remote_failed", host=host, reason=type(error).__name__) from None

    async def _follow(self, session: aiohttp.ClientSession, url: URL, room: int) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            self._require_allowed(url)
            async with session.get(url, allow_redirects=False) as answer:
                if answer.status not in REDIRECTS or not (to := answer.headers.get("Location")):
                    return await _read(answer, url, room)
                before, url = url, _url(str(url.join(URL(to))))
                if before.scheme == "https" and url.scheme != "https":
                    raise _refused("media.remote_url")
        raise _refused("media.remote_redirects", host=url.host or "")

    def _require_allowed(self, url: URL) -> None:
        """Raises InvalidRequest. Names are looked at where they are resolved; addresses are not resolved."""
        host = url.host or ""
        try:
            is_allowed = self._allows(ipaddress.ip_address(host.partition("%")[0]))
        except ValueError:
            is_allowed = not (":" in host or host.replace(".", "").isdigit())  # an address in a form of its own
        if not is_allowed:
            raise _refused("media.remote_address", host=host)


def _refused(key: str, **details: Detail) -> InvalidRequest:
    """Makes the refusal; who asked for the picture knows its place."""
    return InvalidRequest.of(key, {"place": "", **details})


async def _read(answer: aiohttp.ClientResponse, url: URL, room: int) -> bytes:
    if answer.status != 200:
        raise _refused("media.remote_status", host=url.host or "", status=answer.status)
    parts: list[bytes] = []
    size = answer.content_length or 0
    if size <= room:
        size = 0
        async for part in answer.content.iter_chunked(CHUNK):
            size += len(part)
            if size > room:
                break
            parts.append(part)
    if size > room:
        raise _refused("media.bytes", limit=MAX_BYTES >> 20)
    return b"".join(parts)


def _url(text: str) -> URL:
    """Parses the address. Raises InvalidRequest for one that nothing is fetched from."""
    try:
        url = URL(text)
        is_fine = url.scheme in ("http", "https") and bool(url.host) and url.user is None and url.password is None
        is_fine = is_fine and url.port is not None
    except ValueError:
        is_fine = False
    if not is_fine or len(text) > MAX_URL:
        raise _refused("media.remote_url")
    return url
