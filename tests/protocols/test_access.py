"""Tests Host, Origin and Sec-Fetch-Site on every route; routes that do not exist; models and status."""

from __future__ import annotations

import asyncio

import openai
import pytest

from hoshikage import __version__
from tests.protocols.conftest import House

ROUTES = ["/health", "/v1/models", "/v1/status", "/v1/api/version", "/nothing"]


async def raw_status(house: House, *header_lines: str, path: str = "/health", method: str = "GET") -> int:
    """The status of a request with exactly these header lines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    lines = [f"{method} {path} HTTP/1.1", *header_lines, "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode())
    status = int((await reader.readline()).split()[1])
    await reader.read()
    writer.close()
    await writer.wait_closed()
    return status


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:3030", "localhost", "LOCALHOST:1", "127.8.9.1", "[::1]", "[::1]:3030"]
)
async def test_local_hosts_are_allowed(house: House, host: str) -> None:
    assert await raw_status(house, f"Host: {host}") == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "evil@127.0.0.1", "127.0.0.1/x",
     "0.0.0.0", "192.168.1.5", "[::1", "127.0.0.1:x", "localhost,evil.example"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/health", "/nothing"])
async def test_foreign_hosts_are_refused_on_every_route(house: House, host: str, path: str) -> None:
    assert await raw_status(house, f"Host: {host}", path=path) == 403


async def test_exactly_one_host(house: House) -> None:
    assert await raw_status(house, "X: y") in (400, 403)  # aiohttp refuses some of these by itself
    assert await raw_status(house, "Host: 127.0.0.1", "Host: evil.example") in (400, 403)


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "header",
    ["Origin: https://evil.example", "Origin: null", "Origin: http://127.0.0.1.evil.example", "Origin: file://",
     "Sec-Fetch-Site: cross-site"],
)  # fmt: skip
async def test_requests_across_sites_are_refused(house: House, path: str, header: str) -> None:
    assert await raw_status(house, "Host: 127.0.0.1", header, path=path) == 403


@pytest.mark.parametrize("header", ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"])
async def test_what_names_no_origin_is_answered_without_cors(house: House, header: str) -> None:
    name, _, value = header.partition(": ")
    async with house.session.get(f"{house.url}/health", headers={name: value}) as response:
        assert response.status == 200
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


async def test_a_refused_request_never_reaches_the_dispatcher(house: House) -> None:
    body = '{"model": "tiny", "messages": [{"role": "user", "content": "x"}]}'
    status, answer, headers = await house.chat(body, Origin="https://evil.example")
    assert (status, answer["error"]["type"], answer["error"]["code"]) == (403, "permission_error", "permission_denied")
    assert headers["x-request-id"].startswith("req_")
    assert house.dispatcher.asked == []


async def test_request_ids_are_our_own(house: House) -> None:
    ids = set()
    for path in (*ROUTES, *ROUTES):
        async with house.session.get(house.url + path, headers={"x-request-id": "mine"}) as response:
            ids.add(response.headers["x-request-id"])
            assert response.headers["Server"] == "hoshikage", "without versions"
    assert len(ids) == 2 * len(ROUTES)
    assert "mine" not in ids


async def test_unknown_routes_and_methods(house: House) -> None:
    async with house.session.get(f"{house.url}/v1/nothing") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, "not_found")
    async with house.session.get(f"{house.url}/v1/chat/completions") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (405, "method_not_allowed")
        assert response.headers["Allow"] == "POST"


async def test_models(house: House) -> None:
    async with house.sdk() as client:
        models = [model async for model in client.models.list()]
        assert [(model.id, model.object, model.owned_by) for model in models] == [("tiny", "model", "tane")]
        assert await client.models.retrieve("tiny") == models[0]
        for unknown in ("none", "org/none"):
            with pytest.raises(openai.NotFoundError) as caught:
                await client.models.retrieve(unknown)
            assert caught.value.code == "model_not_found"


async def test_status_and_version(house: House) -> None:
    async with house.session.get(f"{house.url}/v1/status") as response:
        status = await response.json()
        assert (status["status"], status["version"], status["queue"]["waiting"]) == ("ok", __version__, 0)
    async with house.session.get(f"{house.url}/v1/api/version") as response:
        assert await response.json() == {"version": __version__}
