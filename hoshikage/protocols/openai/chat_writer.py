"""Writes OpenAI's chunks of a chat's answer, and the answer that they add up to. Any thread; pure but for the clock."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hoshikage import wire
from hoshikage.answer.output_parser import ParsedEnd
from hoshikage.answer.schema.chat import ChatBody
from hoshikage.answer.shapes import (
    DONE,
    FINGERPRINT,
    Pacing,
    Progress,
    ThoughtCount,
    frame,
    logprobs_of,
    timings_of,
    usage,
)
from hoshikage.answer.stream import SSE, Warnings
from hoshikage.errors import HoshikageError
from hoshikage.http import error_response
from hoshikage.messages import Language
from hoshikage.tools import CallArguments, CallStart, Content, Delta, Reasoning

AFTER: Final = b'},"finish_reason":null}]}\n\n'
"""This follows the text in the chunk of a piece of text."""
_encode: Final = msgspec.json.Encoder().encode


class _Choice:
    """This is one choice while it comes."""

    def __init__(self, index: int, start: bytes) -> None:
        self.index = index
        self.before = start + b',"choices":[{"index":%d,"delta":{"content":' % index
        """These bytes stand before the text in the chunk of a piece of text."""
        self.begun = False
        """`begun` tells whether its first chunk has been made."""
        self.deltas: list[Delta] = []
        self.logprobs: list[wire.Chosen] = []
        """No chunk has told these tokens yet; those of a whole answer are all here."""
        self.end: ParsedEnd | None = None


class ChatWriter:
    """This is the Writer of /v1/chat/completions (answer.stream). A piece of text is constant bytes around the encoded
    text."""

    content_type = SSE
    headers: Mapping[str, str] = {}

    def __init__(self, body: ChatBody, model: str) -> None:
        self._body = body
        self._stream = bool(body.stream)
        self._fields = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion.chunk" if self._stream else "chat.completion",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": FINGERPRINT,
            **({} if body.service_tier is None else {"service_tier": "default"}),
        }
        self._start = b"data: " + _encode(self._fields)[:-1]  # without the closing brace
        self._former = bool(body.functions)
        """Whether calls are told as they were before there were tools."""
        self._timed = body.timings is not False
        self._pace = Pacing() if body.timings_per_token else None
        self._prompt_tokens = 0
        self._thoughts = ThoughtCount()
        self._choices: dict[int, _Choice] = {}
        self._warnings: Warnings = []
        self._finished: wire.Finished | None = None

    def take_library(self, library: str) -> None:
        self._fields["system_fingerprint"] = f"{FINGERPRINT}-{library}"
        self._start = b"data: " + _encode(self._fields)[:-1]

    def begin(self, prompt: int, prompt_tokens: int) -> bytes:
        self._prompt_tokens = prompt_tokens
        return b""

    def progress(self, prompt: int, progress: Progress) -> bytes:
        """So much of the prompt is computed."""
        if not (self._stream and self._body.return_progress):
            return b""
        lead = _choice(0, {"role": "assistant", "content": None}, None)
        return self._chunk([lead], prompt_progress=progress.shown())

    def say(
        self, choice: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int
    ) -> bytes:
        one = self._choices.get(choice) or self._add(choice)
        self._thoughts.add(deltas, completion_tokens)
        if not self._stream:
            one.deltas += deltas
            one.logprobs += logprobs
            return b""
        if self._pace is not None:
            one.logprobs += logprobs
            frames = self._deltas(one, deltas, timings=self._pace.timings(self._prompt_tokens, completion_tokens))
            return self._lead(one) + frames if frames else b""
        if len(deltas) == 1 and isinstance(delta := deltas[0], Content) and not one.logprobs:
            return self._lead(one) + self._text(one, delta.text, logprobs)
        one.logprobs += logprobs  # of tokens that nothing has come of yet; they wait for the next that something does
        frames = self._deltas(one, deltas)
        return self._lead(one) + frames if frames else b""

    def end(self, choice: int, end: ParsedEnd, warnings: Warnings, finished: wire.Finished | None) -> bytes:
        one = self._choices.get(choice) or self._add(choice)
        one.end = end
        self._finished = finished
        if not self._stream:
            self._warnings = self._warnings or warnings
            return b""
        more: dict[str, Any] = {}
        if finished is not None and self._timed and not self._body.include_usage:
            more["timings"] = timings_of(finished)
        if warnings:
            more["warnings"] = warnings
        return self._lead(one) + self._chunk([_choice(choice, {}, self._reason(end))], **more)

    def close(self) -> bytes:
        assert self._finished is not None
        if not self._body.include_usage:
            return DONE
        more = {"timings": timings_of(self._finished)} if self._timed else {}
        return self._chunk([], usage=usage(self._finished, self._thoughts.tokens), **more) + DONE

    def fail(self, error: HoshikageError, language: Language) -> bytes:
        return frame(error_response.body(error, language))

    def whole(self) -> dict[str, Any]:
        assert self._finished is not None
        return {
            **self._fields,
            "choices": [self._message(one) for _, one in sorted(self._choices.items())],
            "usage": usage(self._finished, self._thoughts.tokens),
            **({"timings": timings_of(self._finished)} if self._timed else {}),
            **({"warnings": self._warnings} if self._warnings else {}),
        }

    def _add(self, index: int) -> _Choice:
        one = self._choices[index] = _Choice(index, self._start)
        return one

    def _lead(self, one: _Choice) -> bytes:
        if one.begun:
            return b""
        one.begun = True
        return self._chunk([_choice(one.index, {"role": "assistant", "content": None}, None)])

    def _text(self, one: _Choice, text: str, logprobs: Sequence[wire.Chosen]) -> bytes:
        if not logprobs:
            return one.before + _encode(text) + AFTER
        return one.before + _encode(text) + b'},"logprobs":' + _encode(logprobs_of(logprobs)) + AFTER[1:]

    def _deltas(self, one: _Choice, deltas: Sequence[Delta], **more: Any) -> bytes:
        """Makes a chunk for each delta; the first has the log probabilities of all."""
        frames: list[bytes] = []
        for fields in map(former_fields if self._former else delta_fields, deltas):
            choice = _choice(one.index, fields, None)
            if one.logprobs:
                choice["logprobs"] = logprobs_of(one.logprobs)
                one.logprobs = []
            frames.append(self._chunk([choice], **more))
        return b"".join(frames)

    def _message(self, one: _Choice) -> dict[str, Any]:
        said = message(one.deltas)
        return {
            "index": one.index,
            "message": in_former_way(said) if self._former else said,
            "logprobs": logprobs_of(one.logprobs) if self._body.logprobs else None,
            "finish_reason": "stop" if one.end is None else self._reason(one.end),
        }

    def _reason(self, end: ParsedEnd) -> str:
        return "function_call" if self._former and end.reason == "tool_calls" else end.reason

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return frame({**self._fields, "choices": choices, **more})


def _choice(index: int, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish_reason}


def message(deltas: list[Delta]) -> dict[str, Any]:
    """Makes an assistant's message, as OpenAI has it, of all that one choice said."""
    texts = [delta.text for delta in deltas if isinstance(delta, Content)]
    thoughts = [delta.text for delta in deltas if isinstance(delta, Reasoning)]
    calls: dict[int, dict[str, Any]] = {}
    pieces: dict[int, list[str]] = {}
    for delta in deltas:
        if isinstance(delta, CallStart):
            calls[delta.index] = {"id": delta.id, "type": "function", "function": {"name": delta.name}}
            pieces[delta.index] = []
        elif isinstance(delta, CallArguments):
            pieces[delta.index].append(delta.piece)
    for index, call in calls.items():
        call["function"]["arguments"] = "".join(pieces[index])
    content = "".join(texts)
    return {
        "role": "assistant",
        "content": None if calls and not content else content,
        "refusal": None,
        **({"reasoning_content": "".join(thoughts)} if thoughts else {}),
        **({"tool_calls": list(calls.values())} if calls else {}),
    }


def delta_fields(delta: Delta) -> dict[str, Any]:
    """Returns a stream's `delta`."""
    if isinstance(delta, Content):
        return {"content": delta.text}
    if isinstance(delta, Reasoning):
        return {"reasoning_content": delta.text}
    if isinstance(delta, CallStart):
        function = {"name": delta.name, "arguments": ""}
        return {"tool_calls": [{"index": delta.index, "id": delta.id, "type": "function", "function": function}]}
    return {"tool_calls": [{"index": delta.index, "function": {"arguments": delta.piece}}]}


def in_former_way(said: dict[str, Any]) -> dict[str, Any]:
    """Returns the message of an answer that calls one function at most, as it was before there were tools."""
    rest = {name: value for name, value in said.items() if name != "tool_calls"}
    return {**rest, **({"function_call": said["tool_calls"][0]["function"]} if "tool_calls" in said else {})}


def former_fields(delta: Delta) -> dict[str, Any]:
    """Returns a stream's `delta` in the former way, by `function_call`."""
    if isinstance(delta, CallStart):
        return {"function_call": {"name": delta.name, "arguments": ""}}
    return {"function_call": {"arguments": delta.piece}} if isinstance(delta, CallArguments) else delta_fields(delta)
