"""Writes OpenAI's chunks of continued prompts, and the answer that they add up to. Any thread; pure but for the
clock."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hoshikage import wire
from hoshikage.answer.output_parser import ParsedEnd
from hoshikage.answer.prepared import PreparedRequest
from hoshikage.answer.shapes import DONE, FINGERPRINT, Pacing, Progress, frame, timings_of
from hoshikage.answer.stream import SSE, Warnings
from hoshikage.errors import HoshikageError
from hoshikage.http import error_response
from hoshikage.messages import Language
from hoshikage.protocols.openai.completions_schema import CompletionBody
from hoshikage.tools import Content, Delta


class _CompletionChoice:
    """Gathers one choice, and counts its characters."""

    def __init__(self, index: int, top: int | None) -> None:
        """`top` is `logprobs` of the request."""
        self._index = index
        self._top = top
        self._text = ""
        self.reason: str | None = None
        self._logprobs: dict[str, list[Any]] = {}
        self._sum = 0.0
        self._count = 0

    def add(self, text: str, chosen: Sequence[wire.Chosen], completion_tokens: int) -> dict[str, Any]:
        """Returns the piece as a choice of its own, as streams have it."""
        logprobs = None if self._top is None else logprobs_of(chosen, len(self._text), self._top)
        self._text += text
        if completion_tokens:
            self._sum += sum(one.token.logprob for one in chosen)
            self._count += len(chosen)
        for name, values in (logprobs or {}).items():
            if values is not None:
                self._logprobs.setdefault(name, []).extend(values)
        return {"text": text, "index": self._index, "logprobs": logprobs, "finish_reason": None}

    @property
    def likelihood(self) -> float:
        """Gives the mean log probability of its tokens."""
        return self._sum / self._count if self._count else -math.inf

    def choice(self, index: int) -> dict[str, Any]:
        logprobs = None if self._top is None else {**logprobs_of((), 0, self._top), **self._logprobs}
        return {"text": self._text, "index": index, "logprobs": logprobs, "finish_reason": self.reason}


class CompletionWriter:
    """This is the Writer of /v1/completions (answer.stream)."""

    content_type = SSE
    headers: Mapping[str, str] = {}

    def __init__(self, body: CompletionBody, prepared: PreparedRequest) -> None:
        self._body = body
        self._fields = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": prepared.spec.name,
            "system_fingerprint": FINGERPRINT,
        }
        self._choices = [_CompletionChoice(index, body.logprobs) for index in range(len(prepared.jobs) * body.drawn)]
        self._finished: list[wire.Finished] = []
        self._timed = body.timings is not False
        self._pace = Pacing() if body.timings_per_token else None
        self._prompt_tokens = 0

    def take_library(self, library: str) -> None:
        self._fields["system_fingerprint"] = f"{FINGERPRINT}-{library}"

    def begin(self, prompt: int, prompt_tokens: int) -> bytes:
        self._prompt_tokens = prompt_tokens
        return b""

    def progress(self, prompt: int, progress: Progress) -> bytes:
        """So much of the prompt is computed."""
        if not (self._body.stream and self._body.return_progress):
            return b""
        lead = {"text": "", "index": prompt * self._body.drawn, "logprobs": None, "finish_reason": None}
        return frame({**self._fields, "choices": [lead], "prompt_progress": progress.shown()})

    def say(
        self, choice: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int
    ) -> bytes:
        text = "".join(delta.text for delta in deltas if isinstance(delta, Content))
        piece = self._choices[choice].add(text, logprobs, completion_tokens)
        if not self._body.stream:
            return b""
        paced = {"timings": self._pace.timings(self._prompt_tokens, completion_tokens)} if self._pace else {}
        return frame({**self._fields, "choices": [piece], **paced})

    def end(self, choice: int, end: ParsedEnd, warnings: Warnings, finished: wire.Finished | None) -> bytes:
        self._choices[choice].reason = end.reason
        if finished is not None:
            self._finished.append(finished)
        if not self._body.stream:
            return b""
        last = {"text": "", "index": choice, "logprobs": None, "finish_reason": end.reason}
        timed = {}
        if finished is not None and self._timed and not self._body.include_usage:
            timed = timings([finished])
        return frame({**self._fields, "choices": [last], **timed})

    def close(self) -> bytes:
        if not self._body.include_usage:
            return DONE
        timed = timings(self._finished) if self._timed else {}
        return frame({**self._fields, "choices": [], "usage": usage(self._finished), **timed}) + DONE

    def fail(self, error: HoshikageError, language: Language) -> bytes:
        return frame(error_response.body(error, language))

    def whole(self) -> dict[str, Any]:
        body = self._body
        best: list[_CompletionChoice] = []
        for start in range(0, len(self._choices), body.drawn):
            group = self._choices[start : start + body.drawn]
            if body.drawn > body.wanted:
                group.sort(key=lambda one: one.likelihood, reverse=True)
            best += group[: body.wanted]
        return {
            **self._fields,
            "choices": [one.choice(index) for index, one in enumerate(best)],
            "usage": usage(self._finished),
            **(timings(self._finished) if self._timed else {}),
        }


def timings(ends: Sequence[wire.Finished]) -> dict[str, Any]:
    """Returns the timings of the last prompt."""
    return {"timings": timings_of(ends[-1])}


def logprobs_of(tokens: Iterable[wire.Chosen], offset: int, top: int) -> dict[str, Any]:
    """Writes log probabilities in OpenAI's older form, for text that begins `offset` characters into the answer.

    `top` 0 tells of the tokens alone. The first token of a prompt has no probability: null.
    """
    rows = list(tokens)
    offsets = []
    for one in rows:
        offsets.append(offset)
        offset += len(one.token.text)
    return {
        "tokens": [one.token.text for one in rows],
        "token_logprobs": [None if math.isnan(one.token.logprob) else one.token.logprob for one in rows],
        "top_logprobs": [_likeliest(one) for one in rows] if top else None,
        "text_offset": offsets,
    }


def _likeliest(one: wire.Chosen) -> dict[str, float] | None:
    """Returns the likeliest tokens by name, and the chosen one where it is not among them."""
    if math.isnan(one.token.logprob):
        return None
    return {_name(likely): likely.logprob for likely in (one.token, *one.top)}


def _name(token: wire.Likely) -> str:
    """Returns a token's text, or its bytes where it is no whole character."""
    try:
        return token.raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.raw)


def usage(ends: Iterable[wire.Finished]) -> dict[str, Any]:
    """Returns how many tokens all prompts and their answers have together."""
    all_ends = list(ends)
    prompt, answer = sum(end.prompt_tokens for end in all_ends), sum(end.completion_tokens for end in all_ends)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": sum(end.timings.cached_tokens for end in all_ends)},
    }
