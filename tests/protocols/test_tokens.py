"""Tests access tokens on every route: where they are needed, what is taken for one, and what each one may do."""

from __future__ import annotations

import asyncio
import hmac
import inspect
import json
import stat
from collections.abc import AsyncIterator
from dataclasses import replace

import openai
import pytest

from hoshikage.access import local_admin
from hoshikage.access.tokens import TokenStore
from hoshikage.errors import UsageError
from hoshikage.http import authenticator, listeners
from hoshikage.http.keys import AUTHENTICATOR
from hoshikage.http.origin_policy import OriginPolicy
from hoshikage.protocols import app
from hoshikage.protocols.route import Route
from hoshikage.protocols.routes import ROUTES
from hoshikage.registry import Registry
from hoshikage.settings import Settings
from tests.protocols.conftest import GatedDispatcher, House, serving

CHAT = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}]})
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def tokens(settings: Settings) -> dict[str, str]:
    """Makes an `api` and an `admin` token."""
    store = TokenStore(settings.token_file)
    return {"api": store.create("laptop", "api"), "admin": store.create("boss", "admin")}


@pytest.fixture
async def strict(settings: Settings, tokens: dict[str, str]) -> AsyncIterator[House]:
    """Runs a server that needs tokens."""
    async with serving(replace(settings, require_token="always")) as house:
        yield house


LOOKS_ROUND = ("/admin/libraries",)
"""These routes ask the system which libraries it has, by a process."""


def concrete(path: str) -> str:
    return (
        path.replace("{id:.+}", "tiny")
        .replace("{id}", "0")
        .replace("{name:.+}", "tiny")
        .replace("{file}", "LICENSES.txt")
    )


@pytest.mark.parametrize(
    ("method", "path", "needs"),
    [
        pytest.param(row.method, row.path, row.needs, marks=[pytest.mark.process] if row.path in LOOKS_ROUND else [])
        for row in ROUTES
    ],
)
async def test_every_route_asks_for_what_it_needs(
    strict: House, tokens: dict[str, str], method: str, path: str, needs: str
) -> None:
    without = {None, "", "Bearer ", "Bearer hsk-wrong", f"Basic {tokens['api']}", tokens["api"]}
    for value in sorted(without, key=str):
        headers = {} if value is None else {"Authorization": value}
        status, body, answered = await strict.ask(method, concrete(path), **headers)
        if needs == "nothing":
            assert status == 200
            continue
        assert status == 401
        if path.startswith("/api/"):
            assert body.keys() == {"error"}
        else:
            assert body["error"]["type"] == "authentication_error"
            assert body["error"].get("code") == (None if path.startswith("/v1/messages") else "invalid_api_key")
        assert answered["WWW-Authenticate"] == "Bearer"
        assert answered["x-request-id"].startswith("req_")
    status, _, _ = await strict.ask(method, concrete(path), Authorization=f"Bearer {tokens['api']}")
    assert (status == 403) == (needs == "admin")
    assert status != 401
    status, _, _ = await strict.ask(method, concrete(path), Authorization=f"Bearer {tokens['admin']}")
    assert status not in (401, 403)


