"""Ollama's /api as its own client sees it: lines, calls, thoughts, options, and what is told of the models."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import ollama
import pytest

from hoshikage import wire
from hoshikage.dispatch.client import Waiting
from hoshikage.errors import InferenceFailed, Unavailable
from hoshikage.http.keys import StreamTimeouts
from hoshikage.params import ChatPrompt, GenerationRequest, InfillPrompt, TextPrompt
from hoshikage.registry import OwnOptions, Registry
from hoshikage.settings import Settings
from tests.gguf_files import U32, Gguf
from tests.protocols.conftest import GatedDispatcher, House, answer, finished, serving, tls
from tests.protocols.test_chat_tools import CALL, THOUGHTS, WEATHER, model, says

USER: Final = {"role": "user", "content": "東京の天気は？"}


async def call(house: House, name: str, *given: Any, **fields: Any) -> Any:
    """Calls a method of the client, and returns a stream's parts as a list."""
    async with ollama.AsyncClient(house.url, verify=tls()) as client:
        answered = await getattr(client, name)(*given, **fields)
        return [part async for part in answered] if fields.get("stream") else answered


async def chat(house: House, **fields: Any) -> Any:
    return await call(house, "chat", **{"model": "tiny", "messages": [USER], **fields})


async def lines_of(house: House, path: str = "/api/chat", **fields: Any) -> list[dict[str, Any]]:
    given = {"messages": [USER]} if path == "/api/chat" else {}
    body = json.dumps({"model": "tiny", **given, **fields})
    sent = {"Content-Type": "application/json"}
    async with house.session.post(house.url + path, data=body, headers=sent) as response:
        assert response.headers["Content-Type"] == "application/x-ndjson"
        return [json.loads(line) async for line in response.content]


def asked(house: House) -> GenerationRequest:
    return house.dispatcher.asked[-1][1]


def prompted(house: House) -> ChatPrompt:
    prompt = asked(house).prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


async def test_a_chat(house: House) -> None:
    whole = await chat(house)
    assert (whole.model, whole.message.role, whole.message.content) == ("tiny", "assistant", "星影です")
    assert (whole.done, whole.done_reason, whole.prompt_eval_count, whole.eval_count) == (True, "stop", 5, 3)
    assert whole.total_duration >= 0
    assert whole.load_duration == 9_000_000
    assert (whole.prompt_eval_duration, whole.eval_duration) == (1_000_000, 1_000_000)
    parts = await chat(house, stream=True)
    assert [part.message.content for part in parts] == ["星", "影です", ""]
    assert [part.done for part in parts] == [False, False, True]
    assert parts[-1].eval_count == 3


async def test_lines_are_streamed_unless_that_is_refused(house: House) -> None:
    lines = await lines_of(house)
    assert [line["message"] for line in lines[:-1]] == [
        {"role": "assistant", "content": "星"},
        {"role": "assistant", "content": "影です"},
    ]
    assert lines[-1]["done_reason"] == "stop"
    assert all(line["created_at"].endswith("Z") for line in lines)


async def test_options_are_the_samplers(house: House) -> None:
    options = {
        "temperature": 0.5,
        "top_k": 3,
        "seed": 7,
        "num_predict": 9,
        "stop": ["終"],
        "num_ctx": 8192,
        "min_p": 0.1,
    }
    await chat(house, options=options, keep_alive="5m")
    sampling = asked(house).sampling
    assert (sampling.temperature, sampling.top_k, sampling.seed, sampling.min_p) == (0.5, 3, 7, 0.1)
    assert (asked(house).max_tokens, asked(house).stop) == (9, ("### END", "終"))
    for endless in (-1, -2):
        await chat(house, options={"num_predict": endless})
        assert asked(house).max_tokens is None


async def test_a_tag_is_no_part_of_a_label(house: House) -> None:
    assert (await chat(house, model="tiny:latest")).model == "tiny:latest"
    with pytest.raises(ollama.ResponseError) as unknown:
        await chat(house, model="tiny:7b")
    assert unknown.value.status_code == 404
    assert "tiny:7b" in unknown.value.error


