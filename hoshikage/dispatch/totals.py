"""Counts what has been computed since the server started. Event loop only."""

from __future__ import annotations

from hoshikage import wire
from hoshikage.frozen import Mutable


class Totals(Mutable):
    """These totals count from the server's start on."""

    prompt_tokens: int = 0
    """`prompt_tokens` are those that were computed, without those that were in memory already."""
    cached_tokens: int = 0
    completion_tokens: int = 0
    prompt_ms: float = 0.0
    decode_ms: float = 0.0
    loads: int = 0
    crashes: int = 0
    """`loads` and `crashes` count those before the server's last sleep: what came since the lanes know."""

    def add(self, end: wire.Finished) -> None:
        self.prompt_tokens += end.prompt_tokens - end.timings.cached_tokens
        self.cached_tokens += end.timings.cached_tokens
        self.completion_tokens += end.completion_tokens
        self.prompt_ms += end.timings.prompt_ms
        self.decode_ms += end.timings.decode_ms
