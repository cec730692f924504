"""Writes OpenAI's typed events of one response, and the response that they add up to. Any thread; pure."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from hoshikage import wire
from hoshikage.answer.output_parser import ParsedEnd
from hoshikage.answer.prepared import PreparedRequest
from hoshikage.answer.schema.turns import ChatMessage
from hoshikage.answer.shapes import Progress, ThoughtCount, condensed, logprobs_of
from hoshikage.answer.stream import SSE, Warnings
from hoshikage.errors import HoshikageError
from hoshikage.http.error_response import message_of
from hoshikage.http.keys import REQUEST_ID
from hoshikage.messages import Language
from hoshikage.protocols.openai.responses_items import Item, sealed, turns_of
from hoshikage.protocols.openai.responses_schema import ResponsesBody
from hoshikage.protocols.openai.responses_tools import ToolOrigin, text_of
from hoshikage.tools import CallArguments, CallStart, Content, Delta, Reasoning

Kind = Literal["reasoning", "message", "function_call", "custom_tool_call"]
PREFIXES: Final[dict[Kind, str]] = {
    "reasoning": "rs",
    "message": "msg",
    "function_call": "fc",
    "custom_tool_call": "ctc",
}
Status = Literal["in_progress", "completed", "incomplete", "failed"]


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(24)}"


@dataclass(slots=True)
class OpenItem:
    """This output item is being written."""

    kind: Kind
    id: str
    index: int
    texts: list[str]
    logprobs: list[dict[str, Any]]
    call: CallStart | None = None
    origin: ToolOrigin | None = None
    """`origin` is what the called function stands for, where the request has it."""
    seals: bool = False
    """`seals` tells whether thoughts are also told in a form that clients keep without looking at it."""

    def item(self, status: Status) -> dict[str, Any]:
        if self.call is not None:
            return self._call_item(self.call, status)
        content = [self.part()] if self.texts else []
        if self.kind == "reasoning":
            more = {"encrypted_content": sealed("".join(self.texts))} if self.seals and self.texts else {}
            item = {"id": self.id, "type": "reasoning", "status": status, "summary": [], "content": content}
            return {**item, **more}
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _call_item(self, call: CallStart, status: Status) -> dict[str, Any]:
        text, origin = "".join(self.texts), self.origin or ToolOrigin(call.name)
        said = {"input": text_of(text, cut=status != "completed")} if origin.custom else {"arguments": text}
        space = {} if origin.namespace is None else {"namespace": origin.namespace}
        named = {"call_id": call.id, "name": origin.name, **space}
        return {"id": self.id, "type": self.kind, "status": status, **named, **said}

    def part(self) -> dict[str, Any]:
        text = "".join(self.texts)
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": self.logprobs}


class ResponseWriter:
    """Writes an answer as a response (a Writer of answer.stream)."""

    content_type = SSE

    def __init__(self, body: ResponsesBody, prepared: PreparedRequest, *, stored: bool) -> None:
        self.headers = {"request-id": REQUEST_ID.get()}
        self.id = new_id("resp")
        self._created = int(time.time())
        self._offer = body.offer()
        self._seals = body.seals_thoughts
        self._fixed = _echoed(body, prepared, stored=stored)
        self._logprobs = body.logprobs
        self._sequence = 0
        self._indices = 0
        self._open: OpenItem | None = None
        self._output: list[dict[str, Any]] = []
        self._pending: list[dict[str, Any]] = []
        self._thoughts = ThoughtCount()
        self._progresses = bool(body.stream and body.return_progress)
        self._response: dict[str, Any] = {}

    def begin(self, prompt: int, prompt_tokens: int) -> bytes:
        response = self._made("in_progress")
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def progress(self, prompt: int, progress: Progress) -> bytes:
        """So much of the prompt is computed; told as llama-server does."""
        if not self._progresses:
            return b""
        response = {**self._made("in_progress"), "prompt_progress": progress.shown()}
        return self._event("response.in_progress", response=response)

    def say(
        self, choice: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int
    ) -> bytes:
        if self._logprobs:
            self._pending += logprobs_of(logprobs)["content"]
        self._thoughts.add(deltas, completion_tokens)
        return b"".join(map(self._said, deltas))

    def end(self, choice: int, end: ParsedEnd, warnings: Warnings, finished: wire.Finished | None) -> bytes:
        assert finished is not None  # there is one choice
        cut = finished.reason == "length"
        frames = self._close("incomplete" if cut else "completed")
        self._response = self._made("incomplete" if cut else "completed", finished)
        if warnings:
            self._response["warnings"] = warnings
        return frames + self._event(f"response.{self._response['status']}", response=self._response)

    def close(self) -> bytes:
        return b""

    def fail(self, error: HoshikageError, language: Language) -> bytes:
        words = message_of(error, language)
        event = self._event("error", code=error.code, message=words, param=error.param)
        self._response = {**self._made("failed"), "error": {"code": "server_error", "message": words}}
        return event + self._event("response.failed", response=self._response)

    def whole(self) -> dict[str, Any]:
        return self._response

    def turns(self) -> list[ChatMessage]:
        """The answer as the next request's conversation has it: as if its items had been sent back."""
        return turns_of(msgspec.convert(self._output, list[Item])) or [ChatMessage("assistant", "")]

    def _said(self, delta: Delta) -> bytes:
        if isinstance(delta, Content):
            return self._text("message", "response.output_text.delta", delta.text)
        if isinstance(delta, Reasoning):
            return self._text("reasoning", "response.reasoning_text.delta", delta.text)
        if isinstance(delta, CallStart):
            origin = self._offer.origin(delta.name)
            return self._opened("custom_tool_call" if origin and origin.custom else "function_call", delta)
        return self._piece(delta)

    def _text(self, kind: Kind, event: str, text: str) -> bytes:
        frames = b""
        if self._open is None or self._open.kind != kind:
            frames = self._opened(kind)
        assert self._open is not None
        more: dict[str, Any] = {}
        if kind == "message":
            self._open.logprobs += self._pending
            more, self._pending = {"logprobs": self._pending}, []
        self._open.texts.append(text)
        return frames + self._at(event, content_index=0, delta=text, **more)

    def _opened(self, kind: Kind, call: CallStart | None = None) -> bytes:
        frames = self._close("completed")
        origin = None if call is None else self._offer.origin(call.name)
        self._open = OpenItem(kind, new_id(PREFIXES[kind]), self._indices, [], [], call, origin, self._seals)
        self._indices += 1
        item = self._open.item("in_progress")
        frames += self._event("response.output_item.added", output_index=self._open.index, item=item)
        if call is None:
            frames += self._at("response.content_part.added", content_index=0, part=self._open.part())
        return frames

    def _piece(self, delta: CallArguments) -> bytes:
        assert self._open is not None
        self._open.texts.append(delta.piece)
        if self._open.kind == "custom_tool_call":
            return b""  # its text is known when the object around it has ended
        return self._at("response.function_call_arguments.delta", delta=delta.piece)

    def _close(self, status: Status) -> bytes:
        """Ends the item that is open, if one is."""
        if self._open is None:
            return b""
        item, text = self._open.item(status), "".join(self._open.texts)
        if self._open.kind == "function_call":
            frames = self._at("response.function_call_arguments.done", name=item["name"], arguments=text)
        elif self._open.kind == "custom_tool_call":
            frames = self._at("response.custom_tool_call_input.delta", delta=item["input"])
            frames += self._at("response.custom_tool_call_input.done", input=item["input"])
        else:
            part = self._open.part()
            more = {"logprobs": self._open.logprobs} if self._open.kind == "message" else {}
            name = "output_text" if self._open.kind == "message" else "reasoning_text"
            frames = self._at(f"response.{name}.done", content_index=0, text=text, **more)
            frames += self._at("response.content_part.done", content_index=0, part=part)
        frames += self._event("response.output_item.done", output_index=self._open.index, item=item)
        self._output.append(item)
        self._open = None
        return frames

    def _at(self, kind: str, **fields: Any) -> bytes:
        """Writes an event of the item that is open."""
        assert self._open is not None
        return self._event(kind, item_id=self._open.id, output_index=self._open.index, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        data = msgspec.json.encode({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    def _made(self, status: Status, finished: wire.Finished | None = None) -> dict[str, Any]:
        ended = finished is not None
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if ended and status == "incomplete" else None,
            **self._fixed,
            "output": list(self._output),
            "usage": None if finished is None else self._usage(finished),
        }

    def _usage(self, finished: wire.Finished) -> dict[str, Any]:
        return {
            "input_tokens": finished.prompt_tokens,
            "input_tokens_details": {
                "cached_tokens": finished.timings.cached_tokens,
                "cache_write_tokens": 0,
                **condensed(finished),
            },
            "output_tokens": finished.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": self._thoughts.tokens},
            "total_tokens": finished.prompt_tokens + finished.completion_tokens,
        }


def _echoed(body: ResponsesBody, prepared: PreparedRequest, *, stored: bool) -> dict[str, Any]:
    """Returns what a response repeats of its request, with what was taken where the request was silent."""
    text: dict[str, Any] = {"format": {"type": "text"}}
    if body.text is not None and body.text.format is not None:
        text["format"] = _given(body.text.format)
    if body.text is not None and body.text.verbosity is not None:
        text["verbosity"] = body.text.verbosity
    wanted = body.reasoning
    return {
        "model": prepared.spec.name,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": body.max_tool_calls,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "reasoning": {"effort": wanted.effort if wanted else None, "summary": wanted.summary if wanted else None},
        "background": False,
        "store": stored,
        "temperature": prepared.job.sampling.temperature,
        "presence_penalty": prepared.job.sampling.presence_penalty,
        "frequency_penalty": prepared.job.sampling.frequency_penalty,
        "top_p": prepared.job.sampling.top_p,
        "top_logprobs": body.top_logprobs or 0,
        "text": text,
        "tool_choice": "auto" if body.tool_choice is None else _given(body.tool_choice),
        "tools": [
            {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters,
             "strict": tool.strict} if tool.type == "function" else _given(tool)
            for tool in body.tools or ()
        ],
        "truncation": body.truncation or "disabled",
        "user": body.user,
        "safety_identifier": body.safety_identifier,
        "prompt_cache_key": body.prompt_cache_key,
        "service_tier": "default",
    }  # fmt: skip


def _given(value: Any) -> Any:
    """Returns the fields of a request's object that were given."""
    if isinstance(value, str):
        return value
    tree = msgspec.to_builtins(value)
    return {name: _without_none(field) for name, field in tree.items() if field is not None}


def _without_none(value: Any) -> Any:
    if isinstance(value, list):
        return [{name: one for name, one in item.items() if one is not None} for item in value]
    return value
