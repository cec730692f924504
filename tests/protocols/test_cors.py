"""Tests pages of other origins: the listed ones get what browsers ask for, the others nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hoshikage.errors import SettingInvalid
from hoshikage.protocols import app
from hoshikage.registry import Registry
from hoshikage.settings import Settings
from tests.protocols.conftest import GatedDispatcher, House, serving

PAGE = "https://app.example"
ASKED = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
}


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    async with serving(replace(settings, cors_origins=(PAGE, "http://localhost:5173"))) as running:
        yield running


def cors(headers: object) -> list[str]:
    return sorted(name.lower() for name in headers if name.lower().startswith("access-control"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:5173"])
async def test_a_listed_page_is_let_in(house: House, origin: str) -> None:
    status, _, headers = await house.ask("OPTIONS", "/v1/chat/completions", Origin=origin, **ASKED)
    assert (status, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (204, origin, "Origin")
    assert {"GET", "POST", "DELETE"} <= set(headers["Access-Control-Allow-Methods"].split(", "))
    assert headers["Access-Control-Allow-Headers"] == ASKED["Access-Control-Request-Headers"]
    assert "Access-Control-Allow-Credentials" not in headers
    for path, expected in (("/v1/models", 200), ("/v1/models/none", 404), ("/nothing", 404)):
        status, _, headers = await house.ask("GET", path, **{"Origin": origin, "Sec-Fetch-Site": "cross-site"})
        assert (status, headers["Access-Control-Allow-Origin"]) == (expected, origin)
        assert "x-request-id" in headers["Access-Control-Expose-Headers"]


async def test_a_stream_is_readable_too(house: House) -> None:
    body = '{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": true}'
    headers = {"Content-Type": "application/json", "Origin": PAGE}
    async with house.session.post(f"{house.url}/v1/chat/completions", data=body, headers=headers) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
        assert (await response.text()).endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://app.example.evil.example", "http://app.example", "https://app.example:444",
     "https://APP.example", "null", "https://app.example/", "*", ""],
)  # fmt: skip
async def test_a_foreign_page_is_not_named(house: House, origin: str) -> None:
    for method, more in (("OPTIONS", ASKED), ("GET", {}), ("POST", {"Content-Type": "text/plain"})):
        status, _, headers = await house.ask(method, "/v1/models", Origin=origin, **more)
        assert status == 403
        assert cors(headers) == []
        assert headers["Vary"] == "Origin"


async def test_a_local_page_that_is_not_listed_cannot_read(house: House) -> None:
    status, _, headers = await house.ask("GET", "/v1/models", Origin="http://localhost:9999")
    assert (status, cors(headers)) == (200, [])
    status, _, headers = await house.ask("OPTIONS", "/v1/models", Origin="http://localhost:9999", **ASKED)
    assert (status, cors(headers)) == (405, [])


async def test_two_origins_are_refused(house: House) -> None:
    from tests.protocols.test_access import raw_status

    assert await raw_status(house, "Host: localhost", f"Origin: {PAGE}", "Origin: https://evil.example") == 403


@pytest.mark.parametrize("path", ["/admin/models", "/admin/reload", "/admin"])
async def test_no_page_may_administer(house: House, path: str) -> None:
    status, _, headers = await house.ask("OPTIONS", path, Origin=PAGE, **ASKED)
    assert (status, cors(headers)) == (403, [])
    for origin in (PAGE, "http://localhost:5173", "null", f"http://localhost:{house.port}"):
        status, told, headers = await house.ask("GET", path, Origin=origin)
        assert (status, cors(headers)) == (403, [])
        assert f"{told['error']['message']}".startswith("管理用の URL")


async def test_our_own_page_may_administer_with_the_admin_token(house: House, settings: Settings) -> None:
    own = {"Origin": house.url, "Sec-Fetch-Site": "same-origin"}
    assert (await house.ask("GET", "/admin/models", **own))[0] == 401
    token = settings.admin_token_file.read_text().strip()
    status, _, headers = await house.ask("GET", "/admin/models", Authorization=f"Bearer {token}", **own)
    assert (status, cors(headers)) == (200, [])
    status, _, _ = await house.ask("GET", "/admin/models", Authorization=f"Bearer {token}", Origin="http://localhost:1")
    assert status == 403


@pytest.mark.parametrize("wanted", ["x\ty", "a" * 3000, "évil"])
async def test_odd_header_lists_are_not_echoed(house: House, wanted: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": wanted}
    _, _, headers = await house.ask("OPTIONS", "/v1/models", Origin=PAGE, **asked)
    assert "Access-Control-Allow-Headers" not in headers


async def test_every_origin_only_with_tokens(settings: Settings) -> None:
    registry = Registry(settings.model_map_file)
    for listed in ("*", "https://*", "http://*:*", "https://*.*"):
        with pytest.raises(SettingInvalid) as caught:
            app.create(replace(settings, cors_origins=(listed,)), registry, GatedDispatcher())
        assert caught.value.key == "http.any_origin"
    async with serving(replace(settings, cors_origins=("*",), require_token="always")) as house:
        for origin in ("https://anything.example", "null"):
            status, _, headers = await house.ask("OPTIONS", "/v1/models", Origin=origin, **ASKED)
            assert (status, headers["Access-Control-Allow-Origin"]) == (204, "*")
            status, _, headers = await house.ask("GET", "/v1/models", Origin=origin)
            assert (status, headers["Access-Control-Allow-Origin"]) == (401, "*")
            assert "Vary" not in headers


LOCAL = ("http://localhost", "http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8080")
PROGRAMS = ("app://obsidian.md", "tauri://localhost", "vscode-webview://1a2b3c", "vscode-file://vscode-app")
STRANGERS = (
    "https://evil.example", "http://localhost.evil.example", "http://localhost:3000.evil.example", "https://localhost@x",
    "http://127.0.0.1.evil.example:80", "null", "file://", "chrome-extension://abcdef", "moz-extension://1-2",
    "capp://x", "app://", "tauri://a/b", "http://localhost:x", "https://localhost:3000/",
)  # fmt: skip


@pytest.mark.parametrize("origin", [*LOCAL, *PROGRAMS])
async def test_pages_of_this_machine_and_of_programs_are_let_in_by_default(settings: Settings, origin: str) -> None:
    async with serving(settings) as house:
        status, _, headers = await house.ask("OPTIONS", "/v1/chat/completions", Origin=origin, **ASKED)
        assert (status, headers.get("Access-Control-Allow-Origin")) == (204, origin)
        for site in ("cross-site", "same-site"):
            status, _, headers = await house.ask("GET", "/v1/models", **{"Origin": origin, "Sec-Fetch-Site": site})
            assert (status, headers.get("Access-Control-Allow-Origin")) == (200, origin)


@pytest.mark.parametrize("origin", STRANGERS)
async def test_no_web_site_and_nothing_that_only_looks_alike_is(settings: Settings, origin: str) -> None:
    async with serving(settings) as house:
        status, told, headers = await house.ask("POST", "/v1/chat/completions", "{}", Origin=origin)
        assert (status, cors(headers)) == (403, [])
        assert origin in told["error"]["message"]
        assert "CORS_ORIGINS" in told["error"]["message"]


@pytest.mark.parametrize(
    ("listed", "origin"),
    [
        ("chrome-extension://*", "chrome-extension://abcdef"),
        ("null", "null"),
        ("file://", "file://"),
        ("https://*.example.com", "https://a.b.example.com"),
        ("https://example.com:*", "https://example.com"),
        ("https://example.com:*", "https://example.com:8443"),
    ],
)
async def test_patterns_that_are_listed_let_in(settings: Settings, listed: str, origin: str) -> None:
    async with serving(replace(settings, cors_origins=(listed,))) as house:
        status, _, headers = await house.ask("GET", "/v1/models", Origin=origin)
        assert (status, headers.get("Access-Control-Allow-Origin")) == (200, origin)
        assert (await house.ask("GET", "/v1/models", Origin=f"{origin}.evil.example"))[0] == (
            200 if listed == "chrome-extension://*" else 403
        )


async def test_none_turns_it_off(settings: Settings) -> None:
    async with serving(replace(settings, cors_origins=())) as house:
        status, _, headers = await house.ask("OPTIONS", "/v1/models", Origin="http://localhost:3000", **ASKED)
        assert (status, cors(headers)) == (405, [])
        assert (await house.ask("GET", "/v1/models", Origin="app://obsidian.md"))[0] == 403


async def test_private_networks_are_answered_for(house: House) -> None:
    asked = {**ASKED, "Access-Control-Request-Private-Network": "true"}
    _, _, headers = await house.ask("OPTIONS", "/v1/models", Origin=PAGE, **asked)
    assert headers["Access-Control-Allow-Private-Network"] == "true"
