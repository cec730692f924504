"""Writes Ollama's lines of one answer, the answer that they add up to, and its errors. Any thread; pure but for the
clocks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Literal

import msgspec

from hoshikage import wire
from hoshikage.answer.output_parser import ParsedEnd
from hoshikage.answer.shapes import condensed, logprobs_of
from hoshikage.answer.stream import Warnings
from hoshikage.answer.unparsed import object_of
from hoshikage.errors import BodyEmpty, HoshikageError, ModelNotFound
from hoshikage.http.error_response import message_of
from hoshikage.http.keys import REQUEST_ID
from hoshikage.messages import Language
from hoshikage.tools import CallArguments, CallStart, Content, Delta

Kind = Literal["chat", "generate"]


def error_body(error: HoshikageError, language: Language) -> dict[str, Any]:
    words = message_of(error, language)
    if isinstance(error, BodyEmpty):
        words = f"missing request body: {words}"
    if isinstance(error, ModelNotFound) and "model" in error.details:
        words = f"model '{error.details['model']}' not found: {words}"  # programs know it by these words
    return {"error": words}


def now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


class LineWriter:
    """Writes an answer line by line (a Writer of answer.stream). A call is told whole, as Ollama does."""

    content_type = "application/x-ndjson"

    def __init__(self, kind: Kind, model: str, *, shows_thoughts: bool) -> None:
        """`model` is the name as the request has it."""
        self.headers = {"request-id": REQUEST_ID.get()}
        self._kind = kind
        self._model = model
        self._shows_thoughts = shows_thoughts
        self._began = time.monotonic()
        self._call: CallStart | None = None
        self._pieces: list[str] = []
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._logprobs: list[dict[str, Any]] = []
        self._pending: list[dict[str, Any]] = []
        self._context: list[int] = []
        """These are the tokens of prompt and answer; none where nobody tells them."""
        self._end: dict[str, Any] = {}

    def take_prompt(self, tokens: Sequence[int]) -> None:
        """Takes the prompt's tokens; the answer's follow."""
        self._context = list(tokens)

    def take_tokens(self, choice: int, tokens: Sequence[int]) -> None:
        """Takes the tokens of the next text to be said."""
        self._context += tokens

    def begin(self, prompt: int, prompt_tokens: int) -> bytes:
        return b""

    def say(
        self, choice: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int
    ) -> bytes:
        self._pending += logprobs_of(logprobs)["content"]
        if self._context:
            self._context += [one.token.id for one in logprobs]
        return b"".join(map(self._said, deltas))

    def end(self, choice: int, end: ParsedEnd, warnings: Warnings, finished: wire.Finished | None) -> bytes:
        assert finished is not None  # there is one choice
        frames = self._called()
        total = int((time.monotonic() - self._began) * 1e9)
        prompt, answer = int(finished.timings.prompt_ms * 1e6), int(finished.timings.decode_ms * 1e6)
        self._end = {
            "done": True,
            "done_reason": "length" if finished.reason == "length" else "stop",
            "total_duration": total,
            "load_duration": int(finished.timings.load_ms * 1e6),
            "prompt_eval_count": finished.prompt_tokens,
            "prompt_eval_duration": prompt,
            "eval_count": finished.completion_tokens,
            "eval_duration": answer,
            **({"context": [*self._context, *finished.tokens]} if self._tells_context else {}),
            **condensed(finished),
            **({"warnings": warnings} if warnings else {}),
        }
        return frames + self._line(self._fields(""), self._end)

    def close(self) -> bytes:
        return b""

    def fail(self, error: HoshikageError, language: Language) -> bytes:
        return msgspec.json.encode(error_body(error, language)) + b"\n"

    def whole(self) -> dict[str, Any]:
        fields = self._fields("".join(self._texts), "".join(self._thoughts), self._calls)
        likely = {"logprobs": self._logprobs} if self._logprobs else {}
        return {"model": self._model, "created_at": now(), **fields, **likely, **self._end}

    @property
    def _tells_context(self) -> bool:
        return bool(self._context) and self._kind == "generate"

    def _said(self, delta: Delta) -> bytes:
        if isinstance(delta, CallArguments):
            self._pieces.append(delta.piece)
            return b""
        if isinstance(delta, CallStart):
            frames = self._called()
            self._call, self._pieces = delta, []
            return frames
        if isinstance(delta, Content):
            frames = self._called()
            self._texts.append(delta.text)
            return frames + self._line(self._fields(delta.text), self._likely())
        return self._thought(delta.text)

    def _thought(self, text: str) -> bytes:
        if not self._shows_thoughts:
            return b""
        self._thoughts.append(text)
        return self._line(self._fields("", text), self._likely())

    def _called(self) -> bytes:
        """Returns the call that is whole, if there is one."""
        if self._call is None:
            return b""
        function = {"index": self._call.index, "name": self._call.name, "arguments": object_of("".join(self._pieces))}
        call = {"id": self._call.id, "function": function}
        self._call = None
        self._calls.append(call)
        return self._line(self._fields("", calls=[call]), self._likely())

    def _likely(self) -> dict[str, Any]:
        likely, self._pending = self._pending, []
        self._logprobs += likely
        return {"logprobs": likely} if likely else {}

    def _fields(self, text: str, thoughts: str = "", calls: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        more: dict[str, Any] = {"thinking": thoughts} if thoughts else {}
        if self._kind == "generate":
            return {"response": text, **more}
        if calls:
            more["tool_calls"] = calls
        return {"message": {"role": "assistant", "content": text, **more}}

    def _line(self, fields: dict[str, Any], more: dict[str, Any]) -> bytes:
        return msgspec.json.encode({"model": self._model, "created_at": now(), **fields, "done": False, **more}) + b"\n"
