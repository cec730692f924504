"""Writes Anthropic's events of one message, the message that they add up to, and its errors. Any thread; pure."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hoshikage import wire
from hoshikage.answer.output_parser import ParsedEnd
from hoshikage.answer.shapes import condensed
from hoshikage.answer.stream import SSE, Warnings
from hoshikage.answer.unparsed import UNPARSED, object_of
from hoshikage.errors import HoshikageError
from hoshikage.http.error_response import message_of
from hoshikage.http.keys import REQUEST_ID
from hoshikage.messages import Language
from hoshikage.protocols.anthropic.messages_schema import MessagesBody
from hoshikage.tools import CallStart, Content, Delta, Reasoning

TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    501: "api_error",
    503: "overloaded_error",
}
"""Maps a status to Anthropic's type; `invalid_request_error` for the others."""


OVERFLOW: Final = "prompt is too long: {n_prompt_tokens} tokens > {n_ctx} maximum"
"""Anthropic words it so, and Claude Code and others read the numbers from it."""


def error_body(error: HoshikageError, language: Language) -> dict[str, Any]:
    kind = TYPES.get(error.status, "invalid_request_error")
    shown = {"type": kind, "message": message_of(error, language, OVERFLOW)}
    return {"type": "error", "error": shown, "request_id": REQUEST_ID.get()}


class MessageWriter:
    """Writes an answer as a message (a Writer of answer.stream). One content block at a time is open.

    A call is held back until it is known to be one, as SDKs fail at input that is no JSON, but where a client asks for
    pieces or a grammar makes sure of them.
    """

    content_type = SSE

    def __init__(self, body: MessagesBody, model: str, *, certain: bool) -> None:
        """`certain` says that a grammar holds the answer's form."""
        self.headers = {"request-id": REQUEST_ID.get()}
        self._eager = {tool.name for tool in body.tools or () if certain or tool.eager_input_streaming}
        self._shows_thoughts = body.shows_thoughts
        self._stops = body.stop_sequences or ()
        self._most = body.max_tokens or 0
        self._message: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(0, 0),
        }
        self._content: list[dict[str, Any]] = []
        self._indices = 0
        self._open: dict[str, Any] | None = None
        self._pieces: list[str] = []
        self._held = False

    def begin(self, prompt: int, prompt_tokens: int) -> bytes:
        self._message["usage"] = _usage(prompt_tokens, 0)
        return _event("message_start", message=self._message) + _event("ping")

    def say(
        self, choice: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int
    ) -> bytes:
        return b"".join(map(self._said, deltas))

    def end(self, choice: int, end: ParsedEnd, warnings: Warnings, finished: wire.Finished | None) -> bytes:
        assert finished is not None  # there is one choice
        frames = self._close()
        met = finished.stop if finished.reason == "stop" and finished.stop in self._stops else None
        usage = _usage(finished.prompt_tokens, finished.completion_tokens, finished.timings.cached_tokens)
        usage |= condensed(finished)
        stopped = {"stop_reason": self._reason(end, finished, met), "stop_sequence": met}
        extra = {"warnings": warnings} if warnings else {}
        self._message |= {"content": self._content, **stopped, "usage": usage, **extra}
        return frames + _event("message_delta", delta=stopped, usage=usage, **extra) + _event("message_stop")

    def close(self) -> bytes:
        return b""

    def fail(self, error: HoshikageError, language: Language) -> bytes:
        return b"event: error\ndata: " + msgspec.json.encode(error_body(error, language)) + b"\n\n"

    def whole(self) -> dict[str, Any]:
        return self._message

    def _reason(self, end: ParsedEnd, finished: wire.Finished, met: str | None) -> str:
        if end.reason == "tool_calls":
            return "tool_use"
        if finished.reason == "length":
            return "max_tokens" if finished.completion_tokens >= self._most else "model_context_window_exceeded"
        return "end_turn" if met is None else "stop_sequence"

    def _said(self, delta: Delta) -> bytes:
        if isinstance(delta, Content):
            return self._text("text", {"type": "text", "text": ""}, delta.text)
        if isinstance(delta, Reasoning):
            if not self._shows_thoughts:
                return b""
            return self._text("thinking", {"type": "thinking", "thinking": "", "signature": ""}, delta.text)
        if isinstance(delta, CallStart):
            block = {"type": "tool_use", "id": delta.id, "name": delta.name, "input": {}}
            return self._opened(block, held=delta.name not in self._eager)
        return self._piece(_input(delta.piece), delta.piece)

    def _text(self, kind: str, block: dict[str, Any], text: str) -> bytes:
        frames = b"" if self._open is not None and self._open["type"] == kind else self._opened(block)
        return frames + self._piece({"type": f"{kind}_delta", kind: text}, text)

    def _opened(self, block: dict[str, Any], *, held: bool = False) -> bytes:
        frames = self._close()
        self._open, self._pieces, self._held = block, [], held
        return frames + (b"" if held else self._start())

    def _start(self) -> bytes:
        return _event("content_block_start", index=self._indices, content_block=self._open)

    def _piece(self, delta: dict[str, Any], text: str) -> bytes:
        self._pieces.append(text)
        return b"" if self._held else self._delta(delta)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._indices, delta=delta)

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        text, kind = "".join(self._pieces), self._open["type"]
        field, value = ("input", object_of(text)) if kind == "tool_use" else (kind, text)
        self._content.append({**self._open, field: value})
        frames = self._start() + (self._delta(_input(_whole(text, value))) if text else b"") if self._held else b""
        frames += _event("content_block_stop", index=self._indices)
        self._open, self._held = None, False
        self._indices += 1
        return frames


def _input(piece: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": piece}


def _whole(text: str, value: Any) -> str:
    """Returns a held input as it is told: its own text, or that of the object around it."""
    return json.dumps(value, ensure_ascii=False) if UNPARSED in value else text


def _usage(prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> dict[str, int]:
    """Anthropic counts what was read from a cache apart."""
    return {
        "input_tokens": prompt_tokens - cached_tokens,
        "output_tokens": completion_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached_tokens,
    }


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode({"type": kind, **fields}) + b"\n\n"
