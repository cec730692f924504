"""Shows one finished answer as /v1/status does. Any thread; frozen."""

from __future__ import annotations

import time

from hoshikage import wire
from hoshikage.frozen import Frozen


class AnswerRecord(Frozen, frozen=True):
    """These are an answer's figures; times are in milliseconds, and there is no text."""

    model: str
    finished_at: int
    reason: str
    prompt_tokens: int
    cached_tokens: int
    """`cached_tokens` are those of the prompt that were in KV memory already."""
    completion_tokens: int
    drafted: int
    accepted: int
    """`drafted` counts the tokens guessed ahead, `accepted` those of them that were right."""
    queue_ms: float
    load_ms: float
    total_ms: float
    prompt_ms: float
    first_token_ms: float
    decode_ms: float
    sampling_ms: float
    tokens_per_second: float

    @classmethod
    def of(cls, model: str, end: wire.Finished, total_s: float) -> AnswerRecord:
        """`total_s` is from the request's arrival to the answer's end, which is now."""
        timings = end.timings
        decode_ms = timings.decode_ms
        return cls(
            model=model,
            finished_at=int(time.time()),
            reason=end.reason,
            prompt_tokens=end.prompt_tokens,
            cached_tokens=timings.cached_tokens,
            completion_tokens=end.completion_tokens,
            drafted=timings.drafted,
            accepted=timings.accepted,
            queue_ms=round(timings.queue_ms, 1),
            load_ms=round(timings.load_ms, 1),
            total_ms=round(total_s * 1e3, 1),
            prompt_ms=round(timings.prompt_ms, 1),
            first_token_ms=round(timings.first_token_ms, 1),
            decode_ms=round(decode_ms, 1),
            sampling_ms=round(timings.sampling_ms, 1),
            tokens_per_second=round((end.completion_tokens - 1) * 1e3 / decode_ms, 1) if decode_ms > 0 else 0.0,
        )
