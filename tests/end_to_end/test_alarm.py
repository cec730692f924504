"""Tests what no deadline stops, a rendering or the compiling of a grammar: the alarm ends a real runner once, soon, and
everybody is told properly.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai import OpenAI

from hoshikage.dispatch.crashes import CALLER_LIMIT, POISON_S
from hoshikage.native_os.interrupt import ENDS_AFTER_S
from tests.end_to_end.conftest import register
from tests.end_to_end.live import LiveServer, home_environ

RENDER_S: Final = 0.5
HOLDS: Final = f"""
import os, select
if b"hoshikage.runner.main" in open("/proc/self/cmdline", "rb").read():
    from hoshikage.llama import template
    tries = template.ChatTemplate._try_all
    template.RENDER_SECONDS = {RENDER_S}
    def held(self, prompt, now, taken):
        if any("hold" in (message.content or "") for message in prompt.messages):
            select.select([], [], [], 3600)
        tries(self, prompt, now, taken)
    template.ChatTemplate._try_all = held
    from hoshikage.llama import grammar
    compiled = grammar.Grammars._compiled
    grammar.COMPILE_SECONDS = {RENDER_S}
    def held_grammar(self, grammar, led, special):
        if "hold" in grammar.text:
            select.select([], [], [], 3600)
        return compiled(self, grammar, led, special)
    grammar.Grammars._compiled = held_grammar
"""
"""Put before the runner's own code, it makes some conversations and grammars wait in one call into native code."""


@pytest.fixture
def client(tmp_path: Path, library_file: Path, endless_model: Path) -> Iterator[OpenAI]:
    (tmp_path / "sitecustomize.py").write_text(HOLDS, encoding="utf-8")
    register(tmp_path, {"endless": endless_model})
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environ = home_environ(tmp_path, library_file, N_CTX="8192", N_PARALLEL="2", PYTHONPATH=paths)
    with (
        LiveServer(environ) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60) as client,
    ):
        yield client


def ask(client: OpenAI, content: str, **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": content}]
    return client.chat.completions.create(model="endless", messages=messages, temperature=0, **more)


def status(client: OpenAI) -> Any:
    return json.loads(client._client.get(str(client.base_url).replace("/v1/", "/v1/status")).content)


def test_the_alarm_ends_the_runner_once_and_others_are_told(client: OpenAI) -> None:
    flowing = iter(ask(client, "go", stream=True))
    for _ in range(3):
        next(flowing)
    pid = status(client)["runner"]["pid"]
    begun = time.monotonic()
    with pytest.raises(openai.InternalServerError) as crashed:
        ask(client, "hold", max_tokens=1)
    assert crashed.value.code == "model_crashed"
    assert crashed.value.response.headers["x-should-retry"] == "false"
    assert time.monotonic() - begun < RENDER_S + ENDS_AFTER_S + 5, (
        "the alarm comes 2 s later; the rest is a busy machine"
    )
    with pytest.raises(openai.APIError) as cut:
        list(flowing)
    assert cut.value.code == "model_crashed", "who flowed beside it is told so"
    assert ask(client, "go", max_tokens=2).usage.completion_tokens == 2, "the model serves on"
    now = status(client)
    assert now["runner"]["pid"] != pid
    assert now["totals"]["crashes"] == 1, "it is not tried again"
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "hold", max_tokens=1)
    assert refused.value.code == "request_crashed_model"
    assert status(client)["runner"]["pid"] == now["runner"]["pid"]


def held_to(word: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {word: {"type": "boolean"}}, "required": [word]}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def test_grammars_that_end_runners_cost_their_caller_grammars_and_nobody_anything_else(client: OpenAI) -> None:
    for number in range(CALLER_LIMIT):
        with pytest.raises(openai.InternalServerError) as crashed:
            ask(client, "go", response_format=held_to(f"hold {number}"), max_tokens=1)
        assert crashed.value.code == "model_crashed"
        assert crashed.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client, "go", response_format=held_to("harmless"), max_tokens=1)
    assert 0 < int(refused.value.response.headers["Retry-After"]) <= POISON_S
    assert ask(client, "go", max_tokens=2).usage.completion_tokens == 2, "the model is in no quarantine"
    assert status(client)["totals"]["crashes"] == CALLER_LIMIT
