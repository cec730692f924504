"""Counts what the choices of one job share while they run, and the job's times. Engine thread."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hoshikage.infos import Timings
from hoshikage.llama.vocab import NO_TOKEN


@dataclass(slots=True)
class Tally:
    """These are the counts of one job."""

    started: int = 0
    """`started` counts the choices that have begun, and is the next one's number."""
    ended: int = 0
    cancelled: bool = False
    over: bool = False
    """`over` tells whether the job's end has been told."""
    generated: int = 0
    """`generated` counts the tokens that have been told; those that were chosen behind a stop string do not count."""
    prompt_ms: float = 0.0
    first_token_at: float = 0.0
    """`first_token_at` is told by `time.perf_counter()`; 0 where no token has come."""
    sampling_s: float = 0.0
    cached: int = 0
    drafted: int = 0
    accepted: int = 0
    stop_token: int = NO_TOKEN

    def timings(self, begun: float, stop_token: str) -> Timings:
        """Returns the timings of the job that began at `begun`, as it ends now. `stop_token`: the text of what ended
        it, if a token did."""
        now = time.perf_counter()
        first_token = self.first_token_at or now
        return Timings(
            prompt_ms=self.prompt_ms or (now - begun) * 1e3,
            first_token_ms=(first_token - begun) * 1e3,
            decode_ms=(now - first_token) * 1e3,
            sampling_ms=self.sampling_s * 1e3,
            cached_tokens=self.cached,
            drafted=self.drafted,
            accepted=self.accepted,
            stop_token=stop_token,
        )
