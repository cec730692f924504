"""Tests drawing among few tokens: what is left, its chances and the token drawn are those of the library's own
samplers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hoshikage._ffi.candidates import Candidates
from hoshikage._ffi.library import Library
from hoshikage.llama.drawing import Drawing

N_VOCAB = 4_001
Steps = list[tuple[str, float]]
CHAINS: dict[str, Steps] = {
    "defaults": [("top_k", 40), ("top_p", 0.8), ("temperature", 0.2)],
    "more than there are": [("top_k", 100_000), ("temperature", 1.3)],
    "one": [("top_k", 1), ("temperature", 1.0)],
    "top_p": [("top_p", 0.9), ("temperature", 0.7)],
    "nearly all": [("top_p", 0.999), ("temperature", 1.0)],
    "min_p": [("min_p", 0.05), ("temperature", 0.8)],
    "all three": [("top_k", 100), ("top_p", 0.95), ("min_p", 0.02), ("temperature", 1.1)],
    "warm first": [("temperature", 1.5), ("top_k", 64), ("min_p", 0.1)],
    "warm, then top_p": [("temperature", 0.4), ("top_p", 0.7)],
    "min_p, then top_p": [("min_p", 0.001), ("top_p", 0.6), ("temperature", 1.0)],
    "none": [("temperature", 1.0)],
}


def logits_of(kind: str) -> NDArray[np.float32]:
    random = np.random.default_rng(3)
    found = random.normal(0, 1.0 if kind == "flat" else 3.0, N_VOCAB)
    if kind == "certain":
        found[1234] = 60.0
    if kind == "forbidden":
        found[::3] = -np.inf
    return found.astype(np.float32)


@pytest.fixture
def chain(library: Library) -> Iterator[Callable[[Steps, int, int | None], int]]:
    """Makes the library's chain of these steps, with a draw behind it where there is a seed."""
    api, made = library.api, list[int]()

    def chain_of(steps: Steps, min_keep: int, seed: int | None) -> int:
        pointer: int = api.llama_sampler_chain_init(True)
        made.append(pointer)
        for name, value in steps:
            init: Any = getattr(api, f"llama_sampler_init_{'temp' if name == 'temperature' else name}")
            arguments = {"top_k": (int(value),), "temperature": (value,)}.get(name, (value, min_keep))
            api.llama_sampler_chain_add(pointer, init(*arguments))
        if seed is not None:
            api.llama_sampler_chain_add(pointer, api.llama_sampler_init_dist(seed))
        return pointer

    yield chain_of
    for pointer in made:
        api.llama_sampler_free(pointer)


def chances(values: NDArray[np.float32]) -> NDArray[np.float64]:
    shares = np.exp(values.astype(np.float64) - float(values.max()))
    return np.asarray(shares / shares.sum())


@pytest.mark.parametrize("kind", ["peaked", "flat", "certain", "forbidden"])
@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("min_keep", [0, 5])
def test_what_is_left_and_its_chances_are_the_librarys(
    name: str, kind: str, min_keep: int, library: Library, chain: Callable[..., int]
) -> None:
    logits = logits_of(kind)
    candidates = Candidates(library.api, N_VOCAB)
    candidates.choose(chain(CHAINS[name], min_keep, None), np.arange(N_VOCAB), logits)
    ids, values = candidates.left()
    theirs: dict[int, float] = dict(zip(ids.tolist(), chances(values).tolist(), strict=True))
    left = Drawing(CHAINS[name], min_keep, 1).left(logits)
    kept = np.arange(N_VOCAB) if left.ids is None else left.ids
    ours: dict[int, float] = dict(zip(kept.tolist(), chances(left.values).tolist(), strict=True))
    if name == "nearly all":  # the library adds up thousands of chances in floats, which are off by a few of the last
        assert sum({**ours, **theirs}[token] for token in ours.keys() ^ theirs.keys()) < 1e-5
    else:
        assert ours.keys() == theirs.keys()
    both = ours.keys() & theirs.keys()
    assert [ours[token] for token in both] == pytest.approx([theirs[token] for token in both], rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("kind", ["peaked", "flat"])
@pytest.mark.parametrize("name", CHAINS)
def test_a_seed_gives_the_librarys_tokens(name: str, kind: str, library: Library, chain: Callable[..., int]) -> None:
    logits, candidates = logits_of(kind), Candidates(library.api, N_VOCAB)
    pointer, drawing = chain(CHAINS[name], 0, 7), Drawing(CHAINS[name], 0, 7)
    theirs = [candidates.choose(pointer, np.arange(N_VOCAB), logits) for _ in range(100)]
    assert [drawing.draw(logits) for _ in range(100)] == theirs


@pytest.mark.parametrize("name", ["defaults", "top_p", "none"])
def test_every_chance_meets_the_token_that_it_falls_on(name: str) -> None:
    logits = logits_of("peaked")
    drawing = Drawing(CHAINS[name], 0, 1)
    left = drawing.left(logits)
    ids = np.arange(N_VOCAB) if left.ids is None else left.ids
    shares = chances(left.values)
    middles = np.cumsum(shares) - shares / 2
    places = sorted(np.argsort(-shares)[:20].tolist())
    assert [drawing.drawn(logits, float(middles[place])) for place in places] == [ids[place] for place in places]
    assert drawing.drawn(logits, 0.0) == ids[0]
    assert drawing.drawn(logits, 1.0 - 1e-16) in ids.tolist()


@pytest.mark.parametrize("name", CHAINS)
def test_what_are_no_numbers_is_no_token(name: str) -> None:
    assert Drawing(CHAINS[name], 0, 1).draw(np.full(N_VOCAB, np.nan, np.float32)) is None
