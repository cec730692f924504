"""Tests text to tokens and back, with the library's own vocabulary."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoshikage.errors import InferenceFailed
from hoshikage.llama.model import Model

TEXT = "Hoshikage（星影）は 🌟 です。\n\ttab"


def test_pieces_joined_are_the_text(model: Model) -> None:
    ids = model.vocab.tokenize(TEXT, parse_special=False)
    assert b"".join(map(model.vocab.piece, ids)).decode() == TEXT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(max_size=30))
def test_any_text_survives_the_way_there_and_back(model: Model, text: str) -> None:
    ids = model.vocab.tokenize(text, parse_special=False)
    assert b"".join(map(model.vocab.piece, ids)).decode("utf-8") == text


def test_only_parse_special_makes_control_tokens(model: Model) -> None:
    vocab = model.vocab
    end = vocab.control_token("<|im_end|>")
    assert end is not None
    assert vocab.tokenize("<|im_end|>", parse_special=True) == [end]
    plain = vocab.tokenize("<|im_end|>", parse_special=False)
    assert len(plain) > 1
    assert not any(map(vocab.is_control, plain))


def test_control_tokens(model: Model) -> None:
    vocab = model.vocab
    end = vocab.control_token("<|im_end|>")
    assert end is not None
    assert (vocab.piece(end), vocab.text(end)) == (b"", "<|im_end|>")
    assert vocab.is_control(end)
    assert vocab.is_eog(end)
    assert {"<|im_start|>", "<|im_end|>"} <= set(vocab.control_texts())
    assert vocab.control_token("no such token") is None
    assert vocab.text(-1) == ""


def test_a_lone_surrogate_is_replaced(model: Model) -> None:
    ids = model.vocab.tokenize("a\ud800b", parse_special=False)
    assert b"".join(map(model.vocab.piece, ids)).decode() == "a\ufffdb"


def test_nul_and_the_empty_text(model: Model) -> None:
    assert model.vocab.tokenize("", parse_special=True) == []
    ids = model.vocab.tokenize("a\0b", parse_special=True)
    assert b"".join(map(model.vocab.piece, ids)) == b"a\0b"


@pytest.mark.parametrize("token", [-1, 10**6, -(2**31)])
def test_an_id_out_of_range_never_reaches_the_library(model: Model, token: int) -> None:
    with pytest.raises(InferenceFailed) as refused:
        model.vocab.piece(token)
    assert refused.value.details["token"] == token
    with pytest.raises(InferenceFailed):
        model.vocab.is_eog(token)
