"""Tests sentences of what people and models write, in Japanese and English."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.memory


def sentences_of(text: str) -> list[str]:
    """Splits a text; the function is imported."""
    from hoshikage.keeper import sentences

    return sentences.sentences_of(text)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        (" \n\n ", []),
        ("Hello", ["Hello"]),
        ("I live at 3.5 km from Dr. Smith. OK? Yes!", ["I live at 3.5 km from Dr. Smith.", "OK?", "Yes!"]),
        ("猫の名前はミケです。三歳です！かわいい？はい", ["猫の名前はミケです。", "三歳です！", "かわいい？", "はい"]),
        ("彼は「はい。そうです。」と言った。帰った。", ["彼は「はい。そうです。」と言った。", "帰った。"]),
        ("First.\n\nSecond part", ["First.", "Second part"]),
        ("See:\n- one. two.\n- three\n  goes on\n\nEnd.", ["See:", "- one. two.\n- three\n  goes on", "End."]),
        ("1. a\n2. b", ["1. a\n2. b"]),
        ("> said. this.\n> and that\nNo.", ["> said. this.\n> and that", "No."]),
        ("Run:\n```py\nx = 1. + y\n\nz()\n```\nDone.", ["Run:", "```py\nx = 1. + y\n\nz()\n```", "Done."]),
        ("```\nnever closed. really\n", ["```\nnever closed. really"]),
        ("~~~\n```\n~~~\nA.", ["~~~\n```\n~~~", "A."]),
        ("| a | b |\n|---|---|\n| 1. | 2 |", ["| a | b |\n|---|---|\n| 1. | 2 |"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert sentences_of(text) == sentences


def test_no_word_is_lost() -> None:
    text = "Hi. 今日は。\n* a\n* b\n> q\n\n```\nc\n```\n\nUse e.g. this (see Fig. 2). 「え？」と聞いた。\r\nおわり"
    plain = "".join(sentences_of(text))
    assert re.sub(r"\s", "", plain) == re.sub(r"\s", "", text)
