"""Tests how a request comes in: by which path, without a model's name, by an alias or by a name that nobody knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hoshikage.http.ignored import HEADER
from hoshikage.http.paths import plain
from hoshikage.params import LoadParams
from hoshikage.protocols.routes import ROUTES
from hoshikage.registry import Registry
from hoshikage.settings import Settings
from tests.gguf_files import STRING, U32, Gguf
from tests.protocols.conftest import GatedDispatcher, House, serving
from tests.protocols.field_values import BASES, USER

JSON = {"Content-Type": "application/json", "Accept-Language": "en"}
CHAT = {"messages": [USER]}
TEXT_ROUTES = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions", "/completion", "/infill",
               "/api/chat", "/api/generate")  # fmt: skip
ANSWER_MODEL = {"/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions", "/completion", "/infill"}


def write(folder: Path, name: str, kind: str = "text") -> Path:
    """Writes a model's file: `text`, `embeddings` or `rerank`."""
    gguf = Gguf()
    if kind != "text":
        gguf = gguf.with_pair("general.architecture", STRING, "bert")
    if kind == "rerank":
        gguf = gguf.with_pair("bert.pooling_type", U32, 4)
    return gguf.write(folder / f"{name}.gguf")


def register(settings: Settings, **models: str) -> Registry:
    registry = Registry(settings.model_map_file)
    for name, kind in models.items():
        registry.add(name, write(settings.model_map_file.parent, name, kind))
    return registry


async def send(house: House, path: str, body: Any) -> tuple[int, Any, str | None]:
    status, told, headers = await house.ask("POST", path, json.dumps(body), **JSON)
    return status, told, headers.get(HEADER)


async def chosen(house: House, path: str = "/v1/chat/completions", **more: Any) -> str:
    """Returns which model answered a request without a name."""
    status, told, _ = await send(house, path, {**CHAT, **more})
    assert status == 200, told
    spec, _ = house.dispatcher.asked[-1]
    assert told["model"] == spec.name
    return spec.name


@pytest.mark.parametrize("path", TEXT_ROUTES)
async def test_the_only_model_needs_no_name(house: House, path: str) -> None:
    body = {name: value for name, value in BASES[path].items() if name != "model"}
    for model in ({}, {"model": None}, {"model": ""}):
        status, told, _ = await send(house, path, {**body, "stream": False, **model})
        assert status == 200, told
        assert told["model"] == "tiny"


async def test_the_default_model_goes_first(settings: Settings) -> None:
    register(settings, a="text", b="text", c="text")
    dispatcher = GatedDispatcher()
    async with serving(replace(settings, default_model="b", preload="c"), stored=False, dispatcher=dispatcher) as house:
        dispatcher.loaded = ["a"]
        assert await chosen(house) == "b"


async def test_then_the_loaded_one_then_that_of_preload(settings: Settings) -> None:
    register(settings, a="text", b="text", c="text", scores="rerank")
    async with serving(replace(settings, preload="c"), stored=False) as house:
        assert await chosen(house) == "c"
        house.dispatcher.loaded = ["a"]
        assert await chosen(house) == "a"
        house.dispatcher.loaded = ["scores"]
        assert await chosen(house) == "c", "a model that cannot write is passed over"


async def test_then_the_only_one_that_can(settings: Settings) -> None:
    registry = register(settings, vectors="embeddings", writes="text", scores="rerank")
    registry.add("writes-again", settings.model_map_file.parent / "writes.gguf")
    async with serving(settings, stored=False) as house:
        assert await chosen(house) == "writes"


async def test_else_the_models_are_named(settings: Settings) -> None:
    register(settings, a="text", b="text")
    async with serving(settings, stored=False) as house:
        for path in TEXT_ROUTES:
            body = {name: value for name, value in BASES[path].items() if name != "model"}
            status, told, _ = await send(house, path, body)
            assert status == 400
            assert "name one of: a, b" in json.dumps(told)
        assert house.dispatcher.asked == []


async def test_without_any_model_the_way_to_one_is_told(settings: Settings) -> None:
    async with serving(settings, stored=False) as house:
        status, told, _ = await send(house, "/v1/chat/completions", CHAT)
        assert (status, told["error"]["param"]) == (400, "model")
        assert "hoshikage add" in told["error"]["message"]


async def test_an_unknown_default_is_told(settings: Settings) -> None:
    register(settings, a="text")
    async with serving(replace(settings, default_model="gone"), stored=False) as house:
        status, told, _ = await send(house, "/v1/chat/completions", CHAT)
        assert (status, told["error"]["code"]) == (404, "model_not_found")
        assert "gone" in told["error"]["message"]


async def test_an_unknown_name_is_refused_or_means_the_default(settings: Settings) -> None:
    register(settings, a="text", b="text")
    wired = {**CHAT, "model": "gpt-4o"}
    async with serving(replace(settings, default_model="a"), stored=False) as house:
        status, told, _ = await send(house, "/v1/chat/completions", wired)
        assert (status, told["error"]["code"]) == (404, "model_not_found")
    changed = replace(settings, default_model="a", unknown_model="default")
    async with serving(changed, stored=False) as house:
        for name in ("gpt-4o", "claude-opus-5-5", "davinci-002"):
            status, told, ignored = await send(house, "/v1/chat/completions", {**CHAT, "model": name})
            assert (status, told["model"], ignored) == (200, "a", "model")
        status, told, ignored = await send(house, "/v1/chat/completions", {**CHAT, "model": "b"})
        assert (status, told["model"], ignored) == (200, "b", None)
        token = {"Authorization": f"Bearer {changed.admin_token_file.read_text().strip()}"}
        status, told, _ = await house.ask("POST", "/admin/models/gpt-4o/load", "{}", **JSON, **token)
        assert (status, told["error"]["code"]) == (404, "model_not_found"), "never by those who administer"


