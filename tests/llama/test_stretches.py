"""Tokens that are remembered between turns are those of the whole text, with every kind of vocabulary."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from hoshikage._ffi.library import Library
from hoshikage.llama.model import Model
from hoshikage.llama.stretches import MAX_CHARACTERS, Stretches
from hoshikage.params import LoadParams
from tests.small_models import write_encoder, write_llama

WORDS: Final = (
    *("Hello", " ", "  ", "\n", "\n\n", "\t", "star", "s", "'s", ".", "<", ">", "|", "<|", "|>", "<|im_", "im_end|>"),
    *("星影", "夜", "🌟", "e\u0301", "\u3000", "123", "x" * 40, "<s", "</s", "/s>", "[", "]", "\x00", "\ud800", "</"),
)
CONVERSATIONS: Final = 150
TURNS: Final = 6


@pytest.fixture(scope="module", params=["built-in", "sentencepiece", "bert"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(library: Library, kind: str, demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    folder = tmp_path_factory.mktemp("vocabularies")
    file = {
        "built-in": lambda: demo_model,
        "sentencepiece": lambda: write_llama(folder / "llama.gguf"),
        "bert": lambda: write_encoder(folder / "bert.gguf", 1),
    }[kind]()
    model = Model.load(library, LoadParams(str(file), vocab_only=True), lambda _progress: True)
    yield model
    model.close()


def conversations(vocab_texts: tuple[str, ...]) -> Iterator[list[str]]:
    """Yields the texts of growing prompts: what one turn said stands in the next, as templates write it and as they do
    not."""
    chance = random.Random(7)
    for _ in range(CONVERSATIONS):
        said, prompts = "", []
        for _ in range(TURNS):
            for _ in range(chance.randrange(1, 4)):
                said += chance.choice(vocab_texts) if chance.random() < 0.7 else ""
                said += "".join(chance.choice(WORDS) for _ in range(chance.randrange(8)))
            prompts.append(said)
        yield prompts


def test_the_tokens_of_any_conversation_are_those_of_the_whole_text(model: Model) -> None:
    vocab = model.vocab
    controls = vocab.control_texts()[:8]
    assert controls
    for prompts in conversations(controls):
        for prompt in prompts:
            assert vocab.tokenize_prompt(prompt, "") == vocab.tokenize(prompt, parse_special=True)


def test_a_second_turn_tokenizes_what_is_new_alone(model: Model, kind: str) -> None:
    vocab, asked = model.vocab, list[str]()

    def tokenize(text: str) -> list[int]:
        asked.append(text)
        return vocab.tokenize(text, parse_special=True)

    end = vocab.control_texts()[-1]
    stretches = Stretches(tokenize, dict.fromkeys(vocab.control_texts(), True))
    first = f"A long text. {'star ' * 1000}{end}a question{end}"
    stretches.tokens(first, "me")
    asked.clear()
    stretches.tokens(f"{first}an answer{end}more", "me")
    assert asked == [f"an answer{end}", "more"], kind
    asked.clear()
    stretches.tokens(first, "somebody else")
    assert sum(map(len, asked)) == len(first)


class Counted:
    """This is a tokenizer that makes a token of each character, and cuts wherever it is said to."""

    def __init__(self) -> None:
        self.characters = 0

    def __call__(self, text: str) -> list[int]:
        self.characters += len(text)
        return [ord(letter) for letter in text]


@pytest.mark.parametrize(
    ("cuts", "parts"),
    [
        ({"<e>": True}, 2),
        ({"<e>": False}, 1),
        ({"<e>": True, "<e>\n": True}, 1),  # a longer one goes before it
        ({"<e>": True, ">b": False}, 1),  # one that begins in it
        ({"<e>": True, "a<": False}, 1),  # one that ends in it
        ({"<e>": True, "e": False}, 2),  # one within it: the longer one goes first
        ({}, 1),
    ],
)
def test_a_text_is_cut_where_nothing_lies_across(cuts: dict[str, bool], parts: int) -> None:
    tokenize = Counted()
    stretches = Stretches(tokenize, cuts)
    stretches.tokens("a<e>b", "")
    tokenize.characters = 0
    stretches.tokens("a<e>c", "")
    assert tokenize.characters == {1: len("a<e>c"), 2: len("c")}[parts]


def test_a_cut_that_the_library_does_not_make_is_made_nowhere() -> None:
    def joined(text: str) -> list[int]:
        return [len(text)]

    assert Stretches(joined, {"<e>": True}).tokens("a<e>b", "") == [5]


def test_what_is_remembered_is_bounded() -> None:
    tokenize = Counted()
    stretches = Stretches(tokenize, {"<e>": True}, maximum=100)
    for number in range(50):
        stretches.tokens(f"{number:020}<e>", "")
    assert sum(len(stretch) for _, stretch in stretches._known) <= 100 < MAX_CHARACTERS
    tokenize.characters = 0
    stretches.tokens(f"{49:020}<e>", "")
    assert tokenize.characters == 0
