"""Marks stand for pictures and sounds in prompts alone: what memory makes of a chat has words, and pictures stay."""

from __future__ import annotations

from dataclasses import replace

from hoshikage.answer.schema.media import drawn_mark, in_words, with_media, without_media
from hoshikage.params import ChatPrompt, Medium, Message

FIRST, SECOND = (Medium("image", b"a", "1", drawn_mark()), Medium("audio", b"b", "2", drawn_mark()))
WHOLE = ChatPrompt(
    (
        Message("user", f"See {FIRST.mark}"),
        Message("assistant", None),
        Message("user", f"Hear {SECOND.mark}\nand say"),
    ),
    media=(FIRST, SECOND),
)


def test_marks_are_drawn_anew() -> None:
    assert len({drawn_mark() for _ in range(1000)}) == 1000


def test_memory_sees_words() -> None:
    bare = without_media(WHOLE)
    assert [turn.content for turn in bare.messages] == ["See [image]", None, "Hear [audio]\nand say"]
    assert bare.media == ()
    assert in_words(f"a{SECOND.mark}{FIRST.mark}", WHOLE.media) == "a[audio][image]"


def test_what_stays_of_a_condensed_chat_has_its_pictures_again() -> None:
    bare = without_media(WHOLE)
    condensed = replace(bare, messages=(Message("user", "A digest: See [image]"), *bare.messages[2:]))
    made = with_media(condensed, bare, WHOLE)
    assert [turn.content for turn in made.messages] == ["A digest: See [image]", f"Hear {SECOND.mark}\nand say"]
    assert made.media == (SECOND,)
    assert with_media(bare, bare, WHOLE) == WHOLE


def test_a_chat_without_them_is_let_be() -> None:
    plain = replace(WHOLE, messages=(Message("user", "a"),), media=())
    assert without_media(plain) is plain
    assert with_media(plain, plain, plain) is plain
