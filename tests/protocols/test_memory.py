"""Tests /v1/memory and the field `memory` without any of memory's packages: who may ask for what, and what is said
then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hoshikage.access.tokens import TokenStore
from hoshikage.settings import load
from tests.protocols.conftest import House, serving


def chat(**memory: Any) -> str:
    return json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "x"}], "memory": memory})


async def test_a_server_that_keeps_nothing_refuses_by_name(house: House) -> None:
    for method, path in (("GET", "/v1/memory"), ("DELETE", "/v1/memory"), ("DELETE", "/v1/memory/abc")):
        status, answer, _ = await house.ask(method, path)
        assert (status, answer["error"]["param"]) == (400, "memory")
    for field in ("recall", "store"):
        status, answer, _ = await house.chat(chat(**{field: True}))
        assert (status, answer["error"]["param"]) == (400, f"memory.{field}")
    status, answer, _ = await house.chat(chat(recall=False, store=False, summary=False, conversation="c"))
    assert status == 200
    status, answer, _ = await house.chat(chat(conversation=""))
    assert (status, answer["error"]["param"]) == (400, "memory.conversation")


async def test_a_token_never_sees_anothers_scope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    environ = {"MEMORY": "on", "REQUIRE_TOKEN": "always", "HOSHIKAGE_LANG": "en"}
    settings = load({}, environ, tmp_path).settings
    token = TokenStore(settings.token_file).create("a", "api")
    async with serving(settings) as house:
        for scope in ("token:b", "local", "*"):
            status, answer, _ = await house.ask("GET", f"/v1/memory?scope={scope}", Authorization=f"Bearer {token}")
            assert (status, answer["error"]["code"]) == (403, "permission_denied"), scope
            status, _, _ = await house.ask("DELETE", f"/v1/memory?scope={scope}", Authorization=f"Bearer {token}")
            assert status == 403
