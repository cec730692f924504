"""Each row of docs/API's tables, sent to the server: it works, or changes nothing for the engine, or is refused.

A field inside another is part of the value that is sent for the outer one.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage import wire
from hoshikage.api.schema import anthropic, chat, completions, native, ollama, responses
from hoshikage.api.schema.sampling import SamplingFields
from hoshikage.dispatch.client import Note
from hoshikage.params import Detokenization, Embedding, Ranking, Rendering, Tokenization, Work
from hoshikage.registry import ModelSpec
from tests.api.conftest import House, answer, finished
from tests.api.test_chat_tools import WEATHER
from tests.gguf_files import Gguf
from tests.test_documents_api import PROTOCOLS, Outcome, rows

Body = dict[str, Any]
USER: Final = {"role": "user", "content": "x"}
SCHEMA: Final = {"type": "object", "properties": {"a": {"type": "string"}}}
FORMAT: Final[Body] = {
    "type": "json_schema",
    "schema": SCHEMA,
    "json_schema": {"name": "a", "description": "b", "schema": SCHEMA, "strict": True},
}
NAMED: Final = {"type": "function", "function": {"name": "weather"}}
FUNCTION: Final = {**WEATHER, "function": {**WEATHER["function"], "strict": True}}
FLAT: Final = {"type": "function", **FUNCTION["function"]}
CALL: Final = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
USE: Final = {
    "name": "weather",
    "type": "custom",
    "description": "Tells.",
    "input_schema": SCHEMA,
    "eager_input_streaming": True,
    "strict": True,
}
ALL: Final = {"type": "text", "text": "x"}

BASES: Final[dict[str, Body]] = {
    "/v1/chat/completions": {"model": "tiny", "messages": [USER]},
    "/v1/responses": {"model": "tiny", "input": "x"},
    "/v1/messages": {"model": "tiny", "max_tokens": 9, "messages": [USER]},
    "/v1/completions": {"model": "tiny", "prompt": "a"},
    "/v1/embeddings": {"model": "tiny", "input": "a"},
    "/v1/rerank": {"model": "tiny", "query": "q", "documents": ["a", "b"]},
    "/completion": {"prompt": "a"},
    "/infill": {"input_prefix": "a", "input_suffix": "b"},
    "/api/generate": {"model": "tiny", "prompt": "a", "stream": False},
    "/api/chat": {"model": "tiny", "messages": [USER], "stream": False},
    "/api/embed": {"model": "tiny", "input": "a"},
    "/api/show": {"model": "tiny"},
}
ROUTES: Final = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "native": "/completion",
    "ollama": "/api/generate",
    "ollama_embed": "/api/embed",
    "ollama_show": "/api/show",
}
OTHER_ROUTES: Final = {
    ("native", "input_prefix"): "/infill",
    ("native", "input_suffix"): "/infill",
    ("native", "input_extra"): "/infill",
    ("ollama", "messages"): "/api/chat",
    ("ollama", "tools"): "/api/chat",
}
"""Of a table that tells of two routes: the fields that only the other one has."""

SAMPLING: Final[Body] = {
    "temperature": 0.5,
    "dynatemp_range": 0.5,
    "dynatemp_exponent": 2,
    "top_p": 0.5,
    "top_k": 7,
    "min_p": 0.25,
    "typical_p": 0.5,
    "top_n_sigma": 2,
    "xtc_probability": 0.5,
    "xtc_threshold": 0.25,
    "repeat_penalty": 1.5,
    "repeat_last_n": 9,
    "frequency_penalty": 1,
    "presence_penalty": 1,
    "dry_multiplier": 0.5,
    "dry_base": 2,
    "dry_allowed_length": 5,
    "dry_penalty_last_n": 9,
    "dry_sequence_breakers": ["x"],
    "mirostat": 1,
    "mirostat_tau": 3,
    "mirostat_eta": 0.5,
    "samplers": ["temperature", "top_k"],
    "logit_bias": {"5": 3},
    "ignore_eos": True,
    "seed": 7,
}
RAW: Final[Body] = {
    "model": "tiny",
    "prompt": ["a", "b"],
    "stream": True,
    "stop": ["x"],
    "grammar": 'root ::= "a"',
    "json_schema": SCHEMA,
    "response_format": FORMAT,
    "max_tokens": 5,
    "cache_prompt": True,
}
VALUES: Final[dict[str, Body]] = {
    "chat": {
        **SAMPLING,
        "model": "tiny",
        "messages": [
            {"role": "developer", "content": [ALL], "name": "n"},
            {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [CALL]},
            {"role": "tool", "content": "x", "tool_call_id": "c1"},
            USER,
        ],
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": True},
        "max_tokens": 5,
        "max_completion_tokens": 5,
        "stop": ["x"],
        "n": 2,
        "logprobs": True,
        "top_logprobs": 2,
        "response_format": FORMAT,
        "grammar": 'root ::= "a"',
        "json_schema": SCHEMA,
        "add_generation_prompt": True,
        "continue_final_message": False,
        "chat_template_kwargs": {"enable_thinking": True},
        "reasoning_effort": "low",
        "verbosity": "low",
        "tools": [FUNCTION],
        "tool_choice": {**NAMED, "allowed_tools": {"mode": "auto", "tools": [NAMED]}},
        "parallel_tool_calls": False,
        "timings": True,
        "service_tier": "flex",
        "cache_prompt": True,
        "metadata": {"a": "b"},
        "prediction": {"type": "content", "content": [ALL]},
        "prompt_cache_key": "x",
        "prompt_cache_retention": "24h",
        "safety_identifier": "x",
        "store": True,
        "user": "x",
    },
    "responses": {
        "model": "tiny",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
            {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
            {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        ],
        "instructions": "x",
        "max_output_tokens": 5,
        "top_logprobs": 2,
        "include": ["reasoning.encrypted_content"],
        "tools": [FLAT],
        "tool_choice": {
            "type": "allowed_tools",
            "name": "weather",
            "mode": "auto",
            "tools": [{"type": "function", "name": "weather"}],
        },
        "parallel_tool_calls": False,
        "text": {
            "format": {"type": "json_schema", **FORMAT["json_schema"]},
            "verbosity": "low",
        },
        "reasoning": {"effort": "max", "summary": "auto"},
        "metadata": {"a": "b"},
        "store": False,
        "stream": True,
        "chat_template_kwargs": {"enable_thinking": True},
        "service_tier": "flex",
        "max_tool_calls": 3,
        "prompt_cache_key": "x",
        "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "explicit"},
        "safety_identifier": "x",
        "stream_options": {"include_obfuscation": True},
        "user": "x",
    },
    "messages": {
        "model": "tiny",
        "messages": [
            USER,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "y"},
                    {"type": "tool_use", "id": "c", "name": "weather", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c", "content": [ALL], "is_error": True}, ALL],
            },
        ],
        "max_tokens": 5,
        "system": [ALL],
        "stop_sequences": ["x"],
        "stream": True,
        "tools": [USE],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": SCHEMA}},
        "cache_control": {"type": "ephemeral"},
        "context_management": {"edits": []},
        "diagnostics": {"x": 1},
        "inference_geo": "jp",
        "metadata": {"user_id": "x"},
        "service_tier": "auto",
    },
    "completions": {
        **RAW,
        "suffix": "b",
        "n": 2,
        "best_of": 2,
        "echo": True,
        "logprobs": 2,
        "stream_options": {"include_usage": True, "include_obfuscation": True},
        "timings": True,
        "user": "x",
    },
    "embeddings": {"model": "tiny", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 1, "user": "x"},
    "rerank": {"model": "tiny", "query": "x", "documents": [{"text": "a"}, "b"], "top_n": 1, "return_documents": True},
    "native": {
        **RAW,
        "input_prefix": "x",
        "input_suffix": "y",
        "input_extra": [{"text": "c", "filename": "d"}],
        "n_predict": 5,
        "n_probs": 2,
        "n_keep": 4,
        "n_discard": 2,
        "n_cache_reuse": 8,
        "id_slot": 0,
    },
    "ollama": {
        "model": "tiny:latest",
        "prompt": "b",
        "system": "x",
        "suffix": "x",
        "raw": True,
        "messages": [
            {
                "role": "assistant",
                "content": "",
                "thinking": "Hm.",
                "tool_calls": [{"id": "c", "function": {"name": "weather", "arguments": {}}}],
            },
            {"role": "tool", "content": "x", "tool_name": "weather", "tool_call_id": "c"},
            USER,
        ],
        "tools": [FUNCTION],
        "stream": True,
        "format": SCHEMA,
        "options": {**SAMPLING, "num_predict": 5, "stop": ["x"], "num_ctx": 8192, "num_gpu": 1},
        "think": "low",
        "logprobs": True,
        "top_logprobs": 2,
        "keep_alive": "5m",
        "truncate": True,
        "shift": True,
    },
    "ollama_embed": {
        "model": "tiny",
        "input": ["a", "b"],
        "dimensions": 1,
        "truncate": True,
        "options": {"num_ctx": 8192},
        "keep_alive": "5m",
    },
    "ollama_show": {"model": "tiny", "name": "tiny", "verbose": True},
}
"""A value for each field that is accepted."""
WITH: Final[dict[tuple[str, str], Body]] = {
    ("chat", "stream_options"): {"stream": True},
    ("chat", "top_logprobs"): {"logprobs": True},
    ("chat", "tool_choice"): {"tools": [FUNCTION]},
    ("responses", "stream_options"): {"stream": True},
    ("responses", "top_logprobs"): {"include": ["message.output_text.logprobs"]},
    ("responses", "tool_choice"): {"tools": [FLAT]},
    ("messages", "tool_choice"): {"tools": [USE]},
    ("completions", "stream_options"): {"stream": True},
    ("ollama", "top_logprobs"): {"logprobs": True},
}
"""What has to be sent beside a field."""
REFUSED: Final[dict[str, Body]] = {
    "chat": {
        "functions": [{"name": "f"}],
        "function_call": "f",
        "modalities": ["audio"],
        "audio": {"voice": "x"},
        "web_search_options": {},
        "timings_per_token": True,
        "messages[].refusal": [{"role": "assistant", "content": "x", "refusal": "x"}],
        "messages[].function_call": [{"role": "assistant", "content": "x", "function_call": {"name": "f"}}],
        "messages[].audio": [{"role": "assistant", "content": "x", "audio": {"id": "x"}}],
    },
    "responses": {
        "background": True,
        "context_management": [{"type": "compaction"}],
        "conversation": "x",
        "moderation": {"model": "x"},
        "prompt": {"id": "x"},
        "truncation": "auto",
    },
    "messages": {"container": "x", "mcp_servers": [{"name": "x"}], "speed": "fast"},
    "completions": {"timings_per_token": True},
    "embeddings": {},
    "rerank": {},
    "native": {
        "timings_per_token": True,
        "return_tokens": True,
        "return_progress": True,
        "response_fields": ["content"],
        "post_sampling_probs": True,
        "t_max_predict_ms": 5,
        "n_indent": 4,
        "min_keep": 3,
        "n_cmpl": 2,
        "lora": [{"id": 0, "scale": 1.0}],
        "image_data": [{"data": "", "id": 1}],
        "grammar_lazy": True,
        "grammar_triggers": [{"type": 0, "value": "x"}],
    },
    "ollama": {
        "context": [1],
        "images": ["x"],
        "template": "x",
        "width": 1,
        "height": 1,
        "steps": 1,
        "options.penalize_newline": {"penalize_newline": False},
        "options.tfs_z": {"tfs_z": 0.5},
        "messages[].images": [{**USER, "images": ["x"]}],
    },
    "ollama_embed": {},
    "ollama_show": {},
}
"""For a field inside another: the outer one's value."""
NEUTRAL: Final[dict[str, dict[str, tuple[Any, ...]]]] = {
    "chat": chat.NEUTRAL,
    "responses": responses.NEUTRAL,
    "messages": anthropic.NEUTRAL,
    "completions": completions.NEUTRAL,
    "native": native.NEUTRAL,
    "ollama": ollama.NEUTRAL,
}
KEPT: Final = "previous_response_id"
"""Has a test of its own, for it needs a response to be there."""
ANSWERING: Final = ("chat", "responses", "messages", "completions", "native", "ollama")

