"""Tests what a device chooses in the place of Python: the same tokens where they are certain, the same chances where
not. The processor's backend stands for the device: it computes the same graph."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from hoshikage._ffi.library import Library
from hoshikage.infos import DeviceInfo
from hoshikage.llama.context import Context
from hoshikage.llama.device_chain import LARGEST_TOP_K
from hoshikage.llama.drawing import Drawing
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import Sampler
from hoshikage.params import LoadParams, SamplingParams

GREEDY: Final = SamplingParams(temperature=0)
DRAWS: Final = 3000
OFF: Final = SamplingParams(temperature=1.0, top_k=0, top_p=1.0)
CHAINS: Final = {
    "the usual": SamplingParams(temperature=1.5),
    "all": replace(OFF, temperature=0.6),
    "top_k": replace(OFF, top_k=5),
    "top_p": replace(OFF, top_p=0.7),
    "min_p": replace(OFF, min_p=0.1),
    "all three": replace(OFF, top_k=30, top_p=0.9, min_p=0.02, temperature=1.2),
    "warm first": replace(OFF, top_k=20, top_p=0.8, samplers=("temperature", "top_k", "top_p")),
}


def decode(context: Context, token: int, position: int, sequence: int = 0) -> int:
    context.batch.clear()
    index = context.batch.add(token, position, sequence, True)
    assert context.decode()
    return index


def chosen(context: Context, over: range, count: int = 60) -> list[int]:
    """Returns the likeliest tokens of a text; those at these places are chosen by the device."""
    context.clear()
    result = [40]
    with closing(Sampler.open(context.model, context, GREEDY)) as sampler:
        for place in range(count):
            if place in over:
                assert sampler.go_over(0)
            else:
                sampler.come_back()
            assert sampler.is_over == (place in over)
            result.append(sampler.sample(decode(context, result[-1], place)))
    return result


def test_the_likeliest_are_the_same_whoever_chooses(context: Context) -> None:
    by_python = chosen(context, range(0))
    assert len(set(by_python)) > 5
    assert [chosen(context, over) for over in (range(60), range(7, 60), range(3, 20))] == [by_python] * 3


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_drawn_has_the_chances_that_python_gives_it(name: str, context: Context) -> None:
    params = CHAINS[name]
    index = decode(context, 40, 0)
    with closing(Sampler.open(context.model, context, params)) as sampler:
        assert sampler.device_kind is not None
        steps = sampler._steps
        assert steps is not None
        left = Drawing(steps, 1, 1).left(context.logits(index))
        ids = np.arange(len(left.values)) if left.ids is None else left.ids
        shares = np.exp(left.values.astype(np.float64) - float(left.values.max()))
        expected = dict(zip(ids.tolist(), (shares / shares.sum() * DRAWS).tolist(), strict=True))
        assert sampler.go_over(0)
        found: Counter[int] = Counter()
        for _ in range(DRAWS):
            context.remove(0)
            found[sampler.sample(decode(context, 40, 0))] += 1
    assert found.keys() <= expected.keys()
    assert len(found) > 1
    usual = [token for token, count in expected.items() if count >= 5]
    rest = sum(count for token, count in expected.items() if token not in usual)
    distance = sum((found[token] - expected[token]) ** 2 / expected[token] for token in usual)
    if rest >= 5:
        distance += (sum(found[token] for token in found if token not in usual) - rest) ** 2 / rest
    freedom = len(usual)
    assert distance < freedom + 5 * (2 * freedom) ** 0.5 + 10  # beyond this one draw in a million would come by chance


def test_a_sequence_that_python_chooses_for_has_its_logits_beside_one_of_the_device(
    model: Model, load_params: LoadParams
) -> None:
    with closing(Context.open(model, replace(load_params, n_parallel=2))) as context:
        alone = []
        for token in (40, 41):
            context.clear()
            alone.append(context.logits(decode(context, token, 0, 1)).copy())
        context.clear()
        with closing(Sampler.open(model, context, CHAINS["top_k"])) as sampler:
            assert sampler.go_over(0)
            for place, (token, logits) in enumerate(zip((40, 41), alone, strict=True)):
                context.remove(1)
                context.batch.clear()
                drawn = context.batch.add(50, place, 0, True)
                seen = context.batch.add(token, 0, 1, True)
                assert context.decode()
                assert 0 <= sampler.sample(drawn) < model.vocab.n_tokens
                np.testing.assert_allclose(context.logits(seen), logits, rtol=0.05, atol=0.05)
            assert sampler.is_over


@pytest.mark.parametrize(
    "params",
    [
        replace(OFF, seed=7),
        replace(OFF, min_keep=3),
        replace(OFF, repeat_penalty=1.1),
        replace(OFF, typical_p=0.5),
        replace(OFF, dynatemp_range=0.3),
        replace(OFF, mirostat=2),
        replace(OFF, top_k=LARGEST_TOP_K + 1),
        replace(OFF, top_k=1000),  # more than the model has
        replace(GREEDY, presence_penalty=0.5),
    ],
)
def test_what_a_device_does_not_do_as_python_does_is_pythons(params: SamplingParams, context: Context) -> None:
    assert context.model.vocab.n_tokens < 1000
    with closing(Sampler.open(context.model, context, params)) as sampler:
        assert sampler.device_kind is None


def test_a_deterministic_load_is_pythons(model: Model, load_params: LoadParams) -> None:
    exact = replace(load_params, deterministic=True)
    with closing(Context.open(model, exact)) as context, closing(Sampler.open(model, context, GREEDY)) as sampler:
        assert sampler.device_kind is None


def test_a_model_that_other_machines_share_is_pythons(context: Context, load_params: LoadParams) -> None:
    context.params = replace(load_params, rpc_servers=("127.0.0.1:1",))
    with closing(Sampler.open(context.model, context, GREEDY)) as sampler:
        assert sampler.device_kind is None


@pytest.mark.parametrize(("free", "goes"), [(2**30, True), (2**26, False)])
def test_a_gpu_that_is_full_is_left_alone(
    free: int, goes: bool, context: Context, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = tuple(DeviceInfo(f"CUDA{number}", "", "gpu", left, 2**33) for number, left in enumerate((2**32, free)))
    monkeypatch.setattr(library, "devices", lambda *, memory: gpus if memory else ())
    monkeypatch.setattr(context.model, "n_gpu_layers", 7)
    with closing(Sampler.open(context.model, context, GREEDY)) as sampler:
        assert sampler.go_over(0) == goes


def test_what_the_library_refuses_leaves_the_choice_to_python(
    context: Context, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so where the model's tensors are split between cards."""
    monkeypatch.setattr(library.api, "llama_set_sampler", lambda _context, _sequence, sampler: sampler is None)
    with closing(Sampler.open(context.model, context, GREEDY)) as sampler:
        assert not sampler.go_over(0)
        assert not sampler.is_over
        assert sampler.sample(decode(context, 40, 0)) == int(context.logits(0).argmax())