def test_every_route_has_a_row(settings: Settings) -> None:
    """A handler without one would need an admin token: the default is to deny."""
    made = app.create(settings, Registry(settings.model_map_file), GatedDispatcher())
    kept = vars(made[AUTHENTICATOR])["_needs"]
    assert {route.handler for route in made.router.routes()} == set(kept)
    assert sorted(kept.values()) == sorted(row.needs for row in ROUTES)


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: row.operation)
def test_every_route_leads_to_a_handler(row: Route) -> None:
    """They are imported when they are first asked for: a slip of the pen would show only then."""
    assert inspect.iscoroutinefunction(row.handler())


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/admin", "/v1/chat", "/health/x", "//v1/models", "/v1/../health"])
async def test_urls_that_do_not_exist_tell_nothing(strict: House, tokens: dict[str, str], path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", strict.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    assert status == 401 or path == "/v1/../health"


async def test_either_header_is_taken_and_two_that_differ_are_not(strict: House, tokens: dict[str, str]) -> None:
    key = tokens["api"]
    good = [
        {"x-api-key": key},
        {"Authorization": f"bearer  {key}"},
        {"x-api-key": key, "Authorization": f"Bearer {key}"},
    ]
    for headers in good:
        assert (await strict.ask("GET", "/v1/models", **headers))[0] == 200
    for headers in ({"x-api-key": key, "Authorization": "Bearer other"}, {"x-api-key": "é", "Authorization": "x"}):
        assert (await strict.ask("GET", "/v1/models", **headers))[0] == 401


async def test_the_sdk_raises_authentication_error(strict: House, tokens: dict[str, str]) -> None:
    async with strict.sdk() as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "invalid_api_key"
    assert strict.dispatcher.asked == []
    async with strict.sdk(tokens["api"]) as client:
        whole = await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x"}])
    assert whole.choices[0].message.content == "星影です"


async def test_a_change_counts_from_the_next_request_on(
    strict: House, settings: Settings, tokens: dict[str, str]
) -> None:
    store = TokenStore(settings.token_file)
    new = store.rotate("laptop")
    assert (await strict.ask("GET", "/v1/models", Authorization=f"Bearer {tokens['api']}"))[0] == 401
    assert (await strict.ask("GET", "/v1/models", Authorization=f"Bearer {new}"))[0] == 200
    store.revoke("laptop")
    assert (await strict.ask("GET", "/v1/models", Authorization=f"Bearer {new}"))[0] == 401


async def test_a_damaged_token_file_lets_nobody_in(strict: House, settings: Settings, tokens: dict[str, str]) -> None:
    settings.token_file.write_text("{")
    assert (await strict.ask("GET", "/v1/models", Authorization=f"Bearer {tokens['admin']}"))[0] == 401
    assert (await strict.ask("GET", "/health"))[0] == 200


async def test_on_loopback_a_made_up_key_is_no_offence(
    house: House, tokens: dict[str, str], settings: Settings
) -> None:
    for headers in ({}, {"Authorization": "Bearer sk-dummy"}, {"x-api-key": "lm-studio"}):
        assert (await house.ask("POST", "/v1/chat/completions", CHAT, **JSON, **headers))[0] == 200
        assert (await house.ask("GET", "/admin/models", **headers))[0] == 401, "administering always needs one"
    settings.token_file.write_text("{")
    assert (await house.ask("GET", "/v1/models", Authorization="Bearer x"))[0] == 200


def test_an_exposed_server_without_a_token_does_not_start(settings: Settings) -> None:
    for changed, key in (
        (replace(settings, host="0.0.0.0"), "http.no_token_exposed"),
        (replace(settings, require_token="always"), "http.no_token"),
    ):
        with pytest.raises(UsageError) as caught:
            app.serve(changed, {})
        assert caught.value.key == key
        made = app.create(changed, Registry(settings.model_map_file), GatedDispatcher())
        TokenStore(settings.token_file).create("one", "api")
        made[AUTHENTICATOR].require_tokens("x")
        TokenStore(settings.token_file).revoke("one")


async def test_an_exposed_server_needs_tokens_also_from_this_machine(
    settings: Settings, tokens: dict[str, str]
) -> None:
    async with serving(settings, exposed=True) as house:
        assert (await house.ask("GET", "/v1/status"))[0] == 401
        assert (await house.ask("GET", "/health"))[0] == 200
        for host, status in (("192.168.1.5:3030", 200), ("[fd00::1]", 200), ("evil.example", 403)):
            answered = await house.ask("GET", "/v1/status", Host=host, Authorization=f"Bearer {tokens['api']}")
            assert answered[0] == status, "an address cannot be rebound, a name can"


@pytest.mark.parametrize(
    ("host", "exposed"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("127.9.9.9", False), ("0.0.0.0", True),
     ("::", True), ("192.168.0.2", True), ("example.com", True), ("[::1]", False)],
)  # fmt: skip
def test_what_others_can_reach(settings: Settings, host: str, exposed: bool) -> None:
    assert listeners.is_exposed(replace(settings, host=host), ()) == exposed


class TestLocalAdmin:
    async def test_the_server_makes_the_token_for_this_user_alone(self, house: House, settings: Settings) -> None:
        file = settings.admin_token_file
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        token = local_admin.read(file)
        assert token is not None
        assert len(token) == len("hsk-") + 43
        assert (await house.ask("GET", "/admin/models", Authorization=f"Bearer {token}"))[0] == 200
        assert (await house.ask("GET", "/admin/models", Authorization=f"Bearer {token}x"))[0] == 401

    async def test_a_server_started_again_keeps_it(self, settings: Settings) -> None:
        async with serving(settings):
            before = local_admin.read(settings.admin_token_file)
        assert before is not None
        async with serving(settings):
            assert local_admin.read(settings.admin_token_file) == before

    async def test_the_server_proves_that_it_knows_the_token(self, house: House, settings: Settings) -> None:
        token = local_admin.read(settings.admin_token_file)
        assert token is not None
        challenge = local_admin.challenge()
        _, _, headers = await house.ask("GET", "/health", **{"x-hoshikage-challenge": challenge})
        assert headers["x-hoshikage-proof"] == local_admin.proof(token, challenge, ("127.0.0.1", house.port))
        assert headers["x-hoshikage-proof"] != local_admin.proof(token, challenge, ("127.0.0.1", house.port + 1))
        for odd in ("", "x", "A" * 32, "0" * 33):
            _, _, headers = await house.ask("GET", "/health", **{"x-hoshikage-challenge": odd})
            assert "x-hoshikage-proof" not in headers


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """What is presented meets what is known in hmac.compare_digest alone, and as hashes of one length."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def watch(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    word = TokenStore(settings.token_file).create("one", "api")
    policy = OriginPolicy.of(settings, exposed=False)
    known = authenticator.Authenticator(settings, policy, {})
    known.prepare()
    assert known._verify(word) is not None
    assert [len(a) == len(b) for a, b in compared] == [True, True]
