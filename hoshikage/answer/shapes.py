"""Pieces of answers that several protocols have in common: frames, usage, timings. Any thread; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from hoshikage import __version__, wire

FINGERPRINT: Final = f"hoshikage-{__version__}"
DONE: Final = b"data: [DONE]\n\n"
REPAIR_HEADER: Final = "X-Hoshikage-Template-Repair"
_encode: Final = msgspec.json.Encoder().encode


def frame(value: dict[str, Any]) -> bytes:
    """One event; JSON has no raw line breaks, so one `data:` line holds it."""
    return b"data: " + _encode(value) + b"\n\n"


def usage(finished: wire.Finished) -> dict[str, Any]:
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.completion_tokens,
        "total_tokens": finished.prompt_tokens + finished.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": finished.timings.cached_tokens},
    }


def logprobs_of(tokens: Iterable[wire.Chosen]) -> dict[str, Any]:
    """As OpenAI has it. A token that only begins a character has an empty text; its bytes are exact."""
    content = [{**_likely(one.token), "top_logprobs": [_likely(other) for other in one.top]} for one in tokens]
    return {"content": content, "refusal": None}


def _likely(token: wire.Likely) -> dict[str, Any]:
    return {"token": token.text, "logprob": token.logprob, "bytes": list(token.raw)}


def timings_of(finished: wire.Finished) -> dict[str, Any]:
    """As llama-server has it; and the waits, the time to the first token and that of choosing tokens."""
    measured = finished.timings
    drafted = {"draft_n": measured.drafted, "draft_n_accepted": measured.accepted} if measured.drafted else {}
    return {
        "queue_ms": measured.queue_ms,
        "load_ms": measured.load_ms,
        "cache_n": measured.cached_tokens,
        **_pace("prompt", finished.prompt_tokens - measured.cached_tokens, measured.prompt_ms),
        **_pace("predicted", finished.completion_tokens, measured.decode_ms),
        "first_token_ms": measured.first_token_ms,
        "sampling_ms": measured.sampling_ms,
        "stop_token": measured.stop_token or None,
        **drafted,
    }


def _pace(name: str, count: int, duration_ms: float) -> dict[str, float]:
    return {
        f"{name}_n": count,
        f"{name}_ms": duration_ms,
        f"{name}_per_token_ms": duration_ms / count if count else 0.0,
        f"{name}_per_second": count * 1e3 / duration_ms if duration_ms else 0.0,
    }