every = pytest.mark.parametrize("protocol", PROTOCOLS)
answering = pytest.mark.parametrize("protocol", ANSWERING)


class Server:
    """The application, whose model answers every kind of work; what it was asked for is kept."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self._house = house
        self.asked: list[Work] = []
        monkeypatch.setattr(house.dispatcher, "generate", self._generate)

    async def _generate(self, spec: ModelSpec, work: Work) -> AsyncGenerator[Note, None]:
        assert spec.label == "tiny"
        self.asked.append(work)
        for note in _notes(work):
            yield note

    async def send(self, path: str, body: Body) -> tuple[int, str, list[Work]]:
        """Status, answer, and what the engine was asked for."""
        self.asked = []
        sent = {"Content-Type": "application/json", "Accept-Language": "en"}
        async with self._house.session.post(self._house.url + path, data=json.dumps(body), headers=sent) as response:
            return response.status, await response.text(), self.asked


@pytest.fixture
def server(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    Gguf().write(tmp_path / "tiny.gguf")
    return Server(house, monkeypatch)


def _notes(work: Work) -> list[Any]:
    end = finished()
    if isinstance(work, Embedding):
        return [*(wire.Vector(1, bytes(8)) for _ in work.inputs), end]
    if isinstance(work, Ranking):
        return [*(wire.Score(1, 0.5) for _ in work.documents), end]
    if isinstance(work, Tokenization):
        return [wire.Tokens(1, (5,), (b"a",)), end]
    if isinstance(work, Detokenization | Rendering):
        return [wire.Text(1, "a"), end]
    return answer("星", "影です")


def outcomes(protocol: str) -> dict[str, Outcome]:
    return {name: outcome for names, outcome in rows("API.md", protocol) for name in names}


def top(name: str) -> str:
    return re.split(r"[.\[]", name)[0]


def steps(name: str) -> list[str]:
    """`a[].b` as a, [], b."""
    return re.findall(r"[^.\[\]]+|\[\]", name)


def holds(value: Any, path: list[str]) -> bool:
    if not path:
        return True
    if path[0] == "[]":
        return isinstance(value, list) and any(holds(one, path[1:]) for one in value)
    return isinstance(value, dict) and path[0] in value and holds(value[path[0]], path[1:])


def without(value: Any, path: list[str]) -> Any:
    """`value` less what stands at the path."""
    if path[0] == "[]":
        return [without(one, path[1:]) for one in value] if isinstance(value, list) else value
    if not isinstance(value, dict) or path[0] not in value:
        return value
    rest = {name: one for name, one in value.items() if name != path[0]}
    return rest if len(path) == 1 else {**rest, path[0]: without(value[path[0]], path[1:])}


def request_with(protocol: str, field: str, value: Any) -> tuple[str, Body]:
    path = OTHER_ROUTES.get((protocol, field), ROUTES[protocol])
    return path, {**BASES[path], **WITH.get((protocol, field), {}), field: deepcopy(value)}


@every
def test_every_row_has_a_value(protocol: str) -> None:
    told = outcomes(protocol)
    assert set(REFUSED[protocol]) == {name for name, outcome in told.items() if outcome == "refused"}
    accepted = {name for name, outcome in told.items() if outcome != "refused"}
    assert {name for name in accepted - {KEPT} if not holds(VALUES[protocol], steps(name))} == set()
    assert set(SAMPLING) == set(SamplingFields.__struct_fields__)


@every
async def test_what_works_is_accepted(server: Server, protocol: str) -> None:
    told = outcomes(protocol)
    for field in sorted({top(name) for name, outcome in told.items() if outcome == "works"}):
        if field == KEPT:
            continue
        status, text, _ = await server.send(*request_with(protocol, field, VALUES[protocol][field]))
        assert status == 200, (field, text)


@answering
async def test_each_way_to_choose_tokens_reaches_the_engine(server: Server, protocol: str) -> None:
    path = ROUTES[protocol]
    _, _, plain = await server.send(path, BASES[path])
    for field, value in SAMPLING.items():
        patch = {"options": {field: value}} if protocol == "ollama" else {field: value}
        status, text, asked = await server.send(path, {**BASES[path], **patch})
        assert status == 200, (field, text)
        assert len(asked) == len(plain) == 1
        assert asked != plain, field


@every
async def test_what_changes_nothing_changes_nothing(server: Server, protocol: str) -> None:
    told = outcomes(protocol)
    idle = sorted(name for name, outcome in told.items() if outcome == "nothing")
    for name in idle:
        outer = next(one for one in sorted(idle, key=len) if name == one or name.startswith((f"{one}.", f"{one}[")))
        path, body = request_with(protocol, top(name), VALUES[protocol][top(name)])
        lean = without(body, steps(outer))
        assert lean != body
        status, text, asked = await server.send(path, body)
        assert status == 200, (name, text)
        status, other, plain = await server.send(path, lean)
        assert status == 200, (name, other)
        assert asked == plain, name
        if protocol == "ollama_show":
            assert text == other


@every
async def test_what_cannot_be_done_is_refused_by_name(server: Server, protocol: str) -> None:
    for name, value in REFUSED[protocol].items():
        path, body = request_with(protocol, top(name), value)
        status, text, asked = await server.send(path, body)
        error = json.loads(text)["error"]
        words = error if isinstance(error, str) else error["message"]
        assert (status, asked) == (400, []), (name, text)
        assert name in re.sub(r"\[\d+\]", "[]", words)
        if isinstance(error, dict) and "param" in error:
            assert (re.sub(r"\[\d+\]", "[]", error["param"]), error["code"]) == (name, "unsupported_parameter")


@pytest.mark.parametrize("protocol", NEUTRAL)
async def test_asking_for_nothing_is_not_refused(server: Server, protocol: str) -> None:
    for name, values in NEUTRAL[protocol].items():
        for value in values:
            path, body = request_with(protocol, name, value)
            status, text, asked = await server.send(path, body)
            assert status == 200, (name, text)
            assert asked == (await server.send(path, BASES[path]))[2], name


async def test_a_response_goes_on_with_one_that_is_kept(server: Server) -> None:
    path = ROUTES["responses"]
    _, first, _ = await server.send(path, BASES[path])
    status, _, asked = await server.send(path, {**BASES[path], "previous_response_id": json.loads(first)["id"]})
    assert status == 200
    assert asked != (await server.send(path, BASES[path]))[2]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/tokenize",
            {"content": "a", "model": "tiny", "add_special": True, "parse_special": False, "with_pieces": True},
        ),
        ("/detokenize", {"tokens": [5], "model": "tiny"}),
        *(("/apply-template", {**BASES[ROUTES["chat"]], name: value}) for name, value in VALUES["chat"].items()
          if ("chat", name) not in WITH),
    ],
)  # fmt: skip
async def test_the_small_routes_take_their_fields(server: Server, path: str, body: Body) -> None:
    status, text, asked = await server.send(path, body)
    assert status == 200, text
    assert len(asked) == 1
