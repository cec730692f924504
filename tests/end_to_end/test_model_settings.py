"""Tests what a model or a persona has of its own, with a real server, a real library and the built-in model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from hoshikage import gguf
from hoshikage.registry import OwnOptions, Registry
from tests.end_to_end.live import LiveServer, home_environ
from tests.test_gguf_models import split

QUESTION = "Who made you?"
SYSTEM = "You are Hoshi."


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def registry(home: Path, demo_model: Path) -> Registry:
    made = Registry(home / ".config" / "hoshikage" / "model_map.json")
    echo = home / "echo.jinja"
    silent = "{{ '' if enable_thinking else '|no thoughts, please|' }}"
    echo.write_text("{{ messages | map(attribute='content') | join('|') }}" + silent, "utf-8")
    for label, options in {
        "plain": OwnOptions(),
        "short": OwnOptions({"n_ctx": 64}),
        "chatml": OwnOptions({"chat_template": "chatml"}),
        "echo": OwnOptions({"chat_template": str(echo)}),
        "silent": OwnOptions({"chat_template": str(echo), "thinking": False}),
        "greedy": OwnOptions({"temperature": 0.0}),
        "lost": OwnOptions({"chat_template": str(home / "none.jinja")}),
    }.items():
        made.add(label, demo_model, (), options)
    made.add_persona("hoshi", "greedy", SYSTEM)
    made.add_persona("ghost", "plain", SYSTEM)
    return made


@pytest.fixture(scope="module")
def server(registry: Registry, home: Path, demo_model: Path, library_file: Path) -> Iterator[LiveServer]:
    folder = home / "models" / "below"
    folder.mkdir(parents=True)
    split(demo_model, folder, 20)
    environ = home_environ(home, library_file, MODEL_DIR=str(home / "models"), RAMDISK_PATH="off")
    with LiveServer(environ) as live:
        yield live


@pytest.fixture
def client(server: LiveServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def ask(client: OpenAI, model: str, *before: Any, **options: Any) -> Any:
    turns = [*before, {"role": "user", "content": QUESTION}]
    return client.chat.completions.create(model=model, messages=turns, max_tokens=24, **options)


def test_a_models_context_is_its_own(client: OpenAI, server: LiveServer) -> None:
    ask(client, "short")
    assert (server.status()["model"]["id"], server.status()["model"]["n_ctx"]) == ("short", 64)
    with pytest.raises(BadRequestError) as caught:
        ask(client, "short", {"role": "user", "content": "long " * 100})
    assert caught.value.code == "context_length_exceeded"


def test_two_names_of_one_file_with_the_same_settings_are_one_model(
    client: OpenAI, server: LiveServer, registry: Registry, demo_model: Path
) -> None:
    registry.add("twin", demo_model)
    registry.add_alias("gpt-4o", "plain")
    ask(client, "plain")
    before = server.status()
    for name in ("twin", "gpt-4o", "plain", "twin"):
        answered = ask(client, name)
        assert answered.choices[0].message.content
        now = server.status()
        assert (now["totals"]["loads"], now["runner"]["pid"]) == (before["totals"]["loads"], before["runner"]["pid"])
    ask(client, "short")
    assert server.status()["totals"]["loads"] > before["totals"]["loads"], "other settings are another model"


def test_a_given_template_takes_the_place_of_the_models(client: OpenAI, server: LiveServer) -> None:
    sizes = {}
    for label, source in (("plain", "model"), ("chatml", "chatml"), ("echo", "file"), ("silent", "file")):
        sizes[label] = ask(client, label).usage.prompt_tokens
        assert server.status()["model"]["template_source"] == source
    assert sizes["echo"] < sizes["plain"]
    assert sizes["silent"] > sizes["echo"], "the template was told enable_thinking=False"


def test_a_template_that_is_gone_is_a_400_that_names_it(client: OpenAI, home: Path) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(client, "lost")
    assert "none.jinja" in caught.value.message
    assert str(home) not in caught.value.message


def test_a_persona_is_the_model_with_its_text_first(client: OpenAI) -> None:
    answer = ask(client, "hoshi")
    same = ask(client, "greedy", {"role": "system", "content": SYSTEM})
    assert answer.model == "hoshi"
    assert answer.choices[0].message.content == same.choices[0].message.content
    assert answer.usage.prompt_tokens == same.usage.prompt_tokens
    joined = ask(client, "hoshi", {"role": "system", "content": "Be brief."})
    both = ask(client, "greedy", {"role": "system", "content": f"{SYSTEM}\n\nBe brief."})
    assert joined.usage.prompt_tokens == both.usage.prompt_tokens
    assert joined.choices[0].message.content == both.choices[0].message.content


def test_a_persona_streams_under_its_own_name(client: OpenAI) -> None:
    chunks = list(ask(client, "hoshi", stream=True))
    assert {chunk.model for chunk in chunks} == {"hoshi"}
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == ask(client, "hoshi").choices[0].message.content


def test_a_persona_and_its_model_share_one_load(client: OpenAI, server: LiveServer) -> None:
    ask(client, "greedy")
    pid = server.status()["runner"]["pid"]
    ask(client, "hoshi")
    assert server.status()["runner"]["pid"] == pid
    assert server.status()["model"]["id"] == "greedy"


def test_a_split_model_of_the_folder_answers_like_the_whole_one(client: OpenAI) -> None:
    parts = ask(client, "split", temperature=0)
    whole = ask(client, "greedy")
    assert parts.model == "split"
    assert parts.choices[0].message.content == whole.choices[0].message.content != ""


def test_models_and_personas_are_listed(client: OpenAI, registry: Registry, demo_model: Path) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {"plain", "short", "hoshi", "ghost", "split"} <= set(listed)
    assert {model.owned_by for model in listed.values()} == {"tane"}
    for one in (listed["hoshi"], client.models.retrieve("hoshi")):
        assert one.model_extra is not None
        assert one.model_extra["parent"] == "greedy"
        assert one.model_extra["context_length"] == one.model_extra["meta"]["n_ctx"]
    assert "parent" not in (listed["split"].model_extra or {})
    registry.remove("plain")
    try:
        gone = {model.id: model for model in client.models.list()}["ghost"]
        assert gone.model_extra is not None
        assert (gone.model_extra["parent"], gone.model_extra["available"]) == ("plain", False)
        for name in ("ghost", "plain"):
            with pytest.raises(NotFoundError) as caught:
                ask(client, name)
            assert caught.value.code == "model_not_found"
            assert "“plain”" in caught.value.message
    finally:
        registry.add("plain", demo_model)


def test_the_memory_estimate_is_near_what_the_runner_takes(
    client: OpenAI, server: LiveServer, demo_model: Path
) -> None:
    ask(client, "plain")
    resident = server.status()["runner"]["resident_bytes"]
    estimated = gguf.estimate(gguf.read_model(demo_model), 4096, 512).total
    assert resident > 0
    assert 0.5 < resident / estimated < 1.6
