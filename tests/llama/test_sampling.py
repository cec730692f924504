"""Tests decoding and sampling with a real library: greedy, seeds, penalties, aborts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoshikage._ffi.features import FIRST
from hoshikage.errors import InferenceFailed, NotSupported
from hoshikage.lab.handshake import golden_cases, greedy
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import Sampler
from hoshikage.params import LoadParams, SamplingParams


def generated(
    model: Model, context: Context, params: SamplingParams, count: int = 12, *, by_device: bool = False
) -> list[int]:
    """Generates tokens. With `by_device` all but the first token are chosen by the device, which must be able to."""
    context.clear()
    batch = context.batch
    prompt = model.vocab.tokenize("<|im_start|>user\nこんにちは", parse_special=True)
    batch.clear()
    for pos, token in enumerate(prompt):
        last = batch.add(token, pos, 0, pos == len(prompt) - 1)
    assert context.decode()
    sampler = Sampler.open(model, context, params)
    for token in prompt:
        sampler.accept(token)
    found = []
    for pos in range(len(prompt), len(prompt) + count):
        found.append(sampler.sample(last))
        assert not by_device or sampler.go_over(0)
        batch.clear()
        last = batch.add(found[-1], pos, 0, True)
        assert context.decode()
    sampler.close()
    return found


@pytest.mark.parametrize("temperature", [1e-31, 1e-38, 1e-40, 5e-324])
def test_a_temperature_that_no_float_can_divide_by_takes_the_likeliest(
    model: Model, context: Context, temperature: float
) -> None:
    cold = generated(model, context, SamplingParams(temperature=temperature, top_k=0, top_p=1.0))
    assert cold == generated(model, context, SamplingParams(temperature=0))


def test_the_golden_ids(model: Model, context: Context, golden: Path) -> None:
    for case in golden_cases(golden):
        assert greedy(model, context, case.prompt_ids, len(case.ids)) == case.ids


def test_our_greedy_is_the_library_s(model: Model, context: Context) -> None:
    """A penalty over no more than the last token, too weak to matter, takes the library's chain instead of argmax."""
    weak = SamplingParams(temperature=0, presence_penalty=1e-6, repeat_last_n=1)
    assert generated(model, context, SamplingParams(temperature=0)) == generated(model, context, weak)


def test_a_seed_repeats_and_seeds_differ(model: Model, context: Context) -> None:
    def drawn(seed: int) -> list[int]:
        return generated(model, context, SamplingParams(temperature=2.0, top_k=0, top_p=1.0, seed=seed))

    assert drawn(1) == drawn(1)
    assert len({tuple(drawn(seed)) for seed in range(8)}) > 1


def test_a_top_k_of_one_is_greedy(model: Model, context: Context) -> None:
    narrow = SamplingParams(temperature=1.5, top_k=1, seed=3)
    assert generated(model, context, narrow) == generated(model, context, SamplingParams(temperature=0))


@pytest.mark.parametrize("narrow", [{"top_p": 0.0, "top_k": 0}, {"min_p": 1.0, "top_k": 0, "top_p": 1.0}])
def test_the_narrowest_top_p_and_min_p_are_greedy(model: Model, context: Context, narrow: dict[str, float]) -> None:
    params = SamplingParams(temperature=1.0, seed=3, **narrow)  # type: ignore[arg-type]
    assert generated(model, context, params) == generated(model, context, SamplingParams(temperature=0))


GREEDY = SamplingParams(temperature=0)
WIDE = SamplingParams(temperature=1.5, top_k=0, top_p=1.0, seed=3)


@pytest.mark.parametrize(
    "narrow",
    [
        {"top_n_sigma": 1e-3},
        {"mirostat": 1, "mirostat_tau": 0.0},
        {"mirostat": 2, "mirostat_tau": 0.0},
        {"samplers": ("top_k",), "top_k": 1},
        {"dynatemp_range": 0.0, "temperature": 1e-3},
        {"dynatemp_range": 1.0, "temperature": 1e-3, "dynatemp_exponent": 10.0, "top_k": 1},
    ],
)
def test_every_sampler_at_its_narrowest_is_greedy(model: Model, context: Context, narrow: dict[str, Any]) -> None:
    assert generated(model, context, replace(WIDE, **narrow)) == generated(model, context, GREEDY)


@pytest.mark.parametrize(
    "changed",
    [
        {"typical_p": 0.3},
        {"top_n_sigma": 1.0},
        {"xtc_probability": 1.0, "xtc_threshold": 0.01},
        {"dynatemp_range": 1.4},
        {"mirostat": 1},
        {"mirostat": 2},
        {"adaptive_target": 0.05},
        {"adaptive_target": 0.9, "adaptive_decay": 0.5},
        {"samplers": ("top_k", "temperature"), "top_k": 3},
    ],
)
def test_every_sampler_does_something_and_repeats_with_its_seed(
    model: Model, context: Context, changed: dict[str, Any]
) -> None:
    params = replace(WIDE, **changed)
    assert generated(model, context, params) == generated(model, context, params)
    assert generated(model, context, params) != generated(model, context, WIDE)