async def test_aliases_answer_and_are_listed(settings: Settings) -> None:
    registry = register(settings, star="text")
    registry.add("org/name:q8", write(settings.model_map_file.parent, "hub"))
    registry.add_alias("gpt-4o", "star")
    registry.add_alias("hub/star:latest", "star")
    async with serving(settings, stored=False) as house:
        for name, label in (("gpt-4o", "star"), ("hub/star:latest", "star"), ("org/name:q8", "org/name:q8")):
            status, told, _ = await send(house, "/v1/chat/completions", {**CHAT, "model": name})
            assert (status, told["model"]) == (200, label)
            status, one, _ = await house.ask("GET", f"/v1/models/{name}")
            assert (status, one["id"]) == (200, name)
        _, listed, _ = await house.ask("GET", "/v1/models")
        by_id = {model["id"]: model for model in listed["data"]}
        assert list(by_id) == ["star", "org/name:q8", "gpt-4o", "hub/star:latest"]
        assert by_id["star"]["aliases"] == ["gpt-4o", "hub/star:latest"]
        assert by_id["gpt-4o"]["parent"] == "star"
        assert by_id["gpt-4o"]["meta"] == by_id["star"]["meta"]


async def test_the_list_tells_how_long_a_request_may_be(settings: Settings) -> None:
    register(settings, star="text")
    async with serving(replace(settings, load_params=LoadParams("", n_ctx=300)), stored=False) as house:
        _, listed, _ = await house.ask("GET", "/v1/models")
        (star,) = listed["data"]
        assert (star["context_length"], star["max_model_len"], star["meta"]["n_ctx"]) == (300, 300, 300)
        assert star["meta"]["n_ctx_train"] == 512
        assert star["meta"]["n_params"] == 32 * 9 + 32
        assert star["meta"]["size"] == (settings.model_map_file.parent / "star.gguf").stat().st_size
    async with serving(replace(settings, load_params=LoadParams("", n_ctx=4096)), stored=False) as house:
        _, listed, _ = await house.ask("GET", "/v1/models")
        assert listed["data"][0]["context_length"] == 512, "not more than the model was trained on"


OTHERS = [(row.path, other) for row in ROUTES for other in row.other_paths]
METHODS = {row.path: row.method for row in ROUTES}


@pytest.mark.parametrize(("path", "other"), OTHERS)
async def test_other_names_answer_alike(house: House, path: str, other: str) -> None:
    body = json.dumps(BASES.get(path.removesuffix("/input_tokens").removesuffix("/count_tokens"), {}))
    data = body if METHODS[path] == "POST" else None
    first, second = [await house.ask(METHODS[path], one, data, **JSON) for one in (path, other)]
    assert first[0] == second[0] != 404
    assert (first[1] or {}).keys() == (second[1] or {}).keys() if isinstance(first[1], dict) else True


@pytest.mark.parametrize("path", ["/v1/models/", "//v1/models", "/v1//models", "/v1/models//", "/models/"])
async def test_a_slash_too_many_changes_nothing(house: House, path: str) -> None:
    status, told, _ = await house.ask("GET", path)
    assert (status, told["object"]) == (200, "list")


async def test_a_slash_too_many_is_no_way_round_the_access_rules(house: House) -> None:
    for path in ("//admin/models", "/admin//models", "/admin/models/"):
        assert (await house.ask("GET", path))[0] == 401
        assert (await house.ask("GET", path, Origin="http://localhost:1"))[0] == 403


async def test_a_base_path(settings: Settings) -> None:
    async with serving(replace(settings, api_prefix="/llm/one")) as house:
        for path in ("/llm/one/v1/models", "/v1/models", "/llm/one//models/", "/llm/one/v1/models?x=1"):
            status, told, _ = await house.ask("GET", path)
            assert (status, told["object"]) == (200, "list")
        assert (await house.ask("GET", "/llm/oneself/v1/models"))[0] == 404
        assert (await house.ask("GET", "/llm/one/admin/models"))[0] == 401
        assert (await house.ask("GET", "/llm/one/health"))[0] == 200
        status, told, _ = await send(house, "/llm/one/v1/chat/completions", CHAT)
        assert (status, told["model"]) == (200, "tiny")


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        ("/", "", "/"),
        ("//", "", "/"),
        ("/a/%2F/b/", "", "/a/%2F/b"),
        ("/llm", "/llm", "/"),
        ("/llm/", "/llm", "/"),
        ("/llmx", "/llm", "/llmx"),
        ("/llm/llm/x", "/llm", "/llm/x"),
    ],
)
def test_paths_have_one_spelling(path: str, prefix: str, expected: str) -> None:
    assert plain(path, prefix) == expected
