"""Tokens and text leave the ledger together, however characters and stop strings cut them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from hoshikage.engine.logprob_buffer import LogprobBuffer
from hoshikage.llama.text import TextAssembler
from hoshikage.wire import Chosen
from tests.examples import examples

Piece = tuple[str, tuple[Chosen, ...]]


def told(pieces: list[bytes], stop: tuple[str, ...] = ()) -> list[Piece]:
    """Returns what a session sends for these tokens."""
    text, ledger = TextAssembler(stop), LogprobBuffer()
    sent: list[Piece] = []
    for piece in pieces:
        certain = text.feed(piece)
        ledger.add(piece, -1.0, [(piece, -1.0, 7)], 7)
        sent.append(ledger.release(certain))
        if text.stopped:
            break
    sent.append(ledger.finish(text.finish()))
    return [one for one in sent if one[0]]


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[start:end] for start, end in pairwise(edges)]


@settings(max_examples=examples(300), deadline=None)
@given(st.text("あ星🌟aé\n", max_size=12), st.lists(st.integers(0, 60), max_size=8))
def test_tokens_joined_are_the_text_and_its_bytes(text: str, places: list[int]) -> None:
    sent = told(cut(text.encode(), places))
    for piece, tokens in sent:
        assert "".join(token.token.text for token in tokens) == piece
    assert "".join(piece for piece, _ in sent) == text
    assert b"".join(token.token.raw for _, tokens in sent for token in tokens) == text.encode()


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=12), st.lists(st.integers(0, 12), max_size=5), st.sampled_from([(), ("ab",), ("\ufffd",)]))
def test_whatever_the_bytes_and_stops_are(raw: bytes, places: list[int], stop: tuple[str, ...]) -> None:
    pieces = cut(raw, places)
    plain = TextAssembler(stop)
    expected = "".join(map(plain.feed, pieces)) + plain.finish()
    sent = told(pieces, stop)
    assert "".join(piece for piece, _ in sent) == expected
    for piece, tokens in sent:
        assert "".join(token.token.text for token in tokens) == piece


def test_a_token_that_begins_a_character_waits_for_the_one_that_completes_it() -> None:
    first, second = "星".encode()[:2], "星".encode()[2:]
    ((text, tokens),) = told([first, second])
    assert text == "星"
    assert [(token.token.text, token.token.raw) for token in tokens] == [("", first), ("星", second)]
    assert tokens[0].top[0].text == "\ufffd"


def test_a_stop_string_cuts_its_token() -> None:
    sent = told([b"one", b" two##", b"# three", b"never"], ("###",))
    assert [text for text, _ in sent] == ["one", " two"]
    (last,) = sent[-1][1]
    assert (last.token.text, last.token.raw) == (" two", b" two")
