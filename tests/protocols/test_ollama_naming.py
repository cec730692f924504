"""Tests Ollama's /api/copy and /api/delete: names in the registry, by the rules of administration."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ollama
import pytest

from hoshikage.registry import OwnOptions, Registry
from hoshikage.settings import Settings
from tests.protocols.conftest import House, tls

JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def administrator(house: House, settings: Settings) -> AsyncIterator[ollama.AsyncClient]:
    token = settings.admin_token_file.read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with ollama.AsyncClient(house.url, headers=headers, verify=tls()) as client:
        yield client


async def test_a_copy_is_the_same_file_under_a_further_name(
    house: House, settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    registry.add("Star", tmp_path / "star.gguf", ["終"], OwnOptions({"n_ctx": 512}))
    registry.add_persona("poet", "Star", "Be a poet.")
    async with administrator(house, settings) as client:
        assert (await client.copy("star:latest", "night/star:latest")).status == "success"
        assert (await client.copy("poet", "bard")).status == "success"
        copied, original = registry.resolve("night/star"), registry.resolve("Star")
        assert (copied.file, copied.stop, copied.options) == (original.file, original.stop, original.options)
        bard = registry.resolve("bard")
        assert bard.persona is not None
        assert (bard.label, bard.persona.system) == ("Star", "Be a poet.")
        assert (await client.delete("STAR")).status == "success"
        names = {one.model for one in (await client.list()).models}
    assert names == {"tiny", "night/star"}, "the copy goes its own way; personas of what is gone are not listed"


async def test_models_personas_and_aliases_are_deleted_and_files_stay(
    house: House, settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "star.gguf"
    file.touch()
    registry.add("star", file)
    registry.add_persona("poet", "star", "Be a poet.")
    registry.add_alias("gpt-4o", "star")
    async with administrator(house, settings) as client:
        for name in ("gpt-4o:latest", "poet", "star"):
            assert (await client.delete(name)).status == "success"
        assert (registry.aliases(), registry.personas()) == ({}, ())
        assert [spec.label for spec in registry.specs()] == ["tiny"]
        with pytest.raises(ollama.ResponseError) as gone:
            await client.delete("star")
        assert gone.value.status_code == 404
    assert file.exists()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "copy", {"source": "gone", "destination": "x"}, 404, "model 'gone' not found"),
        ("POST", "copy", {"source": "tiny", "destination": "../x"}, 400, "../x"),
        ("POST", "copy", {"source": "tiny"}, 400, "destination"),
        ("DELETE", "delete", {"model": "gone"}, 404, "model 'gone' not found"),
        ("DELETE", "delete", {}, 400, "model"),
        ("DELETE", "delete", None, 400, "missing request body"),
    ],
)
async def test_refusals_are_ollamas(
    house: House, settings: Settings, method: str, path: str, body: Any, status: int, words: str
) -> None:
    token = settings.admin_token_file.read_text().strip()
    data = None if body is None else json.dumps(body)
    found, told, _ = await house.ask(method, f"/api/{path}", data, **JSON, Authorization=f"Bearer {token}")
    assert (found, list(told)) == (status, ["error"])
    assert words in told["error"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "copy", {"source": "tiny", "destination": "x"}), ("DELETE", "delete", {"model": "tiny"})],
)
async def test_only_administrators_may(
    house: House, settings: Settings, registry: Registry, method: str, path: str, body: Any
) -> None:
    status, told, _ = await house.ask(method, f"/api/{path}", json.dumps(body), **JSON)
    assert (status, list(told)) == (401, ["error"])
    token = settings.admin_token_file.read_text().strip()
    plain = {"Content-Type": "text/plain", "Authorization": f"Bearer {token}"}
    assert (await house.ask(method, f"/api/{path}", json.dumps(body), **plain))[0] == 415
    assert [spec.label for spec in registry.specs()] == ["tiny"]
