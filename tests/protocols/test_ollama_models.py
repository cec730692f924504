"""Tests what Ollama's clients are told of models, and how they say how long one stays loaded."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from hoshikage import wire
from hoshikage.params import Embedding
from hoshikage.protocols.ollama.keep_alive import kept_s
from hoshikage.registry import Registry
from hoshikage.settings import Settings
from tests.protocols.conftest import House, finished, serving
from tests.protocols.field_values import USER
from tests.protocols.test_doors import register
from tests.protocols.test_protocol_fields import Server

JSON = {"Content-Type": "application/json", "Accept-Language": "en"}


async def ask(house: House, path: str, **body: Any) -> tuple[int, Any]:
    status, told, _ = await house.ask("POST", f"/api/{path}", json.dumps(body), **JSON)
    return status, told


async def test_capabilities_are_what_the_model_is(settings: Settings) -> None:
    register(settings, writes="text", vectors="embeddings", scores="rerank")
    async with serving(settings, stored=False) as house:
        found = {name: (await ask(house, "show", model=name))[1] for name in ("writes", "vectors", "scores")}
    assert found["vectors"]["capabilities"] == ["embedding"]
    assert found["scores"]["capabilities"] == []
    assert found["writes"]["capabilities"][:2] == ["completion", "tools"]
    assert found["writes"]["parameters"].splitlines()[0] == "num_ctx 512"


async def test_names_in_any_case(settings: Settings) -> None:
    registry: Registry = register(settings, Star="text")
    registry.add_alias("org/star:Q8", "Star")
    async with serving(settings, stored=False) as house:
        for name in ("Star", "STAR", "star:latest", "ORG/STAR:q8"):
            status, told = await ask(house, "chat", model=name, messages=[USER], stream=False)
            assert (status, told["model"]) == (200, name)


async def test_an_unknown_model_is_told_in_ollamas_words(house: House) -> None:
    status, told = await ask(house, "chat", model="gone", messages=[USER])
    assert status == 404
    assert told["error"].startswith("model 'gone' not found: ")
    status, told = await ask(house, "nothing")
    assert (status, type(told["error"])) == (404, str)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(0, 0), ("0", 0), ("0s", 0), (-1, math.inf), ("-1", math.inf), ("-1m", math.inf), (300, 300), ("5m", 300),
     ("1h30m", 5400), ("500ms", 0.5), ("90", 90), (None, None), ("", None)],
)  # fmt: skip
def test_times(given: Any, seconds: float | None) -> None:
    assert kept_s(given) == seconds


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_stays_as_long_as_the_request_says(house: House, stream: bool) -> None:
    body = {"model": "tiny", "stream": stream}
    for path, more in (("chat", {"messages": [USER]}), ("generate", {"prompt": "x"}), ("generate", {"prompt": ""})):
        data = json.dumps({**body, **more, "keep_alive": "5m"})
        async with house.session.post(f"{house.url}/api/{path}", data=data, headers=JSON) as response:
            assert response.status == 200
            await response.read()
    assert house.dispatcher.kept == [300, 300, 300]


async def test_a_model_is_unloaded(house: House) -> None:
    house.dispatcher.loaded = ["tiny"]
    for path, more in (("generate", {"prompt": ""}), ("chat", {"messages": []}), ("generate", {})):
        status, told = await ask(house, path, model="tiny", keep_alive=0, **more)
        assert (status, told["done"], told["done_reason"]) == (200, True, "unload")
        assert house.dispatcher.loaded == []
    house.dispatcher.loaded, house.dispatcher.busy = ["tiny"], True
    status, told = await ask(house, "generate", model="tiny", keep_alive=0)
    assert (status, told["done_reason"], house.dispatcher.kept) == (200, "unload", [0])
    house.dispatcher.loaded = ["other"]
    await ask(house, "generate", model="tiny", keep_alive=0)
    assert house.dispatcher.loaded == ["other"], "another model is left alone"


async def test_embeddings_of_one_text_and_of_none(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(house, monkeypatch)
    status, text, asked = await server.send("/api/embeddings", {"model": "tiny", "prompt": "a"})
    assert (status, json.loads(text), asked) == (200, {"embedding": [0.0, 0.0]}, [Embedding(("a",), None, True)])
    status, text, asked = await server.send("/api/embeddings", {"model": "tiny", "prompt": ""})
    assert (status, json.loads(text), asked) == (200, {"embedding": []}, [])
    status, text, asked = await server.send("/api/embed", {"model": "tiny", "input": ["a", ""]})
    assert (status, len(json.loads(text)["embeddings"])) == (200, 2)
    assert asked == [Embedding(("a", ""), None, True)]
    for body in ({"model": "tiny"}, {"model": "tiny", "input": ""}, {"model": "tiny", "input": []}):
        status, text, asked = await server.send("/api/embed", body)
        assert (status, json.loads(text)["embeddings"], asked) == (200, [], [])
    assert json.loads(text)["load_duration"] == 0
    assert finished().timings.load_ms == 9.0
    assert wire.Vector(1, bytes(8)).values == bytes(8)