async def test_tools(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen2.5")
    says(house, *("I look.\n" + CALL + "\n" + CALL))
    whole = await chat(house, tools=[WEATHER])
    parts = await chat(house, tools=[WEATHER], stream=True)
    calls = [call for part in parts for call in part.message.tool_calls or ()]
    for found in (whole.message.tool_calls, calls):
        assert [(call.function.name, call.function.arguments) for call in found] == [
            ("weather", {"city": "東京"}),
            ("weather", {"city": "東京"}),
        ]
    assert "".join(part.message.content or "" for part in parts) == whole.message.content == "I look."
    assert whole.done_reason == "stop"
    assert prompted(house).tools[0] == WEATHER
    says(house, '<tool_call>\n{"name": "weather", "arguments": {"city": nonsense}}\n</tool_call>')
    for part in (await chat(house, tools=[WEATHER]), (await chat(house, tools=[WEATHER], stream=True))[0]):
        (broken,) = part.message.tool_calls
        assert broken.function.arguments == {"__unparsedToolInput": {"raw": '{"city": nonsense}}'}}
    assert (await lines_of(house, tools=[WEATHER]))[-1]["warnings"][0]["code"] == "tool_call_unparsed"


async def test_results_find_their_calls(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")

    def made(name: str) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": {"city": "東京"}}}

    messages = [
        {"role": "system", "content": "Be brief."},
        USER,
        {"role": "assistant", "content": "", "thinking": "Hm", "tool_calls": [made("weather"), made("time")]},
        {"role": "tool", "tool_name": "time", "content": "noon"},
        {"role": "tool", "content": "sunny"},
    ]
    await chat(house, messages=messages, tools=[WEATHER])
    turns = prompted(house).messages
    first, second = turns[2].extra["tool_calls"]
    assert (turns[2].content, turns[2].extra["reasoning_content"]) == (None, "Hm")
    assert first["function"]["arguments"] == {"city": "東京"}
    assert first["id"] != second["id"]
    assert [turn.extra["tool_call_id"] for turn in turns[3:]] == [second["id"], first["id"]]


async def test_thoughts(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, *(THOUGHTS + "Yes."))
    whole = await chat(house, think=True)
    assert (whole.message.thinking.strip(), whole.message.content) == ("Hm.", "Yes.")
    assert prompted(house).template_kwargs["enable_thinking"] is True
    parts = await chat(house, stream=True)
    assert "".join(part.message.thinking or "" for part in parts).strip() == "Hm."
    assert prompted(house).template_kwargs["enable_thinking"] is True
    hidden = await chat(house, think=False)
    assert (hidden.message.thinking, hidden.message.content) == (None, "Yes.")
    assert prompted(house).template_kwargs["enable_thinking"] is False
    await chat(house, think="high")
    assert prompted(house).template_kwargs["reasoning_effort"] == "high"


async def test_formats(house: House) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    for given, held in (("json", {"type": "object"}), (schema, schema)):
        await chat(house, format=given)
        grammar = asked(house).grammar
        assert grammar is not None
        assert json.loads(grammar.text) == held
    await chat(house, format="")
    assert asked(house).grammar is None


async def test_log_probabilities(house: House) -> None:
    likely = wire.Likely("星", "星".encode(), -0.5)
    token = wire.Token(1, "星", 1, logprobs=(wire.Chosen(likely, (likely,)),))
    house.dispatcher.steps = [wire.Started(1, 5), token, finished()]
    whole = await chat(house, logprobs=True, top_logprobs=1)
    assert (asked(house).logprobs, whole.logprobs[0].token, whole.logprobs[0].top_logprobs[0].logprob) == (
        1,
        "星",
        -0.5,
    )
    assert (await lines_of(house, logprobs=True))[0]["logprobs"][0]["token"] == "星"


async def test_generate(house: House) -> None:
    whole = await call(house, "generate", model="tiny", prompt="A", system="B")
    assert (whole.response, whole.done_reason) == ("星影です", "stop")
    assert [(turn.role, turn.content) for turn in prompted(house).messages] == [("system", "B"), ("user", "A")]
    lines = await lines_of(house, "/api/generate", prompt="A")
    assert [line["response"] for line in lines] == ["星", "影です", ""]


async def test_a_conversation_goes_on_by_its_tokens(house: House) -> None:
    house.dispatcher.steps = [
        wire.Started(1, 3, tokens=(5, 6, 7)),
        wire.Token(1, "星", 1, tokens=(8,)),
        wire.Token(1, "影", 2, tokens=(9, 10)),
        msgspec.structs.replace(finished(), tokens=(11,)),
    ]
    whole = await call(house, "generate", model="tiny", prompt="A", context=[1, 2])
    assert prompted(house).before == (1, 2)
    assert (asked(house).return_prompt, asked(house).return_tokens) == (True, True)
    assert whole.context == [5, 6, 7, 8, 9, 10, 11]
    lines = await lines_of(house, "/api/generate", prompt="A", context=[])
    assert prompted(house).before == ()
    assert ["context" in line for line in lines] == [False, False, True]
    assert lines[-1]["context"] == whole.context
    likely = tuple(wire.Chosen(wire.Likely("x", b"x", -0.5, number), ()) for number in (8, 9))
    house.dispatcher.steps[1:3] = [wire.Token(1, "xx", 2, logprobs=likely)]
    assert (await call(house, "generate", model="tiny", prompt="A", logprobs=True)).context == [5, 6, 7, 8, 9, 11]
    assert "context" not in (await lines_of(house))[-1], "a chat has its messages"


async def test_generate_without_the_template(house: House) -> None:
    await call(house, "generate", model="tiny", prompt="A", raw=True)
    assert asked(house).prompt == TextPrompt("A")
    await call(house, "generate", model="tiny", prompt="A", suffix="B")
    assert asked(house).prompt == InfillPrompt("A", "B")


async def test_a_request_for_nothing_loads(house: House) -> None:
    loaded = await call(house, "generate", model="tiny")
    assert (loaded.done_reason, loaded.response, house.dispatcher.loaded) == ("load", "", ["tiny"])
    assert (await call(house, "chat", model="tiny", messages=[])).done_reason == "load"
    assert (await call(house, "generate", model="tiny", keep_alive=0)).done_reason == "unload"
    assert house.dispatcher.asked == []


async def test_a_pinned_model_stays_whoever_asks_but_an_administrator(settings: Settings) -> None:
    registry = Registry(settings.model_map_file)
    file = Gguf().write(settings.model_map_file.parent / "pinned.gguf")
    registry.add("pinned", file, options=OwnOptions({"pin": True}))
    registry.add("also", file)
    token = settings.admin_token_file
    async with serving(settings) as house:

        async def unload(label: str, **headers: str) -> tuple[str, str]:
            body = json.dumps({"model": label, "keep_alive": 0})
            _, told, answered = await house.ask("POST", "/api/generate", body, **headers)
            return told["done_reason"], answered.get("X-Hoshikage-Ignored", "")

        house.dispatcher.loaded = ["pinned", "also"]
        for label in ("pinned", "also"):
            assert await unload(label) == ("load", "keep_alive")
        assert house.dispatcher.loaded == ["pinned", "also"]
        for path, fields, place in (
            ("/api/chat", {"messages": [USER], "keep_alive": 0}, "keep_alive"),
            ("/v1/chat/completions", {"messages": [USER], "ttl": 0}, "ttl"),
        ):
            body = json.dumps({"model": "pinned", "stream": False, **fields})
            status, _, headers = await house.ask("POST", path, body, **{"Content-Type": "application/json"})
            assert (status, headers.get("X-Hoshikage-Ignored")) == (200, place)
        assert house.dispatcher.kept == []
        assert await unload("pinned", Authorization=f"Bearer {token.read_text().strip()}") == ("unload", "")
        assert house.dispatcher.loaded == ["also"]


async def test_spaces_fill_a_long_silence(settings: Settings) -> None:
    dispatcher = GatedDispatcher()
    gate = asyncio.Event()
    dispatcher.steps = [Waiting(1), gate, *dispatcher.steps]
    timeouts = StreamTimeouts(commit_after=0, comment_every=0.01)
    async with serving(settings, timeouts=timeouts, dispatcher=dispatcher) as house:
        body = json.dumps({"model": "tiny", "messages": [USER]})
        async with house.session.post(f"{house.url}/api/chat", data=body) as response:
            silence = await response.content.readexactly(3)
            gate.set()
            lines = (await response.read()).splitlines()
        assert (response.status, silence) == (200, b"   ")
        assert [json.loads(line)["message"]["content"] for line in lines] == ["星", "影です", ""]
        gate.clear()
        asyncio.get_running_loop().call_later(0.2, gate.set)
        assert [part.message.content for part in await chat(house, stream=True)] == ["星", "影です", ""]


async def test_no_vectors_for_nothing(house: House) -> None:
    found = await call(house, "embed", model="tiny", input=[])
    assert (found.embeddings, found.prompt_eval_count) == ([], 0)
    assert house.dispatcher.asked == []


async def test_models(house: House, tmp_path: Path, settings: Settings) -> None:
    Gguf().with_pair("llama.block_count", U32, 3).write(tmp_path / "tiny.gguf")
    Registry(settings.model_map_file).add("gone", tmp_path / "gone.gguf")
    found: dict[str | None, Any] = {one.model: one for one in (await call(house, "list")).models}
    assert set(found) == {"tiny", "gone"}
    tiny = found["tiny"]
    assert (tiny.details.family, tiny.details.quantization_level, tiny.details.format) == ("llama", "Q8_0", "gguf")
    assert tiny.size == (tmp_path / "tiny.gguf").stat().st_size
    assert len(tiny.digest) == 64
    assert found["gone"].size == 0
    again = {one.model: one for one in (await call(house, "list")).models}
    assert again["tiny"] == tiny
    shown = await call(house, "show", "tiny:latest")
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 512
    assert "tokenizer.chat_template" not in shown.modelinfo
    assert shown.template is not None
    assert "messages" in shown.template
    assert shown.capabilities == ["completion", "tools"]
    assert shown.details == tiny.details
    with pytest.raises(ollama.ResponseError) as unknown:
        await call(house, "show", "nobody")
    assert unknown.value.status_code == 404


async def test_what_is_loaded(house: House, tmp_path: Path) -> None:
    Gguf().write(tmp_path / "tiny.gguf")
    assert (await call(house, "ps")).models == []
    house.dispatcher.loaded.append("tiny")
    (running,) = (await call(house, "ps")).models
    assert (running.model, running.size, running.size_vram) == ("tiny", (tmp_path / "tiny.gguf").stat().st_size, 0)
    assert running.expires_at is not None
    assert running.expires_at.timestamp() > time.time() + 86_400, "no clock runs"
    house.dispatcher.unload_in = 90.0
    (running,) = (await call(house, "ps")).models
    assert running.expires_at is not None
    assert 80 < running.expires_at.timestamp() - time.time() <= 90
    assert running.digest
    house.dispatcher.loaded[:] = ["gone"]
    assert (await call(house, "ps")).models == []


async def test_the_version(house: House) -> None:
    _, told, _ = await house.ask("GET", "/api/version")
    assert told == {"version": "0.14.0"}, "Ollama's, whose clients refuse older ones"


@pytest.mark.parametrize(
    ("path", "fields", "place"),
    [
        ("chat", {"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ("chat", {"messages": [{**USER, "images": ["x"]}]}, "messages[0].images[0]"),
        ("chat", {"messages": [USER], "format": "xml"}, "format"),
        ("chat", {"messages": [USER], "options": {"temperature": 300}}, "options.temperature"),
        ("chat", {"messages": [USER], "options": {"num_predict": 1.5}}, "options.num_predict"),
        ("chat", {"messages": [USER], "options": {"stop": "影" * 100}}, "options.stop"),
        ("chat", {"messages": [USER], "think": "much"}, "think"),
        ("chat", {"messages": [USER], "tools": [WEATHER, WEATHER]}, "tools[1].function.name"),
        ("generate", {"prompt": "x", "images": ["x"]}, "images[0]"),
        ("generate", {"prompt": "x", "template": "x"}, "template"),
        ("generate", {"prompt": "x", "context": [1], "raw": True}, "raw"),
        ("generate", {"prompt": "x", "context": [1], "suffix": "y"}, "suffix"),
        ("generate", {"prompt": "x", "context": "y"}, "context"),
        ("generate", {"prompt": "x", "width": 64}, "width"),
        ("generate", {"prompt": "x", "raw": True, "system": "x"}, "raw"),
        ("embed", {"input": 5}, "input"),
        ("embed", {"input": "x", "keep_alive": "soon"}, "keep_alive"),
        ("generate", {"prompt": "x", "keep_alive": "5 parsecs"}, "keep_alive"),
        ("show", {"model": None}, "model"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    house: House, path: str, fields: dict[str, Any], place: str
) -> None:
    body = json.dumps({"model": "tiny", **fields})
    status, answered, _ = await house.ask("POST", f"/api/{path}", body, **{"Content-Type": "application/json"})
    assert (status, list(answered)) == (400, ["error"])
    assert place in answered["error"]
    assert house.dispatcher.asked == []


async def test_errors_are_ollamas(house: House) -> None:
    house.dispatcher.steps = [Unavailable("dispatch.shutting_down", retry_after=7)]
    for asking in (chat(house), chat(house, stream=False)):
        with pytest.raises(ollama.ResponseError) as busy:
            await asking
        assert busy.value.status_code == 503
    house.dispatcher.steps = [*answer("星")[:2], InferenceFailed("http.answer_cut")]
    lines = await lines_of(house)
    assert list(lines[-1]) == ["error"]
    told: Sequence[Any] = [line.get("message") for line in lines]
    assert told[0] == {"role": "assistant", "content": "星"}
