"""Puts into a prompt what stands for a part of a message that is no text: a word, where it lies in the history. Any
thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hoshikage.answer.schema.media import KINDS, LeftOut
from hoshikage.http import ignored

WORDS: Final = {**KINDS, "input_file": "file"}
"""Maps a part's kind to what a model reads of it, where that is another word."""
REASONS: Final[Mapping[LeftOut, str]] = {
    "unread": "this model does not read it",
    "damaged": "it cannot be used",
    "crowded": "there is no room for it",
}
TEXT_ONLY: Final = "this model reads text only"


def left_out(kind: str, place: str, why: str = TEXT_ONLY) -> str:
    """Returns the word for it, in English, as the model reads it, and notes the answer's warning that it was left
    out."""
    ignored.note(f"{place}: {kind}", is_content=True)
    return f"[{WORDS.get(kind, kind)} left out: {why}]"
