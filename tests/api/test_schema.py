"""What a body asks of the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hoshikage.api.body import parse
from hoshikage.api.schema import chat as schema
from hoshikage.params import RANDOM_SEED, GenerationRequest, SamplingParams
from hoshikage.registry import DEFAULT_STOPS, ModelSpec
from hoshikage.settings import load

SPEC = ModelSpec("tiny", Path("tiny.gguf"), ("### END", "</s>"), 0)


def request(home: Path, **fields: Any) -> GenerationRequest:
    settings = load({"TEMPERATURE": "0.7", "TOP_P": "0.6"}, {}, home).settings
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], **fields}
    return schema.to_request(schema.parse(parse(json.dumps(body).encode())), SPEC, settings)


def test_defaults_come_from_settings(home: Path) -> None:
    asked = request(home)
    assert asked.sampling == SamplingParams(temperature=0.7, top_p=0.6)
    assert asked.max_tokens is None
    assert asked.stop == ("### END", "</s>")
    assert asked.stop_tokens == (*DEFAULT_STOPS, "### END")


def test_every_sampling_field_is_honoured(home: Path) -> None:
    given: dict[str, Any] = {
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 7,
        "min_p": 0.1,
        "repeat_penalty": 1.1,
        "repeat_last_n": -1,
        "frequency_penalty": -0.5,
        "presence_penalty": 0.25,
        "seed": 42,
    }
    assert request(home, **given).sampling == SamplingParams(**given)
    assert given.keys() == set(SamplingParams.__slots__)


@pytest.mark.parametrize(
    ("seed", "folded"), [(0, 0), (-1, RANDOM_SEED), (2**32 + 5, 5), (2**64 - 1, RANDOM_SEED), (-(2**63), 0)]
)
def test_any_seed_is_folded(home: Path, seed: int, folded: int) -> None:
    assert request(home, seed=seed).sampling.seed == folded


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 7, "max_completion_tokens": 7}, 7),
        ({"max_tokens": None}, None),
    ],
)
def test_the_two_names_of_max_tokens(home: Path, fields: dict[str, Any], most: int | None) -> None:
    assert request(home, **fields).max_tokens == most


def test_stops_are_joined_without_doubles(home: Path) -> None:
    assert request(home, stop="END").stop == ("### END", "</s>", "END")
    assert request(home, stop=["a", "</s>", "a"]).stop == ("### END", "</s>", "a")
    assert request(home, stop=["a"]).stop_tokens == request(home).stop_tokens


def test_messages(home: Path) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = request(
        home,
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "name": "Ai", "content": [{"type": "text", "text": "一"}, {"type": "text", "text": "二"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        ],
    ).prompt.messages
    assert [(turn.role, turn.content) for turn in turns] == [
        ("system", "be brief"),
        ("user", "一二"),
        ("assistant", ""),
        ("tool", "ok"),
    ]
    assert [turn.extra for turn in turns] == [{}, {"name": "Ai"}, {"tool_calls": [call]}, {"tool_call_id": "c1"}]
