"""Tests what becomes of a request's marks, and at which places pictures stand in a text. No library."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hoshikage.engine.album import Album
from hoshikage.engine.prompt import prepare
from hoshikage.engine.sequence_pool import SequencePool
from hoshikage.engine.spans import Spans, number_of
from hoshikage.errors import InvalidRequest
from hoshikage.llama.projector import Piece
from hoshikage.llama.repair import WORDS_LOST
from hoshikage.llama.template import Rendered, TemplatePart
from hoshikage.params import ChatPrompt, GenerationRequest, Medium, Message
from tests.engine.test_sequence_pool import Context

WIDE = Piece((), 1, n_tokens=6, n_positions=3)
FLAT = Piece((), 2, n_tokens=2, n_positions=2)
A, B = number_of("a", 0), number_of("b", 0)
TEXT = [5, *[A] * 6, 6, 7, *[B] * 2, *[A] * 6, 8]
SPANS = Spans.of(TEXT, {A: WIDE, B: FLAT})


@pytest.mark.parametrize(("n_tokens", "position"), [(0, 0), (1, 1), (7, 4), (9, 6), (11, 8), (17, 11), (18, 12)])
def test_positions_are_fewer_than_tokens(n_tokens: int, position: int) -> None:
    assert SPANS.position(n_tokens) == position


def test_a_text_is_reached_up_to_the_next_picture() -> None:
    reaches = [SPANS.reach(n_tokens, len(TEXT)) for n_tokens in (0, 1, 7, 9, 11, 17)]
    assert reaches == [1, 1, 9, 9, 11, len(TEXT)]
    assert [SPANS.at(n_tokens) for n_tokens in (0, 1, 9, 11)] == [None, WIDE, FLAT, WIDE]


@pytest.mark.parametrize(("n_tokens", "whole"), [(0, 0), (1, 1), (2, 1), (6, 1), (7, 7), (10, 9), (12, 11), (18, 18)])
def test_no_picture_is_cut(n_tokens: int, whole: int) -> None:
    assert SPANS.whole(n_tokens) == whole


def test_numbers_come_from_the_file_and_are_no_tokens() -> None:
    numbers = {number_of(digest, index) for digest in ("a", "b") for index in range(3)}
    assert len(numbers) == 6
    assert max(numbers) < 0
    assert number_of("a", 1) == number_of("a", 1)


def test_a_kept_text_is_cut_by_its_positions() -> None:
    context = Context()
    pool = SequencePool(cast("Any", context), 1)
    first = pool.take([*TEXT], "", reuse=True, spans=SPANS)
    assert first is not None
    first.n_past, context.held[first.number] = len(TEXT), SPANS.position(len(TEXT))
    pool.release(first, keep=True)
    other = [*TEXT[:7], 6, 9, 9]
    again = pool.take(other, "", reuse=True, spans=Spans.of(other, {A: WIDE}))
    assert again is first
    assert (again.n_past, context.held[again.number]) == (8, 5)


class Projector:
    """Makes of each file a text, a piece and a text, or what it is given."""

    def __init__(self, *pieces: Piece) -> None:
        self.pieces = pieces or (Piece((90,)), Piece((), 3, n_tokens=4, n_positions=2), Piece((91,)))
        self.seen: list[str] = []
        self.closed = 0

    def shown(self, medium: Medium) -> Any:
        self.seen.append(medium.digest)
        return SimpleNamespace(pieces=self.pieces, close=self._close)

    def _close(self) -> None:
        self.closed += 1


class Vocab:
    """Each character is a token of its own."""

    add_bos, bos, n_tokens = True, 1, 200

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        return [ord(letter) % 80 + 2 for letter in text]

    def tokenize_prompt(self, text: str, scope: str) -> list[int]:
        return self.tokenize(text, parse_special=True)

    def control_token(self, text: str) -> None:
        return None

    def is_typed_control(self, token: int) -> bool:
        return False


def medium(name: str) -> Medium:
    return Medium("image", name.encode(), hashlib.sha256(name.encode()).hexdigest(), f"\ue002{name}")


def prepared(content: str, shown: str, media: tuple[Medium, ...], projector: Projector) -> Any:
    """Makes a request whose template makes `shown` of its one message."""
    templates = SimpleNamespace(render=lambda _prompt, _now: Rendered((TemplatePart(shown, True),)))
    request = GenerationRequest(ChatPrompt((Message("user", content),), media=media), max_tokens=4)
    album = Album(media, cast("Any", projector))
    try:
        return prepare(request, cast("Any", templates), cast("Any", Vocab()), 100, album=album)
    finally:
        album.close()


def test_marks_become_what_the_projector_makes_of_the_files() -> None:
    one, two = medium("one"), medium("two")
    projector = Projector()
    text = f"a{one.mark}b{two.mark}c{one.mark}d"
    prompt = prepared(text, text, (one, two), projector)
    first, second = number_of(one.digest, 1), number_of(two.digest, 1)
    a, b, c, d = Vocab().tokenize("abcd", parse_special=True)
    shown = [[90, *[number] * 4, 91] for number in (first, second, first)]
    assert prompt.tokens == [1, a, *shown[0], b, *shown[1], c, *shown[2], d]
    assert prompt.spans.position(len(prompt.tokens)) == len(prompt.tokens) - 6
    assert projector.seen == [one.digest, two.digest]  # each once
    assert projector.closed == 2
    assert prompt.repairs == ()


def test_a_lost_picture_is_told() -> None:
    one, two = medium("one"), medium("two")
    prompt = prepared(f"a{one.mark}{two.mark}", f"a{one.mark}b", (one, two), Projector())
    assert prompt.repairs == (WORDS_LOST,)
    assert prompt.limit == 4


def test_a_picture_is_never_the_last_of_a_prompt() -> None:
    one = medium("one")
    projector = Projector(Piece((), 3, n_tokens=4, n_positions=2))
    with pytest.raises(InvalidRequest) as refused:
        prepared(one.mark, one.mark, (one,), projector)
    assert refused.value.key == "engine.medium_last"


@pytest.mark.parametrize(("kind", "key"), [("image", "media.no_image"), ("audio", "media.no_audio")])
def test_a_model_without_a_projector_refuses(kind: Any, key: str) -> None:
    given = Medium(kind, b"", "0", "\ue002")
    with pytest.raises(InvalidRequest) as refused:
        Album((given,), None).tokens(given)
    assert (refused.value.key, refused.value.param) == (key, "messages")


def test_the_last_session_to_let_go_frees_the_files() -> None:
    projector = Projector()
    album = Album((medium("one"),), cast("Any", projector))
    album.tokens(medium("one"))
    for _ in range(2):
        album.held()
    album.let_go()
    assert projector.closed == 0
    album.let_go()
    assert projector.closed == 1
