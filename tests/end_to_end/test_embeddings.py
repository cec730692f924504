"""/v1/embeddings and /v1/rerank as the OpenAI SDK sees them, over a real server and the built-in model."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.end_to_end.conftest import LABEL

LENGTH = 192


def embed(client: OpenAI, given: Any, **more: Any) -> Any:
    return client.embeddings.create(model=LABEL, input=given, **{"encoding_format": "float", **more})


def vector(client: OpenAI, given: Any, **more: Any) -> list[float]:
    found: list[float] = embed(client, given, **more).data[0].embedding
    return found


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_vectors_have_length_one_and_like_is_near_like(client: OpenAI) -> None:
    answer = embed(client, ["What is Hoshikage?", "What is a Hoshikage?", "日本の天気"])
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.object == "list"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 3
    vectors = [one.embedding for one in answer.data]
    for one in vectors:
        assert len(one) == LENGTH
        assert math.fsum(x * x for x in one) == pytest.approx(1, abs=1e-5)
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2])


def test_base64_is_the_same_numbers(client: OpenAI) -> None:
    plain = vector(client, "星影")
    raw = client.post(
        "/embeddings",
        cast_to=dict[str, Any],
        body={"model": LABEL, "input": "星影", "encoding_format": "base64"},
    )
    packed = base64.b64decode(raw["data"][0]["embedding"])
    assert list(struct.unpack(f"<{LENGTH}f", packed)) == pytest.approx(plain, abs=1e-6)
    by_default = client.embeddings.create(model=LABEL, input="星影")  # the SDK asks for base64 by itself
    assert by_default.data[0].embedding == pytest.approx(plain, abs=1e-6)


def test_dimensions_are_the_first_numbers_at_length_one(client: OpenAI) -> None:
    whole, short = vector(client, "星影"), vector(client, "星影", dimensions=16)
    norm = math.sqrt(sum(x * x for x in whole[:16]))
    assert short == pytest.approx([x / norm for x in whole[:16]], abs=1e-5)


def test_tokens_are_the_same_as_their_text(client: OpenAI) -> None:
    tokens = client.post("/../tokenize", cast_to=dict[str, Any], body={"content": "Hello", "model": LABEL})["tokens"]
    text = vector(client, "Hello")
    assert vector(client, tokens) == pytest.approx(text, abs=1e-6)
    assert embed(client, [tokens, tokens]).data[1].embedding == pytest.approx(text, abs=1e-5)


def test_a_text_longer_than_a_batch_is_one_vector_and_the_next_is_not_touched_by_it(client: OpenAI) -> None:
    before = vector(client, "Hello")
    long = vector(client, "zqxj" * 200)
    assert len(long) == LENGTH
    assert vector(client, "Hello") == pytest.approx(before, abs=1e-6)


def test_an_answer_after_an_embedding_is_what_it_was_before(client: OpenAI) -> None:
    def answer() -> str | None:
        turns: Any = [{"role": "user", "content": "What is Hoshikage?"}]
        return client.chat.completions.create(model=LABEL, messages=turns, temperature=0).choices[0].message.content

    before = answer()
    embed(client, "something else")
    assert answer() == before


@pytest.mark.parametrize(
    ("given", "more", "param"),
    [
        ("", {}, "input"),
        ([], {}, "input"),
        (["a", ""], {}, "input[1]"),
        ([[]], {}, "input"),
        ([1, [2]], {}, "input[1]"),
        ([999_999], {}, "input"),
        ("a", {"dimensions": LENGTH + 1}, "dimensions"),
        ("a", {"dimensions": 0}, "dimensions"),
        ("a", {"encoding_format": "int8"}, "encoding_format"),
        (["a"] * 2049, {}, "input"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_a_400_that_names_the_field(
    client: OpenAI, given: Any, more: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        embed(client, given, **more)
    assert refused.value.param == param


def test_an_input_over_the_context_is_a_400_with_both_numbers(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        embed(client, [[72], [72] * 1025])
    body: Any = refused.value.body
    assert (body["param"], body["code"]) == ("input[1]", "context_length_exceeded")
    assert (body["n_prompt_tokens"], body["n_ctx"]) == (1025, 1024)


def test_a_model_that_cannot_rerank_says_so(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="pooling_type") as refused:
        client.post("/rerank", cast_to=dict[str, Any], body={"model": LABEL, "query": "a", "documents": ["b", "c"]})
    assert refused.value.param == "model"
