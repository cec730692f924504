"""Tests every field of a chat request, by the OpenAI SDK, over a real server, a real libllama and the built-in
model."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Annotated, Any, Literal

import jsonschema
import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

from tests.end_to_end.conftest import LABEL

QUESTION = "こんにちは！"
SCHEMAS_A_RUN = 1000


def ask(client: OpenAI, content: str = QUESTION, **more: Any) -> Any:
    given: dict[str, Any] = {"temperature": 0, **more}
    own = {name: given.pop(name) for name in tuple(given) if name in LOCAL_FIELDS}
    return client.chat.completions.create(
        model=LABEL, messages=[{"role": "user", "content": content}], extra_body=own, **given
    )


LOCAL_FIELDS = {
    "top_k", "min_p", "typical_p", "top_n_sigma", "repeat_penalty", "repeat_last_n", "xtc_probability", "xtc_threshold",
    "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers",
    "dynatemp_range", "dynatemp_exponent", "mirostat", "mirostat_tau", "mirostat_eta", "samplers", "grammar",
    "adaptive_target", "adaptive_decay", "json_schema", "ignore_eos", "chat_template_kwargs", "cache_prompt", "timings",
    "continue_final_message",
}  # fmt: skip


def text_of(answer: Any, choice: int = 0) -> str:
    text = answer.choices[choice].message.content
    assert isinstance(text, str)
    return text


def streamed(client: OpenAI, **more: Any) -> tuple[dict[int, str], dict[int, list[Any]], dict[int, str], Any]:
    """Returns by choice the joined text, the tokens, the finish reason; and the usage."""
    texts: dict[int, str] = {}
    tokens: dict[int, list[Any]] = {}
    reasons: dict[int, str] = {}
    usage = None
    for chunk in ask(client, stream=True, stream_options={"include_usage": True}, **more):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            if choice.logprobs is not None:
                told = choice.logprobs.content
                assert "".join(token.token for token in told) == choice.delta.content
                tokens.setdefault(choice.index, []).extend(told)
            if choice.delta.role is not None:
                assert choice.index not in texts
                texts[choice.index] = ""
            texts[choice.index] += choice.delta.content or ""
            if choice.finish_reason is not None:
                reasons[choice.index] = choice.finish_reason
    return texts, tokens, reasons, usage


# log probabilities


@pytest.mark.parametrize("top", [0, 5])
def test_tokens_joined_are_the_text_and_bytes_its_bytes(client: OpenAI, top: int) -> None:
    answer = ask(client, logprobs=True, top_logprobs=top, max_tokens=120)
    plain = ask(client, max_tokens=120)
    assert text_of(answer) == text_of(plain)
    assert plain.choices[0].logprobs is None
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == text_of(answer)
    assert bytes(byte for token in tokens for byte in token.bytes).decode() == text_of(answer)
    assert all(len(token.top_logprobs) == top for token in tokens)
    if top:  # greedy: the chosen one is the likeliest
        assert all(token.logprob == token.top_logprobs[0].logprob for token in tokens)
        assert all(token.bytes == token.top_logprobs[0].bytes for token in tokens)
        ranked = [[other.logprob for other in token.top_logprobs] for token in tokens]
        assert all(row == sorted(row, reverse=True) for row in ranked)
    assert all(token.logprob <= 0 for token in tokens)


@pytest.mark.parametrize("more", [{}, {"stop": ["小"]}, {"max_tokens": 3}, {"n": 2, "temperature": 1.0, "seed": 1}])
def test_streamed_tokens_are_those_of_the_whole_answer(client: OpenAI, more: dict[str, Any]) -> None:
    given: dict[str, Any] = {"logprobs": True, "top_logprobs": 2, "max_tokens": 60, **more}
    whole = ask(client, **given)
    texts, tokens, reasons, usage = streamed(client, **given)
    for choice in whole.choices:
        assert texts[choice.index] == choice.message.content
        assert tokens[choice.index] == choice.logprobs.content
        assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
        assert reasons[choice.index] == choice.finish_reason
    assert usage == whole.usage


# choices and seeds


def test_choice_i_is_what_seed_plus_i_gives(client: OpenAI) -> None:
    warm: dict[str, Any] = {"temperature": 2.0, "top_p": 1.0, "top_k": 0, "max_tokens": 30}
    three = ask(client, n=3, seed=40, **warm)
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    alone = [ask(client, seed=40 + i, **warm) for i in range(3)]
    assert [text_of(three, i) for i in range(3)] == [text_of(answer) for answer in alone]
    assert len({text_of(answer) for answer in alone}) > 1
    assert three.usage.completion_tokens == sum(answer.usage.completion_tokens for answer in alone)
    assert three.usage.prompt_tokens == alone[0].usage.prompt_tokens


def test_choices_are_streamed_under_their_index(client: OpenAI) -> None:
    given: dict[str, Any] = {"n": 3, "seed": 40, "temperature": 2.0, "top_p": 1.0, "top_k": 0, "max_tokens": 30}
    whole = ask(client, **given)
    texts, _, reasons, usage = streamed(client, **given)
    assert texts == {choice.index: choice.message.content for choice in whole.choices}
    assert reasons == {choice.index: choice.finish_reason for choice in whole.choices}
    assert usage == whole.usage


# biases and penalties


def test_a_bias_forces_a_token_and_a_ban_bans_it(client: OpenAI) -> None:
    free = text_of(ask(client, max_tokens=20))
    dots = ask(client, logit_bias={"46": 100}, max_tokens=5)
    banned = ask(client, logit_bias={"46": -100}, max_tokens=20)
    forced = text_of(dots)
    assert len(set(forced)) == 1
    assert forced != free[:5]
    assert forced[0] not in text_of(banned)
    assert dots.choices[0].finish_reason == "length"


def test_presence_and_frequency_penalties_change_what_is_said(client: OpenAI) -> None:
    given: dict[str, Any] = {"ignore_eos": True, "max_tokens": 200, "repeat_last_n": -1}
    plain = text_of(ask(client, **given))
    for name in ("presence_penalty", "frequency_penalty"):
        assert text_of(ask(client, **(given | {name: 2.0}))) != plain


def test_ignore_eos_goes_on_to_the_limit(client: OpenAI) -> None:
    assert ask(client).choices[0].finish_reason == "stop"
    answer = ask(client, ignore_eos=True, max_tokens=300)
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 300)


@pytest.mark.parametrize(
    "field",
    [
        {"top_k": 3, "samplers": ["top_k", "temperature"]},
        {"min_p": 0.2},
        {"typical_p": 0.5},
        {"top_n_sigma": 1.0},
        {"xtc_probability": 1.0, "xtc_threshold": 0.01},
        {"dry_multiplier": 5.0, "dry_allowed_length": 1, "dry_sequence_breakers": ["\n"]},
        {"dynatemp_range": 1.0, "dynatemp_exponent": 2.0},
        {"mirostat": 1, "mirostat_tau": 3.0},
        {"mirostat": 2, "mirostat_eta": 0.2},
        {"adaptive_target": 0.3},
        {"adaptive_target": 0.3, "adaptive_decay": 0.1},
        {"repeat_penalty": 1.5, "repeat_last_n": -1},
    ],
    ids=lambda field: next(iter(field)),
)
def test_every_sampler_answers_and_repeats_with_its_seed(client: OpenAI, field: dict[str, Any]) -> None:
    given: dict[str, Any] = {"temperature": 1.2, "top_p": 1.0, "seed": 3, "max_tokens": 20, **field}
    assert text_of(ask(client, **given)) == text_of(ask(client, **given))


def test_timings_are_told_unless_they_are_not_wanted(client: OpenAI) -> None:
    assert "timings" not in ask(client, max_tokens=4, timings=False).model_dump()
    assert "timings" in ask(client, max_tokens=4).model_dump(), "as llama-server has it"
    answer = ask(client, max_tokens=4, timings=True)
    assert answer.timings["predicted_n"] == answer.usage.completion_tokens == 4
    assert answer.timings["prompt_n"] == answer.usage.prompt_tokens
    assert answer.timings["prompt_ms"] > 0
    chunks = list(ask(client, max_tokens=4, timings=True, stream=True))
    assert [chunk for chunk in chunks if "timings" in chunk.model_dump()] == chunks[-1:]


def test_an_answer_that_has_begun_goes_on(client: OpenAI) -> None:
    whole = text_of(ask(client))
    begun = whole[: len(whole) // 2]
    answer = client.chat.completions.create(
        model=LABEL,
        messages=[{"role": "user", "content": QUESTION}, {"role": "assistant", "content": begun}],
        temperature=0,
    )
    assert begun + text_of(answer) == whole


# structured output


class Person(BaseModel):
    name: Annotated[str, Field(max_length=8)]
    age: Annotated[int, Field(ge=0, le=150)]
    languages: Annotated[list[Literal["ja", "en"]], Field(max_length=2)]


def test_the_sdks_parse_gives_the_type(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=LABEL,
        messages=[{"role": "user", "content": QUESTION}],
        response_format=Person,
        temperature=1.0,
        seed=5,
        max_tokens=400,
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


@pytest.mark.parametrize("stream", [False, True])
def test_json_object_is_an_object(client: OpenAI, stream: bool) -> None:
    given: dict[str, Any] = {
        "response_format": {"type": "json_object"},
        "temperature": 0.8,
        "seed": 1,
        "max_tokens": 300,
    }
    if stream:
        texts, _, reasons, _ = streamed(client, **given)
        text, reason = texts[0], reasons[0]
    else:
        answer = ask(client, **given)
        text, reason = text_of(answer), answer.choices[0].finish_reason
    assert reason == "length" or isinstance(json.loads(text), dict)


def test_a_grammar_is_kept_to_with_log_probabilities_of_the_model_itself(client: OpenAI) -> None:
    answer = ask(client, grammar='root ::= "はい" | "いいえ"', logprobs=True, top_logprobs=1)
    assert text_of(answer) in ("はい", "いいえ")
    assert answer.choices[0].finish_reason == "stop"
    assert "".join(token.token for token in answer.choices[0].logprobs.content) == text_of(answer)


def random_schema(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    """Makes a schema that means the same to every validator."""
    kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "pattern", "format"]
    if depth < 3:
        kinds += ["array", "object", "object", "anyOf", "ref", "tuple"]
    kind = rng.choice(kinds)
    if kind == "object":
        names = rng.sample(["a", "b", "名前", "x y", 'quo"te', "é"], rng.randint(0, 4))
        return {
            "type": "object",
            "properties": {name: random_schema(rng, depth + 1) for name in names},
            "required": rng.sample(names, rng.randint(0, len(names))),
            "additionalProperties": False,
        }
    if kind == "string":
        return {"type": "string", "minLength": (minimum := rng.randint(0, 3)), "maxLength": minimum + rng.randint(0, 5)}
    minimum = rng.randint(-50, 50)
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "integer": lambda: {"type": "integer", "minimum": minimum, "maximum": minimum + rng.randint(0, 99)},
        "number": lambda: {"type": "number", "exclusiveMinimum": minimum, "maximum": minimum + 1},
        "enum": lambda: {"enum": rng.sample([1, 2.5, "a", 'b"c', "日本", None, True, [1], {"k": "v"}], 3)},
        "const": lambda: {"const": rng.choice([1, "x", None, {"a": [1, "é"]}, [], "\\"])},
        "pattern": lambda: {"type": "string", "pattern": rng.choice(["^[a-z]{1,5}$", r"^\d{3}-\d{4}$", "^(星|影)+$"])},
        "format": lambda: {"type": "string", "format": rng.choice(["date", "uuid", "ipv4", "time"])},
        "anyOf": lambda: {"anyOf": [random_schema(rng, depth + 1) for _ in range(rng.randint(1, 3))]},
        "array": lambda: {"type": "array", "items": random_schema(rng, depth + 1), "maxItems": rng.randint(0, 3)},
        "tuple": lambda: {"type": "array", "prefixItems": [random_schema(rng, depth + 1)], "items": False},
        "ref": lambda: {"$ref": "#/$defs/leaf"},
    }
    return makers[kind]() if kind in makers else {"type": kind}


def test_whatever_the_schema_the_answer_is_an_instance_or_cut(client: OpenAI) -> None:
    rng = random.Random(20260101)
    whole = 0
    for number in range(SCHEMAS_A_RUN):
        schema = random_schema(rng) | {"$defs": {"leaf": {"type": "string", "maxLength": 3}}}
        jsonschema.Draft202012Validator.check_schema(schema)
        answer = ask(
            client,
            response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}},
            temperature=rng.choice([0, 1.0, 1.5]),
            seed=number,
            max_tokens=250,
        )
        if answer.choices[0].finish_reason == "length":
            continue
        assert answer.choices[0].finish_reason == "stop"
        jsonschema.Draft202012Validator(schema).validate(json.loads(text_of(answer)))
        whole += 1
    assert whole > SCHEMAS_A_RUN * 0.8


def test_what_a_schema_asks_for_in_vain_is_left_out_and_told(client: OpenAI) -> None:
    schema: Any = {"type": "boolean", "not": {"const": True}}
    held: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    raw = client.chat.completions.with_raw_response.create(
        model=LABEL,
        messages=[{"role": "user", "content": "a"}],
        response_format=held,
    )
    assert raw.headers["X-Hoshikage-Ignored"] == "response_format.json_schema.schema.not"
    assert isinstance(json.loads(text_of(raw.parse())), bool)


@pytest.mark.parametrize(
    ("fields", "param", "named"),
    [
        ({"schema": {"not": {}}}, "response_format.json_schema.schema", "not"),
        ({"schema": {"type": "array", "uniqueItems": True}}, "response_format.json_schema.schema", "uniqueItems"),
        ({"schema": {"type": "nonsense"}}, "response_format.json_schema.schema", "nonsense"),
        ({"schema": {"type": "string", "pattern": "("}}, "response_format.json_schema.schema", "schema.pattern"),
        ({"schema": {"type": "integer", "multipleOf": 999_983}}, "response_format.json_schema.schema", "multipleOf"),
        ({"grammar": "root ::= ("}, "grammar", "line 1"),
        ({"grammar": "root ::= x"}, "grammar", "x ::="),
        ({"logit_bias": {"99999999": 1}}, "logit_bias", "99999999"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_enforced_is_a_400_that_says_why(
    client: OpenAI, fields: dict[str, Any], param: str, named: str, stream: bool
) -> None:
    given = dict(fields)
    if "schema" in given:
        named_schema = {"name": "n", "schema": given.pop("schema"), "strict": True}
        given["response_format"] = {"type": "json_schema", "json_schema": named_schema}
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, **given, stream=stream)
    assert refused.value.param == param
    assert named in refused.value.message
    assert text_of(ask(client, max_tokens=2)), "the runner goes on"