@pytest.mark.parametrize(
    "off",
    [
        {"typical_p": 1.0, "top_n_sigma": -1.0, "xtc_probability": 0.0, "dry_multiplier": 0.0, "dynatemp_range": 0.0},
        {"xtc_probability": 1.0, "xtc_threshold": 0.6},
        {"dry_multiplier": 9.0, "dry_penalty_last_n": 0},
        {"dry_multiplier": 9.0, "dry_base": 0.5},
        {"samplers": ("temperature",), "top_k": 1, "typical_p": 0.1},
        {"mirostat_tau": 0.0},
        {"adaptive_target": -1.0, "adaptive_decay": 0.1},
    ],
)
def test_a_sampler_that_is_off_changes_nothing(model: Model, context: Context, off: dict[str, Any]) -> None:
    assert generated(model, context, replace(WIDE, **off)) == generated(model, context, WIDE)


def test_the_order_of_samplers_counts(model: Model, context: Context) -> None:
    narrow = replace(WIDE, top_p=0.5, temperature=2.0)
    cut_first = replace(narrow, samplers=("top_p", "temperature"))
    heated_first = replace(narrow, samplers=("temperature", "top_p"))
    assert generated(model, context, cut_first) == generated(model, context, narrow)
    assert generated(model, context, heated_first) != generated(model, context, narrow)


def test_xtc_leaves_out_the_likeliest(model: Model, context: Context) -> None:
    without = replace(WIDE, temperature=1.0, xtc_probability=1.0, xtc_threshold=1e-4)
    assert generated(model, context, without, 1) != generated(model, context, GREEDY, 1)


def test_dry_forbids_repeated_sequences(model: Model, context: Context) -> None:
    strict = SamplingParams(
        temperature=0, dry_multiplier=100.0, dry_base=4.0, dry_allowed_length=1, dry_sequence_breakers=()
    )
    found = generated(model, context, strict, 60)
    pairs = list(pairwise(found))
    assert len(set(pairs)) == len(pairs)
    plain = generated(model, context, GREEDY, 60)
    assert len(set(pairwise(plain))) < 59


def test_a_sampler_that_the_release_lacks_is_named(
    model: Model, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for function, asked in (
        ("top_n_sigma", {"top_n_sigma": 1.0}),
        ("dry", {"dry_multiplier": 1.0}),
        ("xtc", {"xtc_probability": 0.5}),
        ("typical", {"typical_p": 0.5}),
        ("mirostat_v2", {"mirostat": 2}),
        ("adaptive_p", {"adaptive_target": 0.5}),
        ("temp_ext", {"dynatemp_range": 0.5}),
    ):
        monkeypatch.setattr(model.library.api, f"llama_sampler_init_{function}", None)
        with pytest.raises(NotSupported) as lacking:
            Sampler.open(model, context, replace(WIDE, **asked))
        assert (lacking.value.key, lacking.value.details["name"]) == ("engine.sampler_absent", function)
        assert lacking.value.status == 501
        assert lacking.value.details["first"] == FIRST.get(function, "b3889")


def test_penalties_forbid_repetition(model: Model, context: Context) -> None:
    strong = SamplingParams(temperature=0, presence_penalty=100.0, repeat_last_n=-1)
    found = generated(model, context, strong, 30)
    assert len(set(found)) == len(found)


def test_a_set_flag_ends_a_decode_and_a_cleared_context_goes_on(model: Model, context: Context) -> None:
    before = generated(model, context, SamplingParams(temperature=0))
    context.batch.clear()
    context.batch.add(5, 0, 0, True)
    context.clear()
    context.abort.set()
    assert context.decode() is False
    context.abort.clear()
    assert generated(model, context, SamplingParams(temperature=0)) == before


def test_a_batch_that_the_library_refuses(context: Context) -> None:
    context.batch.clear()
    with pytest.raises(InferenceFailed) as refused:
        context.decode()
    assert refused.value.key == "engine.decode_failed"


def test_a_full_context_is_told(model: Model, context: Context) -> None:
    def overfill() -> None:
        for pos in range(context.n_ctx * 2):
            context.batch.clear()
            context.batch.add(5, pos, 0, True)
            context.decode()

    context.clear()
    with pytest.raises(InferenceFailed) as refused:
        overfill()
    assert refused.value.key == "engine.no_kv_slot"


def test_a_full_batch_takes_no_more(context: Context) -> None:
    context.batch.clear()
    assert [context.batch.add(5, pos, 0, False) for pos in range(context.n_batch)] == list(range(context.n_batch))
    with pytest.raises(IndexError):
        context.batch.add(5, context.n_batch, 0, False)


def test_numbers_that_are_none_are_told(model: Model, context: Context) -> None:
    generated(model, context, SamplingParams(temperature=0), 1)
    logits = context.logits(0)
    assert (str(logits.dtype), logits.shape) == ("float32", (model.vocab.n_tokens,))
    logits[7] = np.nan
    with pytest.raises(InferenceFailed) as refused:
        Sampler.open(model, context, SamplingParams(temperature=0)).sample(0)
    assert refused.value.key == "engine.logits_invalid"


def test_the_context_is_no_larger_than_asked_for_or_trained(model: Model, context: Context) -> None:
    assert (context.n_ctx, context.n_batch, context.batch.capacity) == (512, 64, 64)
    wide = Context.open(model, LoadParams("", n_ctx=10**6, n_batch=32, n_threads=1))
    assert wide.n_ctx == model.n_ctx_train
    wide.close()
    small = Context.open(model, LoadParams("", n_ctx=100, n_batch=64, n_threads=1))
    assert small.n_ctx == 100
    small.close()
