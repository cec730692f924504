"""Makes the pieces of answers that several protocols have in common: frames, usage, timings. Any thread; pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

import msgspec

from hoshikage import __version__, wire
from hoshikage.frozen import Frozen
from hoshikage.tools import Content, Delta, Reasoning

FINGERPRINT: Final = f"hoshikage-{__version__}"
DONE: Final = b"data: [DONE]\n\n"
REPAIR_HEADER: Final = "X-Hoshikage-Template-Repair"
SHIFTED_HEADER: Final = "X-Hoshikage-Shifted"
"""The oldest turns that were left out, so that the rest fits the context."""
_encode: Final = msgspec.json.Encoder().encode


def frame(value: dict[str, Any]) -> bytes:
    """Writes one event; JSON has no raw line breaks, so one `data:` line holds it."""
    return b"data: " + _encode(value) + b"\n\n"


class ThoughtCount:
    """Counts the tokens of thoughts: exactly where each piece of text is one token, else by the letters of a piece."""

    def __init__(self) -> None:
        self._seen = 0
        self._tokens = 0.0

    @property
    def tokens(self) -> int:
        return round(self._tokens)

    def add(self, deltas: Sequence[Delta], completion_tokens: int) -> None:
        """Counts the next piece, with which so many tokens have come in all choices. What comes with no text counts for
        the piece behind it, such as the mark that opens thoughts."""
        if not deltas:
            return
        thought = sum(len(delta.text) for delta in deltas if isinstance(delta, Reasoning))
        spoken = sum(len(delta.text) for delta in deltas if isinstance(delta, Content))
        if thought:
            self._tokens += (completion_tokens - self._seen) * thought / (thought + spoken)
        self._seen = completion_tokens


def usage(finished: wire.Finished, thoughts: int = 0) -> dict[str, Any]:
    return {
        **({"completion_tokens_details": {"reasoning_tokens": thoughts}} if thoughts else {}),
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.completion_tokens,
        "total_tokens": finished.prompt_tokens + finished.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": finished.timings.cached_tokens, **condensed(finished)},
    }


def condensed(finished: wire.Finished) -> dict[str, int]:
    """Returns how many turns a digest stood for, as a field of the answer, where there was one."""
    return {"condensed_turns": finished.condensed_turns} if finished.condensed_turns else {}


def logprobs_of(tokens: Iterable[wire.Chosen]) -> dict[str, Any]:
    """Returns log probabilities in OpenAI's shape. A token that only begins a character has an empty text; its bytes
    are exact."""
    content = [{**_likely(one.token), "top_logprobs": [_likely(other) for other in one.top]} for one in tokens]
    return {"content": content, "refusal": None}


def _likely(token: wire.Likely) -> dict[str, Any]:
    return {"token": token.text, "logprob": token.logprob, "bytes": list(token.raw)}


def timings_of(finished: wire.Finished) -> dict[str, Any]:
    """Returns llama-server's timings, and beside them the waits, the time to the first token and that of choosing
    tokens."""
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


class Pacing:
    """This makes the timings of an answer that is still being written, by the server's own clock."""

    def __init__(self) -> None:
        self._asked = self._first = time.monotonic()
        self._began = False

    def timings(self, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
        """Returns what `timings_of` does, so far; it must be asked with the first piece, too."""
        now = time.monotonic()
        if not self._began:
            self._began, self._first = True, now
        prompt_ms, answer_ms = (self._first - self._asked) * 1e3, (now - self._first) * 1e3
        return {**_pace("prompt", prompt_tokens, prompt_ms), **_pace("predicted", completion_tokens, answer_ms)}


class Progress(Frozen, frozen=True):
    """This tells how far the computing of a prompt is, as llama-server does."""

    total: int
    cache: int
    processed: int
    time_ms: float

    def shown(self) -> dict[str, Any]:
        return asdict(self)
