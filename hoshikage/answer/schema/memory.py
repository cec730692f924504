"""Defines what a request says of memory, in every protocol's body. Any thread; pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class MemoryFields(Struct, frozen=True, kw_only=True):
    """None leaves it to the settings."""

    summary: bool | None = None
    """`summary` says whether a long conversation is made short."""
    recall: bool | None = None
    """`recall` says whether what was said in others is recalled."""
    store: bool | None = None
    """`store` says whether what is said in this one is kept."""
    conversation: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    """`conversation` is the conversation's name; without it, its first words are."""
