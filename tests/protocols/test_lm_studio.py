"""Tests the models in the form of LM Studio's older interface."""

from __future__ import annotations

import pytest

from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.status import DispatcherStatus, RunnerStatus
from hoshikage.dispatch.wanted import load_key
from hoshikage.registry import OwnOptions, Registry
from hoshikage.settings import Settings
from tests.gguf_files import STRING, U32, Gguf
from tests.media_samples import projector
from tests.protocols.conftest import GatedDispatcher, serving


async def test_the_list_has_each_model_with_its_kind_and_state(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, registry = settings.model_map_file.parent, Registry(settings.model_map_file)
    text = Gguf().with_pair("general.file_type", U32, 15).with_pair("general.organization", STRING, "Makers")
    registry.add("star", text.write(folder / "star.gguf"))
    registry.add("org/night:Q4", text.write(folder / "night.gguf"))
    registry.add("words", Gguf().with_pair("general.architecture", STRING, "bert").write(folder / "words.gguf"))
    registry.add_alias("gpt-4o", "star")
    dispatcher = GatedDispatcher()
    runner = RunnerStatus("chat", "star", ModelState.READY, n_ctx=256, key=load_key(registry.resolve("star")))
    monkeypatch.setattr(dispatcher, "status", lambda: DispatcherStatus(runners=(runner,)))
    async with serving(settings, dispatcher=dispatcher) as house:
        status, told, _ = await house.ask("GET", "/api/v0/models")
        assert (status, told["object"]) == (200, "list")
        shown = {one["id"]: one for one in told["data"]}
        for name, model in shown.items():
            assert (await house.ask("GET", f"/api/v0/models/{name}"))[:2] == (200, model)
        assert (await house.ask("GET", "/api/v0/models/nobody"))[0] == 404
    n_ctx = shown["org/night:Q4"]["max_context_length"]
    assert n_ctx > 256
    common = {"object": "model", "arch": "llama", "compatibility_type": "gguf", "capabilities": ["tool_use"]}
    assert shown["star"] == common | {
        "id": "star",
        "type": "llm",
        "publisher": "Makers",
        "quantization": "Q4_K_M",
        "state": "loaded",
        "max_context_length": 256,
        "loaded_context_length": 256,
    }
    assert shown["gpt-4o"] == shown["star"] | {"id": "gpt-4o"}
    night = {"type": "llm", "publisher": "org", "quantization": "Q4_K_M", "state": "not-loaded"}
    assert shown["org/night:Q4"] == common | night | {"id": "org/night:Q4", "max_context_length": n_ctx}
    words = shown["words"]
    assert (words["type"], words["publisher"], words["arch"], words["state"]) == (
        "embeddings",
        "",
        "bert",
        "not-loaded",
    )
    assert "capabilities" not in words


async def test_a_changed_model_has_the_window_of_its_next_load(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(settings.model_map_file)
    file = Gguf().write(settings.model_map_file.parent / "star.gguf")
    registry.add("star", file)
    dispatcher = GatedDispatcher()
    runner = RunnerStatus("chat", "star", ModelState.READY, n_ctx=256, key=load_key(registry.resolve("star")))
    monkeypatch.setattr(dispatcher, "status", lambda: DispatcherStatus(runners=(runner,)))
    async with serving(settings, dispatcher=dispatcher) as house:

        async def told() -> tuple[int, int, int, int]:
            model = (await house.ask("GET", "/v1/models/star"))[1]
            able = (await house.ask("GET", "/v1/capabilities"))[1]["models"]
            studio = (await house.ask("GET", "/api/v0/models/star"))[1]
            window = next(one["context_length"] for one in able if one["id"] == "star")
            return model["context_length"], window, studio["max_context_length"], studio["loaded_context_length"]

        assert await told() == (256, 256, 256, 256)
        registry.add("star", file, options=OwnOptions({"n_ctx": 100}))
        assert await told() == (100, 100, 100, 256)


async def test_a_model_that_reads_pictures_is_one_of_vision(settings: Settings) -> None:
    folder, registry = settings.model_map_file.parent, Registry(settings.model_map_file)
    sight = OwnOptions({"mmproj": str(projector().write(folder / "mmproj.gguf"))})
    registry.add("eye", Gguf().write(folder / "eye.gguf"), options=sight)
    async with serving(settings) as house:
        _, told, _ = await house.ask("GET", "/api/v0/models/eye")
    assert told["type"] == "vlm"


async def test_a_model_whose_file_is_gone_is_listed_without_its_facts(settings: Settings) -> None:
    file = Gguf().write(settings.model_map_file.parent / "gone.gguf")
    Registry(settings.model_map_file).add("gone", file)
    file.unlink()
    async with serving(settings) as house:
        status, told, _ = await house.ask("GET", "/api/v0/models/gone")
    assert (status, told["arch"], told["quantization"], told["state"]) == (200, "", "", "not-loaded")
