"""A draft's memory keeps step with the text, whatever becomes of its guesses. Real library, the built-in model."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoshikage._ffi.library import load
from hoshikage.engine.costs import BatchCost
from hoshikage.engine.draft_model import DraftModel
from hoshikage.errors import KvMemoryFull
from hoshikage.llama.model import Model
from hoshikage.llama.vocab import Vocab
from hoshikage.params import LoadParams


@pytest.fixture(scope="module")
def model(library_file: Path, demo_model: Path) -> Iterator[Model]:
    library = load(library_file, lambda _level, _line: None)
    model = Model.load(library, LoadParams(str(demo_model), n_threads=1), lambda _progress: True)
    yield model
    model.close()
    library.close()


@pytest.fixture
def draft(model: Model, demo_model: Path) -> Iterator[DraftModel]:
    params = LoadParams(str(demo_model), n_ctx=768, n_batch=32, n_threads=1, n_parallel=2, draft_path=str(demo_model))
    cost = BatchCost(32)
    for size in range(1, 17):
        cost.took(size, 0, 1.0)  # guesses always pay
    draft = DraftModel.open(model.library, params, model.vocab, cost, lambda _progress: True)
    yield draft
    draft.close()


def begun(vocab: Vocab) -> list[int]:
    words = "<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"
    return vocab.tokenize(words, parse_special=True)


def test_guesses_are_made_whatever_became_of_those_before(model: Model, draft: DraftModel) -> None:
    """All of them were right, some, or none; stopped by doubt, by their number, by the text's end."""
    rng, tokens = random.Random(5), begun(model.vocab)
    proposer = draft.proposer()
    assert proposer is not None
    lengths = set()
    while len(tokens) < 600:
        found = list(proposer.propose(tokens, rng.choice((1, 3, 15))))
        lengths.add(len(found))
        right = rng.choice((len(found), len(found), rng.randint(0, len(found))))
        proposer.verified(len(found), len(found))
        tokens += found[:right]
        likely = proposer.propose(tokens, 1)
        tokens.append(likely[0] if likely and rng.random() < 0.8 else rng.randrange(300, 1000))
    assert {0, 1, 15} <= lengths
    assert lengths - {0, 1, 3, 7, 15}, "none was stopped by doubt"
    proposer.close()


def test_a_memory_that_is_full_ends_guesses_and_nothing_else(
    model: Model, draft: DraftModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = begun(model.vocab)
    proposer = draft.proposer()
    assert proposer is not None
    before = list(proposer.propose(tokens, 7))
    assert before

    def full() -> bool:
        raise KvMemoryFull("engine.no_kv_slot")

    with monkeypatch.context() as patch:
        patch.setattr(draft.context, "decode", full)
        assert list(proposer.propose([*tokens, *before], 7)) == []
    assert list(proposer.propose(tokens, 7)) == before
