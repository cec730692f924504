"""Tests a reranker and a model that fills gaps, over a real server."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.end_to_end.conftest import register
from tests.end_to_end.live import LiveServer, home_environ
from tests.small_models import with_gaps, write_encoder
from tests.tiny_decoders import write_decoder

RANK = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, library_file: Path, demo_model: Path) -> Iterator[LiveServer]:
    """Runs a server in place of the shared one: these models are of no use to other tests."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models")
    models = {
        "ranker": write_encoder(folder / "rank.gguf", RANK),
        "gaps": with_gaps(demo_model, folder / "gaps.gguf"),
        "bare": write_decoder(folder / "bare.gguf"),
    }
    register(home, models)
    with LiveServer(home_environ(home, library_file, N_CTX="512")) as live:
        yield live


def rank(client: OpenAI, **more: Any) -> dict[str, Any]:
    body = {"model": "ranker", "query": "star", "documents": ["night", {"text": "dog"}, "cat"], **more}
    return client.post("/rerank", cast_to=dict[str, Any], body=body)


def test_documents_come_the_best_first(client: OpenAI) -> None:
    told = rank(client)
    assert sorted(one["index"] for one in told["results"]) == [0, 1, 2]
    scores = [one["relevance_score"] for one in told["results"]]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3
    assert told["usage"] == {"prompt_tokens": 15, "total_tokens": 15}
    best = rank(client, top_n=1, return_documents=True)["results"]
    assert [one["index"] for one in best] == [told["results"][0]["index"]]
    assert best[0]["document"]["text"] == ["night", "dog", "cat"][best[0]["index"]]


def test_the_form_of_text_embeddings_inference(client: OpenAI) -> None:
    body: dict[str, Any] = {"model": "ranker", "query": "star", "texts": ["night", "dog", "cat"]}
    shares = client.post("/rerank", cast_to=list[Any], body={**body, "return_text": True})
    own = client.post("/rerank", cast_to=list[Any], body={**body, "raw_scores": True})
    ours = rank(client, documents=body["texts"])["results"]
    assert [one["index"] for one in shares] == [one["index"] for one in own] == [one["index"] for one in ours]
    assert [one["score"] for one in own] == [one["relevance_score"] for one in ours]
    for share, number in zip(shares, own, strict=True):
        assert share["score"] == pytest.approx(1 / (1 + math.exp(-number["score"])))
        assert share["text"] == body["texts"][share["index"]]
    long = {**body, "texts": ["dog " * 99], "truncate": True}
    assert len(client.post("/rerank", cast_to=list[Any], body=long)) == 1


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"texts": ["a"]}, "texts"),
        ({"documents": None}, "documents"),
        ({"documents": None, "texts": ["dog " * 99]}, "texts[0]"),
        ({"documents": []}, "documents"),
        ({"documents": ["a", 1]}, "documents[1]"),
        ({"query": ""}, "query"),
        ({"top_n": 0}, "top_n"),
        ({"documents": ["dog " * 99]}, "documents[0]"),
    ],
)
def test_what_cannot_be_ranked_is_a_400_that_names_the_field(client: OpenAI, more: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        rank(client, **more)
    assert refused.value.param == param


def test_a_model_that_writes_no_text_says_so(client: OpenAI) -> None:
    turns: Any = [{"role": "user", "content": "hi"}]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="ranker", messages=turns)
    assert refused.value.param == "model"
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="ranker", input="star")


def test_a_suffix_is_what_infill_does(client: OpenAI) -> None:
    wanted: dict[str, Any] = {"temperature": 0, "max_tokens": 8}
    answer = client.completions.create(model="gaps", prompt="Hello ", suffix="!", **wanted)
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    told = client.post(
        "/../infill",
        cast_to=dict[str, Any],
        body={"model": "gaps", "input_prefix": "Hel", "prompt": "lo ", "input_suffix": "!", "n_predict": 8, **wanted},
    )
    assert told["content"] == answer.choices[0].text
    assert told["tokens_evaluated"] == answer.usage.prompt_tokens


def test_a_chat_with_a_model_that_was_made_for_none_says_so(client: OpenAI) -> None:
    """It has no template, and not the tokens of the format that stands in for one."""
    turns: Any = [{"role": "user", "content": "w1 w2"}]
    told = client.chat.completions.with_raw_response.create(model="bare", messages=turns, max_tokens=2)
    assert told.headers["X-Hoshikage-Template-Repair"] == "chatml_as_text"
    known = client.chat.completions.with_raw_response.create(model="gaps", messages=turns, max_tokens=2)
    assert "X-Hoshikage-Template-Repair" not in known.headers


def test_timings_tell_which_token_ended_an_answer(client: OpenAI) -> None:
    turns: Any = [{"role": "user", "content": "Hello"}]
    body: dict[str, Any] = {"model": "gaps", "messages": turns, "temperature": 0, "timings": True}
    whole = client.post("/chat/completions", cast_to=dict[str, Any], body=body)
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["timings"]["stop_token"] == "<|im_end|>"
    cut = client.post("/chat/completions", cast_to=dict[str, Any], body={**body, "max_tokens": 2})
    assert cut["timings"]["stop_token"] is None
