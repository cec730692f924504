"""Tests log probabilities against the plain formula."""

from __future__ import annotations

import numpy as np
import pytest

from hoshikage.llama.context import Context
from hoshikage.llama.logprobs import MIN_LOGPROB, Scorer, drawn, likeliest
from hoshikage.llama.model import Model
from tests.llama.test_sampling import GREEDY, generated


def test_scores_are_the_softmax_of_the_models_logits(model: Model, context: Context) -> None:
    generated(model, context, GREEDY, 1)
    logits = context.logits(0).astype(np.float64)
    expected = logits - np.log(np.exp(logits).sum())
    order = np.argsort(-logits, kind="stable")
    row = context.logits(0)
    logprob, top = Scorer(context, 20).score(row, 7)
    assert logprob == pytest.approx(expected[7], abs=1e-4)
    assert [token for token, _ in top] == [int(token) for token in order[:20]]
    assert [value for _, value in top] == pytest.approx(list(expected[order[:20]]), abs=1e-4)
    assert Scorer(context, 0).score(row, 7) == (logprob, [])
    assert sum(np.exp(value) for _, value in Scorer(context, 10**6).score(row, 7)[1]) == pytest.approx(1.0, abs=1e-4)


def test_an_impossible_token_has_a_number_that_json_can_hold(model: Model, context: Context) -> None:
    generated(model, context, GREEDY, 1)
    row = context.logits(0)
    row[7] = -np.inf
    assert Scorer(context, 0).score(row, 7)[0] == MIN_LOGPROB


def test_chances_are_the_softmax_of_what_is_left() -> None:
    ids, logits = np.array([9, 4, 7], np.int32), np.array([1.0, 2.0, -np.inf], np.float32)
    logprob, top = drawn(ids, logits, 9, 5)
    assert logprob == pytest.approx(-np.log1p(np.e))
    assert [token for token, _ in top] == [4, 9, 7]
    assert np.exp([value for _, value in top]) == pytest.approx([0.731059, 0.268941, 0.0], abs=1e-5)
    assert top[2][1] == MIN_LOGPROB


@pytest.mark.parametrize("size", [1, 127, 128, 129, 5000])
@pytest.mark.parametrize("count", [0, 1, 5, 20])
def test_the_likeliest_are_those_of_a_full_sort(size: int, count: int) -> None:
    logits = np.random.default_rng(size).integers(0, 50, size).astype(np.float32)
    assert list(likeliest(logits, count)) == list(np.argsort(-logits, kind="stable")[:count])
