"""Tests what POST /lora-adapters takes and by which names it refuses, over HTTP; no model is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hoshikage.registry import OwnOptions, Registry
from hoshikage.settings import Settings
from tests.gguf_files import Gguf
from tests.protocols.conftest import House


@pytest.fixture
def adapted(settings: Settings, tmp_path: Path) -> None:
    options = OwnOptions({"lora": [str(tmp_path / "one.gguf"), str(tmp_path / "two.gguf")]})
    Registry(settings.model_map_file).add("own", Gguf().write(tmp_path / "own.gguf"), None, options)


async def choose(house: House, settings: Settings, body: Any) -> tuple[int, Any]:
    head = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {settings.admin_token_file.read_text().strip()}",
    }
    status, answer, _ = await house.ask("POST", "/lora-adapters?model=own", json.dumps(body), **head)
    return status, answer


@pytest.mark.usefixtures("adapted")
@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"id": 0, "scale": 101}, "[0].scale"),
        ({"id": 0, "scale": "much"}, "[0].scale"),
        ({"id": 2, "scale": 1}, "[0].id"),
        ({"id": "x"}, "[0].id"),
        ({"scale": 1}, "[0].id"),
        (5, "[0]"),
    ],
)
async def test_a_field_has_one_name_by_the_body_s_form(
    house: House, settings: Settings, entry: object, name: str
) -> None:
    for body, begin in (([entry], ""), ({"adapters": [entry]}, "adapters")):
        status, answer = await choose(house, settings, body)
        assert (status, answer["error"]["param"]) == (400, begin + name)
        assert begin + name in answer["error"]["message"]


@pytest.mark.usefixtures("adapted")
@pytest.mark.parametrize(
    ("wanted", "scales"),
    [
        ([{"id": 1}], [0, 0]),
        ([{"id": 1, "scale": 0.5}], [0, 0.5]),
        ([{"id": 0, "scale": 1}, {"id": 0, "scale": 0.25}], [0.25, 0]),
        ([{"id": 0, "scale": 1}, {"id": 0}], [0, 0]),
        ([], [0, 0]),
    ],
)
async def test_scales_are_taken_as_llama_server_takes_them(
    house: House, settings: Settings, wanted: list[Any], scales: list[float]
) -> None:
    assert await choose(house, settings, wanted) == (200, {"success": True})
    _, listed, _ = await house.ask("GET", "/lora-adapters?model=own")
    assert [one["scale"] for one in listed] == scales
