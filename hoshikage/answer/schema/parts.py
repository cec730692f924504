"""What stands in a prompt for a part of a message that is no text: a word, where it lies in the history. Any thread."""

from __future__ import annotations

from typing import Final

from hoshikage.http import ignored

WORDS: Final = {
    "image_url": "image",
    "input_image": "image",
    "computer_screenshot": "image",
    "images": "image",
    "input_audio": "audio",
    "input_file": "file",
}
"""A part's kind -> what a model reads of it, where that is another word."""


def left_out(kind: str, place: str) -> str:
    """The word for it, in English, as the model reads it; and the answer's warning that it was left out."""
    ignored.note(f"{place}: {kind}", is_content=True)
    return f"[{WORDS.get(kind, kind)} left out: this model reads text only]"
