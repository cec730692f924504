"""The answer's text does not depend on how its bytes are split into tokens."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hoshikage.llama.text import IndentedText, TextAssembler

JAPANESE = "星影は静かな🌟サーバー。👩‍👩‍👧と🇯🇵、e\u0301も。"
ALPHABET = st.sampled_from(["a", "b", "ab", "星", "影", "🌟", "\n", "</s>"])


def cut(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """Cuts by the meaning of stop strings, said plainly: the earliest in the text, the shortest of those."""
    met = [(text.index(stop), len(stop), stop) for stop in stops if stop and stop in text]
    return (text[: min(met)[0]], min(met)[2]) if met else (text, None)


def assembled(pieces: list[bytes], stops: tuple[str, ...]) -> tuple[str, str | None]:
    assembler = TextAssembler(stops)
    text = "".join([*map(assembler.feed, pieces), assembler.finish()])
    return text, assembler.stop


def split(data: bytes, at: list[int]) -> list[bytes]:
    borders = [0, *sorted(min(place, len(data)) for place in at), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


@given(st.binary(max_size=40), st.lists(st.integers(0, 40), max_size=8))
@example(b"\xe6\x98a\xf0\x9f\x8c\xff", [1, 2, 3, 5])
@example(b"\xed\xa0\x80\xf4\x90\x80\x80", [1, 2, 3, 4, 5, 6])
def test_any_bytes_in_any_pieces(data: bytes, at: list[int]) -> None:
    assert assembled(split(data, at), ()) == (data.decode("utf-8", "replace"), None)


@given(
    st.lists(ALPHABET, max_size=12).map("".join),
    st.lists(st.lists(ALPHABET, max_size=4).map("".join), max_size=3).map(tuple),
    st.lists(st.integers(0, 60), max_size=10),
)
@example("abcd", ("abcd", "bc"), [2, 3])
@example("abce", ("abcd", "bc"), [1, 2, 3])
@example("aab", ("ab",), [1, 2])
def test_any_text_with_any_stops_in_any_pieces(text: str, stops: tuple[str, ...], at: list[int]) -> None:
    assert assembled(split(text.encode(), at), stops) == cut(text, stops)


@pytest.mark.parametrize("stop", ["</s>", "ユーザー:", "🌟🌟", "\n\nHuman:"])
def test_a_stop_string_at_every_offset_split_at_every_byte(stop: str) -> None:
    for offset in range(len(JAPANESE) + 1):
        text = JAPANESE[:offset] + stop + JAPANESE[offset:]
        data, expected = text.encode(), cut(text, (stop,))
        assert expected[1] == stop
        for place in range(len(data) + 1):
            assert assembled([data[:place], data[place:]], (stop,)) == expected


def test_one_byte_at_a_time_every_release_is_whole() -> None:
    assembler = TextAssembler()
    released = [assembler.feed(bytes([byte])) for byte in JAPANESE.encode()]
    assert "\ufffd" not in "".join(released)
    assert [text for text in released if text] == list(JAPANESE)


LINES = st.sampled_from(["a", "\n", " ", "    ", "\t", "星", "</s>"])


def block(text: str, least: int, stops: tuple[str, ...]) -> tuple[str, bool, str | None]:
    """Cuts by the meaning of an indent, said plainly: the text before what begins a line behind the first too far
    out."""
    first, *others = cut(text, stops)[0].split("\n")
    kept = first
    for number, line in enumerate(others):
        indent = len(line) - len(line.lstrip(" \t"))
        is_begun = line.strip(" \t") or number < len(others) - 1
        if is_begun and indent < least:
            return f"{kept}\n{line[:indent]}", True, None
        kept += f"\n{line}"
    return kept, False, cut(text, stops)[1]


@given(
    st.lists(LINES, max_size=14).map("".join),
    st.integers(1, 5),
    st.sampled_from([(), ("</s>",), ("a",)]),
    st.lists(st.integers(0, 60), max_size=10),
)
@example("a\n    b\n  c</s>", 4, ("</s>",), [3])
@example("\na</s>", 1, ("</s>",), [2])
def test_an_answer_ends_before_a_line_that_is_indented_by_less(
    text: str, least: int, stops: tuple[str, ...], at: list[int]
) -> None:
    assembler = IndentedText(stops, least)
    told = "".join([*map(assembler.feed, split(text.encode(), at)), assembler.finish()])
    assert (told, assembler.dedented, assembler.stop) == block(text, least, stops)


def test_text_is_held_back_only_while_it_may_become_a_stop() -> None:
    assembler = TextAssembler(("</s>", "User:"))
    assert [assembler.feed(piece) for piece in (b"so", b" <", b"/s", b"!", b" Us")] == ["so", " ", "", "</s!", " "]
    assert assembler.finish() == "Us"
    assert not assembler.stopped


def test_nothing_follows_a_stop() -> None:
    assembler = TextAssembler(("</s>",))
    assert [assembler.feed(piece) for piece in (b"so</", b"s> and", b" on")] == ["so", "", ""]
    assert (assembler.stopped, assembler.stop, assembler.finish()) == (True, "</s>", "")


def test_an_unfinished_character_becomes_one_replacement_at_the_end() -> None:
    assembler = TextAssembler()
    assert assembler.feed("星".encode()[:2]) == ""
    assert assembler.finish() == "\ufffd"
