"""Tests marks in what users write: as many as there are control texts in it, in one pass, whatever their number or
length."""

from __future__ import annotations

import pytest

from hoshikage.llama import guard
from hoshikage.llama.guard import Guard


def test_many_control_texts_are_each_marked_once() -> None:
    marked = Guard(("<|x|>",)).marked("<|x|>" * 1000 + "<|", "M")
    assert marked == "<M|x|>" * 1000 + "<M|"
    assert "".join(text for text, _ in Guard(("<|x|>",)).parts(marked, "M")) == "<|x|>" * 1000 + "<|"


def test_of_a_long_control_text_its_beginning_is_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LONGEST", 4)
    guarded = Guard(("<|abcdef|>",))
    marked = guarded.marked("say <|abcdef|>", "M")
    assert list(guarded.parts(marked, "M")) == [("say ", True), ("<|ab", False), ("cdef|>", True)]
