"""Tests what a body asks of the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hoshikage.answer.schema import chat as schema
from hoshikage.errors import HoshikageError, InvalidRequest
from hoshikage.http.json_body import parse
from hoshikage.params import RANDOM_SEED, GenerationRequest, Grammar, SamplingParams
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
        "dynatemp_range": 0.25,
        "dynatemp_exponent": 1.5,
        "top_p": 0.5,
        "top_k": 7,
        "min_p": 0.1,
        "min_keep": 2,
        "typical_p": 0.9,
        "top_n_sigma": 1.5,
        "xtc_probability": 0.5,
        "xtc_threshold": 0.2,
        "repeat_penalty": 1.1,
        "repeat_last_n": -1,
        "frequency_penalty": -0.5,
        "presence_penalty": 0.25,
        "dry_multiplier": 0.8,
        "dry_base": 2,
        "dry_allowed_length": 3,
        "dry_penalty_last_n": 128,
        "dry_sequence_breakers": ["\n", "。"],
        "mirostat": 2,
        "mirostat_tau": 4.5,
        "mirostat_eta": 0.2,
        "adaptive_target": 0.4,
        "adaptive_decay": 0.7,
        "samplers": ["temperature", "typ_p", "top_k"],
        "logit_bias": {"5": -100, "7": 2.5},
        "ignore_eos": True,
        "seed": 42,
    }
    assert given.keys() == set(SamplingParams.__struct_fields__)
    expected = given | {
        "dry_sequence_breakers": ("\n", "。"),
        "samplers": ("temperature", "typical_p", "top_k"),
        "logit_bias": ((5, -100.0), (7, 2.5)),
    }
    assert request(home, **given).sampling == SamplingParams(**expected)


def test_every_field_is_told_what_becomes_of_it() -> None:
    """A field without effect has a reason; nothing stands in two of the three lists."""
    known = set(schema.ChatBody.__struct_fields__)
    without = {name for name in schema.WITHOUT_EFFECT if "." not in name and name != "parallel_tool_calls"}
    assert without <= known
    assert set(schema.NEUTRAL) <= known
    assert not without & set(schema.NEUTRAL)


SCHEMA = {"type": "object", "properties": {"b": {}, "a": {}}}


@pytest.mark.parametrize(
    ("fields", "grammar"),
    [
        ({}, None),
        ({"response_format": {"type": "text"}, "grammar": ""}, None),
        (
            {"response_format": {"type": "json_object"}},
            Grammar("json_schema", '{"type":"object"}', "response_format.schema", strict=False),
        ),
        (
            {"response_format": {"type": "json_object", "schema": {"const": 1}}},
            Grammar("json_schema", '{"const":1}', "response_format.schema", strict=False),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
            Grammar(
                "json_schema",
                json.dumps(SCHEMA, separators=(",", ":")),
                "response_format.json_schema.schema",
                strict=False,
            ),
        ),
        ({"json_schema": {"const": "星"}}, Grammar("json_schema", '{"const":"星"}', "json_schema", strict=False)),
        ({"grammar": "root ::= [a-z]"}, Grammar("gbnf", "root ::= [a-z]", "grammar")),
        (
            {"response_format": {"type": "json_object", "schema": True}},
            Grammar("json_schema", "{}", "response_format.schema", strict=False),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": True}}},
            Grammar("json_schema", "{}", "response_format.json_schema.schema", strict=False),
        ),
        ({"guided_json": {"const": 1}}, Grammar("json_schema", '{"const":1}', "guided_json", strict=False)),
        ({"guided_json": ' {"const": 1}'}, Grammar("json_schema", '{"const":1}', "guided_json", strict=False)),
        ({"guided_json": True}, Grammar("json_schema", "{}", "guided_json", strict=False)),
        ({"guided_regex": r"\d+"}, Grammar("regex", r"\d+", "guided_regex")),
        (
            {"guided_choice": ["yes", 'n"o', "a\\b\n"]},
            Grammar("gbnf", r'root ::= "yes" | "n\U00000022o" | "a\U0000005Cb\U0000000A"', "guided_choice"),
        ),
        ({"guided_grammar": 'root ::= "a"'}, Grammar("gbnf", 'root ::= "a"', "guided_grammar")),
        (
            {"structured_outputs": {"json": {"const": 1}, "regex": None}},
            Grammar("json_schema", '{"const":1}', "structured_outputs.json", strict=False),
        ),
        ({"structured_outputs": {"regex": "a"}}, Grammar("regex", "a", "structured_outputs.regex")),
        ({"structured_outputs": {"choice": ["a"]}}, Grammar("gbnf", 'root ::= "a"', "structured_outputs.choice")),
        (
            {"structured_outputs": {"grammar": "root ::= x"}},
            Grammar("gbnf", "root ::= x", "structured_outputs.grammar"),
        ),
        (
            {"structured_outputs": {"json_object": True}},
            Grammar("json_schema", '{"type":"object"}', "structured_outputs.json_object", strict=False),
        ),
        ({"guided_json": None, "guided_regex": "", "structured_outputs": {"json_object": False}}, None),
    ],
)
def test_what_the_answer_is_held_to(home: Path, fields: dict[str, Any], grammar: Grammar | None) -> None:
    asked = request(home, **fields)
    assert asked.grammar == grammar
    assert asked.stop == (("### END", "</s>") if grammar is None else ())
    assert asked.stop_tokens == (*DEFAULT_STOPS, "### END")
    assert request(home, stop="END", **fields).stop[-1] == "END"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"guided_json": {}, "response_format": {"type": "json_object"}}, "guided_json"),
        ({"guided_regex": "a", "grammar": 'root ::= "a"'}, "guided_regex"),
        ({"guided_choice": ["a"], "json_schema": {}}, "guided_choice"),
        ({"guided_regex": "a", "guided_choice": ["a"]}, "guided_choice"),
        ({"guided_regex": "a", "structured_outputs": {"regex": "a"}}, "structured_outputs.regex"),
        ({"structured_outputs": {"json": {}, "json_object": True}}, "structured_outputs.json_object"),
        ({"structured_outputs": {"structural_tag": {"type": "x"}}}, "structured_outputs.structural_tag"),
        ({"guided_json": "no schema"}, "guided_json"),
        ({"guided_json": "[1]"}, "guided_json"),
        ({"guided_json": False}, "guided_json"),
        ({"response_format": {"type": "json_object", "schema": False}}, "response_format.schema"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": ["a", "\ud800"]}, "guided_choice[1]"),
        ({"guided_choice": ["a" * 2**16]}, "guided_choice"),
        ({"guided_regex": "a" * (2**16 + 1)}, "guided_regex"),
        ({"guided_grammar": "#" * (2**16 + 1)}, "guided_grammar"),
        ({"guided_json": {"const": "a" * 2**18}}, "guided_json"),
        ({"guided_regex": "a", "ignore_eos": True}, "ignore_eos"),
    ],
)
def test_what_no_answer_can_be_held_to_is_named(home: Path, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(HoshikageError) as refused:
        request(home, **fields)
    assert refused.value.status == 400
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "logprobs"),
    [({}, None), ({"logprobs": True}, 0), ({"logprobs": True, "top_logprobs": 3}, 3), ({"top_logprobs": 0}, None)],
)
def test_logprobs(home: Path, fields: dict[str, Any], logprobs: int | None) -> None:
    assert request(home, **fields).logprobs == logprobs


def test_choices(home: Path) -> None:
    assert (request(home).choices, request(home, n=3).choices) == (1, 3)


@pytest.mark.parametrize(
    ("fields", "kwargs"),
    [
        ({}, {}),
        ({"reasoning_effort": "low"}, {"reasoning_effort": "low", "enable_thinking": True}),
        ({"reasoning_effort": "max"}, {"reasoning_effort": "xhigh", "enable_thinking": True}),
        ({"reasoning_effort": "off"}, {"reasoning_effort": "none", "enable_thinking": False}),
        ({"enable_thinking": False}, {"enable_thinking": False}),
        ({"think": "none"}, {"enable_thinking": False}),
        ({"thinking": {"type": "disabled"}}, {"enable_thinking": False}),
        ({"reasoning": {"enabled": False}}, {"enable_thinking": False}),
        ({"reasoning": {"effort": "none"}}, {"enable_thinking": False}),
        ({"thinking_budget": 0, "enable_thinking": True}, {"enable_thinking": False}),
        ({"reasoning": {"max_tokens": 0}}, {"enable_thinking": False}),
        ({"chat_template_kwargs": {"enable_thinking": "false"}}, {"enable_thinking": False}),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, {"enable_thinking": True, "thinking_budget": 9}),
        ({"reasoning": {"max_tokens": 9}, "thinking_budget_tokens": 7}, {"thinking_budget": 7}),
        ({"reasoning_budget": -1}, {}),
        ({"reasoning_effort": "none"}, {"reasoning_effort": "none", "enable_thinking": False}),
        (
            {"reasoning_effort": "none", "verbosity": "high", "chat_template_kwargs": {"enable_thinking": True}},
            {"reasoning_effort": "none", "verbosity": "high", "enable_thinking": True},
        ),
    ],
)
def test_what_templates_may_read(home: Path, fields: dict[str, Any], kwargs: dict[str, Any]) -> None:
    assert request(home, **fields).chat.template_kwargs == kwargs


@pytest.mark.parametrize(
    ("last", "fields", "continued", "prompted"),
    [
        ("user", {}, False, True),
        ("user", {"add_generation_prompt": False}, False, False),
        ("assistant", {}, True, False),
        ("assistant", {"continue_final_message": True}, True, False),
        ("assistant", {"continue_final_message": False}, False, True),
        ("assistant", {"add_generation_prompt": True}, False, True),
    ],
)
def test_an_answer_that_has_begun_goes_on(
    home: Path, last: str, fields: dict[str, Any], continued: bool, prompted: bool
) -> None:
    turns = [{"role": "user", "content": "x"}, {"role": last, "content": "y"}]
    prompt = request(home, messages=turns, **fields).chat
    assert (prompt.continue_final_message, prompt.add_generation_prompt) == (continued, prompted)


@pytest.mark.parametrize(
    ("seed", "folded"), [(0, 0), (-1, RANDOM_SEED), (2**32 + 5, 5), (2**64 - 1, RANDOM_SEED), (-(2**63), 0)]
)
def test_any_seed_is_folded(home: Path, seed: int, folded: int) -> None:
    assert request(home, seed=seed).sampling.seed == folded


@pytest.mark.parametrize(
    ("fields", "maximum"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 7, "max_completion_tokens": 7}, 7),
        ({"max_tokens": None}, None),
    ],
)
def test_the_two_names_of_max_tokens(home: Path, fields: dict[str, Any], maximum: int | None) -> None:
    assert request(home, **fields).max_tokens == maximum


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
    ).chat.messages
    assert [(turn.role, turn.content) for turn in turns] == [
        ("system", "be brief"),
        ("user", "一\n二"),
        ("assistant", None),
        ("tool", "ok"),
    ]
    assert [turn.extra for turn in turns] == [{}, {"name": "Ai"}, {"tool_calls": [call]}, {"tool_call_id": "c1"}]


def test_a_penalty_that_no_float_can_divide_by_is_refused(home: Path) -> None:
    assert request(home, repeat_penalty=0).sampling.repeat_penalty == 1.0
    assert request(home, repeat_penalty=0.01).sampling.repeat_penalty == 0.01
    with pytest.raises(InvalidRequest) as refused:
        request(home, repeat_penalty=1e-40)
    assert refused.value.param == "repeat_penalty"
