"""What a request says of memory, in every protocol's body. Any thread; pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class MemoryFields(Struct, frozen=True, kw_only=True):
    """None leaves it to the settings."""

    summary: bool | None = None
    """Whether a long conversation is made short."""
    recall: bool | None = None
    """Whether what was said in others is recalled."""
    store: bool | None = None
    """Whether what is said in this one is kept."""
    conversation: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    """The conversation's name; without it, its first words are."""
