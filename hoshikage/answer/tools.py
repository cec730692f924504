"""Tools of a chat: into the request for the engine, and out of its answer's text. Any thread; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from hoshikage import wire
from hoshikage.answer.schema.output import MAX_SCHEMA_BYTES
from hoshikage.answer.schema.tools import NO_PARAMETERS, Selection, Tool
from hoshikage.errors import InvalidRequest
from hoshikage.params import ChatPrompt, GenerationRequest, Grammar, Message
from hoshikage.tools import (
    AnswerParser,
    CallArguments,
    CallBroken,
    CallStart,
    Content,
    Delta,
    Dialect,
    Format,
    Reasoning,
    Thinking,
    forced,
    generic,
    harmony,
)
from hoshikage.tools.calls import Schemas
from hoshikage.tools.instruction import calls_as_text, instruction, results_as_text, with_instruction, write_tagged

HARMONY_EFFORTS: Final = {"none": "low", "minimal": "low", "xhigh": "high"}
"""gpt-oss knows low, medium and high."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the answers to one request are to be read."""

    form: Format
    schemas: Schemas
    thinking: Thinking | None
    several: bool

    @property
    def plain(self) -> bool:
        """Whether an answer is text and nothing else."""
        return not self.schemas and self.thinking is None and not self.form.whole_answer

    @property
    def special_text(self) -> tuple[str, ...]:
        """The control tokens whose texts are needed to read an answer."""
        thoughts = () if self.thinking is None else (self.thinking.opens, self.thinking.closes)
        return (*thoughts, *(self.form.special_text if self.schemas or self.form.whole_answer else ()))


@dataclass(frozen=True, slots=True)
class End:
    """The end of one choice."""

    deltas: tuple[Delta, ...]
    reason: str
    parsed: bool
    """False where something looked like a call and was none."""


class Reader:
    """Reads one choice as it comes."""

    def __init__(self, reading: Reading, prompt_tail: str) -> None:
        self._several = reading.several
        self._broken = False
        self._parser = (
            None if reading.plain else AnswerParser(reading.form, reading.schemas, reading.thinking, prompt_tail)
        )

    def feed(self, text: str) -> list[Delta]:
        return [Content(text)] if self._parser is None else self._kept(self._parser.feed(text))

    def finish(self, reason: wire.FinishReason) -> End:
        if self._parser is None:
            return End((), reason, True)
        rest = self._parser.finish(cut=reason == "length")
        deltas = tuple(self._kept(rest.deltas))
        called = rest.calls > 0 and not self._broken and reason == "stop"
        return End(deltas, "tool_calls" if called else reason, rest.parsed)

    def _kept(self, deltas: tuple[Delta, ...] | list[Delta]) -> list[Delta]:
        """Without the calls after the first, where one is all that may be."""
        self._broken = self._broken or any(isinstance(delta, CallBroken) for delta in deltas)
        if self._several:
            return list(deltas)
        return [delta for delta in deltas if not isinstance(delta, CallStart | CallArguments) or not delta.index]


def adapted(
    request: GenerationRequest, selection: Selection, dialect: Dialect, registered_stop: tuple[str, ...] = ()
) -> tuple[GenerationRequest, Reading]:
    """The request as this model's template and grammar need it, and how its answers are to be read.

    `registered_stop`: the model's own stop strings, which could stand in a forced call's arguments.
    Raises InvalidRequest where tools and a grammar cannot both be had.
    """
    schemas = {tool.function.name: tool.function.parameters or NO_PARAMETERS for tool in selection.tools}
    grammar = _grammar(request, selection, schemas)
    if selection.required:
        reading = Reading(forced.FORMAT, schemas, None, selection.several)
    elif grammar is not None:
        reading = Reading(generic.FORMAT, schemas, None, selection.several)
    else:
        reading = Reading(dialect.form, schemas, dialect.thinking, selection.several)
    assert isinstance(request.prompt, ChatPrompt)
    prompt = _prompt(request.prompt, selection.tools, dialect)
    thoughts = _thinking_kwargs(prompt.template_kwargs, dialect, grammar is not None)
    return (
        replace(
            request,
            prompt=replace(prompt, template_kwargs=thoughts),
            grammar=grammar,
            stop=tuple(stop for stop in request.stop if not (selection.required and stop in registered_stop)),
            special_text=() if grammar is not None else reading.special_text,
        ),
        reading,
    )


