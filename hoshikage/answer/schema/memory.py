"""What a request says of memory, in every protocol's body. Any thread; pure."""

from __future__ import annotations

from msgspec import Struct


class MemoryFields(Struct, frozen=True, kw_only=True):
    """None leaves it to the settings."""

    summary: bool | None = None
    """Whether a long conversation is made short."""
