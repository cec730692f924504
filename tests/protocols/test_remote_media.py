"""Tests pictures on the network: off by default, and never from this machine or its networks."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from aiohttp import web

from hoshikage.answer import remote
from hoshikage.answer.remote import Fetching, is_public
from hoshikage.errors import HoshikageError
from tests.media_samples import STAR


class Site:
    """This is a site on a free port of 127.0.0.1, and what was asked of it."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[web.Request] = []
        self.hang: Any = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        what = request.path
        if what == "/star.png":
            return web.Response(body=STAR, content_type="text/html")
        if what == "/again":
            return web.Response(status=302, headers={"Location": "/again"})
        if what == "/moved":
            return web.Response(status=301, headers={"Location": "star.png"})
        if what == "/inside":
            return web.Response(status=302, headers={"Location": request.query["to"]})
        if what == "/slow":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(STAR)
            await self.hang.wait()
            return response
        if what == "/large":
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(20):
                await response.write(bytes(1000))
            return response
        return web.Response(status=404)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    result = Site()
    result.hang = asyncio.Event()
    app = web.Application()
    app.router.add_get("/{path:.*}", result.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    result.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield result
    result.hang.set()
    await runner.cleanup()


def loopback(address: remote.Address) -> bool:
    """Allows a site of this machine: all of 127.0.0.1, and nothing else."""
    return address == ipaddress.ip_address("127.0.0.1")


async def outcome(url: str, fetching: Fetching | None = None) -> bytes | HoshikageError:
    return (await (fetching or Fetching(loopback)).fetch([url]))[url]


def key(result: bytes | HoshikageError) -> str:
    assert isinstance(result, HoshikageError)
    return result.key


async def test_a_picture_is_fetched_without_a_word_about_who_asks(site: Site) -> None:
    assert await outcome(f"{site.url}/star.png") == STAR
    assert await outcome(f"{site.url}/moved") == STAR
    assert {"Cookie", "Authorization", "Referer"} & set(site.asked[-1].headers) == set()


async def test_no_proxy_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await outcome(f"{site.url}/star.png") == STAR


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0", "[::1]", "[::ffff:127.0.0.1]",
     "10.0.0.1", "192.168.1.1", "169.254.169.254", "[fe80::1]", "[64:ff9b::7f00:1]", "224.0.0.1", "[fd00::1]"],
)  # fmt: skip
async def test_nothing_is_asked_of_this_machine_or_its_networks(site: Site, host: str) -> None:
    port = site.url.rpartition(":")[2]
    refusal = key(await outcome(f"http://{host}:{port}/star.png", Fetching()))
    is_unknown = host == "0x7f000001" and refusal == "media.remote_failed"  # to the resolver of some systems
    assert refusal == "media.remote_address" or is_unknown
    assert site.asked == []


async def test_a_name_is_looked_at_by_what_it_resolves_to(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    port = int(site.url.rpartition(":")[2])

    async def resolved(*_: Any, **__: Any) -> list[Any]:
        public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))
        return [public, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(loop, "getaddrinfo", resolved)
    assert key(await outcome(f"http://two.example:{port}/star.png", Fetching())) == "media.remote_address"
    assert site.asked == []


@pytest.mark.parametrize(
    ("to", "refusal"),
    [
        ("http://192.168.0.1/a.png", "media.remote_address"),
        ("http://[::1]/", "media.remote_address"),
        ("file:///etc/hostname", "media.remote_url"),
        ("ftp://a.example/a", "media.remote_url"),
    ],
)
async def test_a_redirect_is_looked_at_anew(site: Site, to: str, refusal: str) -> None:
    assert key(await outcome(f"{site.url}/inside?to={to}")) == refusal
    assert len(site.asked) == 1


async def test_redirects_have_an_end(site: Site) -> None:
    assert key(await outcome(f"{site.url}/again")) == "media.remote_redirects"
    assert len(site.asked) == remote.MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "url", ["http://user:word@127.0.0.1/a", "http:///a", "http://a:99999/", "http://[::1", "http://" + "a" * 5000]
)
async def test_an_address_that_is_none(url: str) -> None:
    assert key(await outcome(url)) == "media.remote_url"


async def test_a_bound_of_time_holds_for_all_of_them(site: Site) -> None:
    urls = [f"{site.url}/slow", f"{site.url}/slow?2"]
    result = await Fetching(loopback, 0.3).fetch(urls)
    assert [key(result[url]) for url in urls] == ["media.remote_slow"] * 2


async def test_a_bound_of_size_holds_for_all_of_them(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_BYTES", 2 * len(STAR))
    urls = [f"{site.url}/large", f"{site.url}/star.png", f"{site.url}/star.png?2", f"{site.url}/star.png?3"]
    result = await Fetching(loopback).fetch(urls)
    assert [result[url] for url in urls[1:3]] == [STAR, STAR]
    assert [key(result[url]) for url in (urls[0], urls[3])] == ["media.bytes"] * 2


async def test_what_is_not_there(site: Site) -> None:
    assert key(await outcome(f"{site.url}/absent.png")) == "media.remote_status"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert key(await outcome(f"http://127.0.0.1:{port}/")) == "media.remote_failed"


PUBLIC: Final = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34")
INNER: Final = ("100.64.0.1", "0.0.0.0", "255.255.255.255", "2002:7f00:1::", "::", "ff02::1", "192.0.2.1")


@pytest.mark.parametrize("text", [*PUBLIC, *INNER])
def test_which_addresses_are_the_internet_s(text: str) -> None:
    assert is_public(ipaddress.ip_address(text)) == (text in PUBLIC)