def message(deltas: list[Delta]) -> dict[str, Any]:
    """An assistant's message, as OpenAI has it, of all that one choice said."""
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
        elif isinstance(delta, CallBroken):
            calls.pop(delta.index, None)
    for index, call in calls.items():
        call["function"]["arguments"] = "".join(pieces[index])
    content = "".join(texts)
    return {
        "role": "assistant",
        "content": None if calls and not content else content,
        **({"reasoning_content": "".join(thoughts)} if thoughts else {}),
        **({"tool_calls": list(calls.values())} if calls else {}),
    }


def delta_fields(delta: Delta) -> dict[str, Any] | None:
    """A stream's `delta`; None for what a stream does not say."""
    if isinstance(delta, Content):
        return {"content": delta.text}
    if isinstance(delta, Reasoning):
        return {"reasoning_content": delta.text}
    if isinstance(delta, CallStart):
        function = {"name": delta.name, "arguments": ""}
        return {"tool_calls": [{"index": delta.index, "id": delta.id, "type": "function", "function": function}]}
    if isinstance(delta, CallArguments):
        return {"tool_calls": [{"index": delta.index, "function": {"arguments": delta.piece}}]}
    return None


def _grammar(request: GenerationRequest, selection: Selection, schemas: Schemas) -> Grammar | None:
    """What forces a call, or leaves the choice between one and what the request holds its answer to."""
    asked = request.grammar
    if not schemas or (asked is None and not selection.required):
        return asked
    param = "tools" if asked is None else asked.param
    if request.sampling.ignore_eos:
        raise InvalidRequest("http.formats_conflict", param="ignore_eos", names=f"{param}, ignore_eos")
    if selection.required:
        made = forced.schema(schemas, several=selection.several)
    elif asked is not None and asked.kind == "json_schema":
        made = forced.schema(schemas, several=False, otherwise=json.loads(asked.text))
    else:
        raise InvalidRequest("http.formats_conflict", param=param, names=f"{param}, tools")
    text = msgspec.json.encode(made).decode()
    if len(text.encode()) > MAX_SCHEMA_BYTES:
        raise InvalidRequest("http.text_bytes", param="tools", place="tools", limit=MAX_SCHEMA_BYTES)
    return Grammar("json_schema", text, param)


def _prompt(prompt: ChatPrompt, tools: tuple[Tool, ...], dialect: Dialect) -> ChatPrompt:
    shown = tuple(tool.shown() for tool in tools)
    messages = tuple(map(_with_objects, prompt.messages))
    if dialect.place == "nowhere":
        messages = results_as_text(calls_as_text(messages, write_tagged))
        return replace(prompt, messages=with_instruction(messages, instruction(shown)) if shown else messages)
    if not dialect.writes_calls:
        messages = calls_as_text(messages, dialect.form.write)
    if dialect.place == "variable":
        return replace(prompt, messages=messages, tools=shown)
    return replace(prompt, messages=_with_tools_in_system(messages, shown) if shown else messages)


def _with_objects(turn: Message) -> Message:
    """The arguments of a message's calls as objects, which templates write out as they like, where they are such."""
    calls = turn.extra.get("tool_calls")
    if not calls:
        return turn
    return replace(turn, extra={**turn.extra, "tool_calls": [_with_object(call) for call in calls]})


def _with_object(call: dict[str, Any]) -> dict[str, Any]:
    try:
        arguments = json.loads(call["function"]["arguments"] or "{}")
    except (ValueError, RecursionError):
        return call
    return {**call, "function": {**call["function"], "arguments": arguments}} if isinstance(arguments, dict) else call


def _with_tools_in_system(messages: tuple[Message, ...], tools: tuple[dict[str, Any], ...]) -> tuple[Message, ...]:
    functions = json.dumps([tool["function"] for tool in tools], ensure_ascii=False)
    first, rest = (messages[0], messages[1:]) if messages[0].role == "system" else (Message("system", ""), messages)
    return (replace(first, extra={**first.extra, "tools": functions}), *rest)


def _thinking_kwargs(given: dict[str, Any], dialect: Dialect, held: bool) -> dict[str, Any]:
    """What templates read about thoughts, under all its names. An answer that a grammar holds has no room for any."""
    kwargs = {"enable_thinking": False, **given} if held and dialect.thinking is not None else dict(given)
    if "enable_thinking" in kwargs:
        kwargs.setdefault("thinking", kwargs["enable_thinking"])
        if kwargs["enable_thinking"] is False:
            kwargs.setdefault("thinking_budget", 0)
    if dialect.form is harmony.FORMAT and kwargs.get("reasoning_effort") in HARMONY_EFFORTS:
        kwargs["reasoning_effort"] = HARMONY_EFFORTS[kwargs["reasoning_effort"]]
    return kwargs
