"""What stands in a prompt for a part of a message that is no text: a word, where it lies in the history. Pure."""

from __future__ import annotations


def placeholder(kind: str) -> str:
    """English, as the model reads it, not a person."""
    return f"[{kind} left out: this model reads text only]"
