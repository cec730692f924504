"""Puts the tools of a chat into the request for the engine. Any thread; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from hoshikage.answer.output_parser import ParserSpec
from hoshikage.answer.schema.output import MAX_SCHEMA_BYTES
from hoshikage.answer.schema.tools import NO_PARAMETERS, FunctionSpec, TextFunction, Tool, ToolSelection
from hoshikage.errors import InvalidRequest
from hoshikage.http import ignored
from hoshikage.params import SCHEMA_MARK, ChatPrompt, GenerationRequest, Grammar, HeldCalls, Message, ThoughtBudget
from hoshikage.tools import ChatFormat
from hoshikage.tools.detect import EFFORTS
from hoshikage.tools.instruction import calls_as_text, instruction, results_as_text, with_instruction, write_tagged
from hoshikage.tools.known_formats import FORCED, GENERIC

if TYPE_CHECKING:
    from hoshikage.tools.layout import CallLayout, Node

EFFORT_NAMES: Final = {
    "thinking_effort": ("low", "medium", "high", "max"),
    "reasoning_strength": ("low", "medium", "high", "xhigh"),
}
"""Templates may call `reasoning_effort` by one of these names, and know these words for it."""
MAX_LAYOUT_BYTES: Final = 1_000_000
"""A layout may have this many bytes: those of some 200 tools with a dozen parameters each."""
ANY_OBJECT: Final[dict[str, Any]] = {"type": "object"}


def adapted(
    request: GenerationRequest, selection: ToolSelection, chat_format: ChatFormat, registered_stop: tuple[str, ...] = ()
) -> tuple[GenerationRequest, ParserSpec]:
    """Returns the request as this model's template and grammar need it, and how its answers are to be read.

    `registered_stop`: the model's own stop strings, which could stand in a forced call's arguments.
    Raises InvalidRequest where tools and a grammar cannot both be had.
    """
    schemas = {tool.function.name: tool.function.parameters or NO_PARAMETERS for tool in selection.tools}
    grammar = _grammar(request, selection)
    if grammar is None and selection.tools:
        _note_broken(selection)
    assert isinstance(request.prompt, ChatPrompt)
    prompt = _prompt(request.prompt, selection.tools, chat_format)
    thinks = grammar is None or _may_think(prompt, selection, chat_format)
    thoughts = _thinking_kwargs(prompt.template_kwargs, chat_format, not thinks)
    held = grammar is not None and not (thinks and thoughts["enable_thinking"])
    budget = _budget(thoughts, chat_format, grammar, held)
    thinking = None if held else chat_format.thinking
    if selection.required:
        parsing = ParserSpec(FORCED, schemas, thinking, selection.several)
    elif grammar is not None and (held or not chat_format.known.whole_answer):
        parsing = ParserSpec(GENERIC, schemas, thinking, selection.several)
    else:
        parsing = ParserSpec(chat_format.known, schemas, thinking, selection.several)
    return (
        replace(
            request,
            prompt=replace(prompt, template_kwargs=thoughts, lead=_lead(prompt, chat_format, held)),
            grammar=grammar,
            thoughts=budget,
            calls=None if grammar is not None else _calls(selection, chat_format, prompt),
            stop=tuple(stop for stop in request.stop if not (selection.required and stop in registered_stop)),
            special_text=() if held else parsing.special_text,
        ),
        parsing,
    )


def _note_broken(selection: ToolSelection) -> None:
    """Tells as ignored what is no schema, of tools of which no grammar is made; others are refused with their place."""
    from hoshikage.tools.broken_schema import broken_place

    for tool in selection.tools:
        function = tool.function
        if not function.strict and function.parameters:
            place = broken_place(function.parameters, f"tools.{function.name}")
            ignored.current().update([] if place is None else [place])


def _may_think(prompt: ChatPrompt, selection: ToolSelection, chat_format: ChatFormat) -> bool:
    """Returns whether an answer that a grammar holds has room for thoughts before it: a call that must be made has
    none, nor has an answer that has begun, and where an answer has frames, those of its own calls are others."""
    if selection.required or not prompt.add_generation_prompt:
        return False
    if chat_format.known.whole_answer and selection.tools:
        return False
    return (chat_format.form.own_thoughts or chat_format.thinking) is not None


def _calls(selection: ToolSelection, chat_format: ChatFormat, prompt: ChatPrompt) -> HeldCalls | None:
    """Makes what holds calls to their schemas where the model need not make any, and one of the tools is `strict`, or
    takes a text of a grammar."""
    texts = _text_functions(selection)
    strict = [tool.function.name for tool in selection.tools if tool.function.strict]
    if not strict and not texts:
        return None
    from hoshikage.tools import call_schema  # here, as the others below: a chat without tools needs none of it

    form, schemas = chat_format.form, _own_schemas(selection)
    header, held = call_schema.BARE.pattern, call_schema.by_name(schemas, selection.several)
    _check_size(len(msgspec.json.encode(held)))
    layout = None if form.layout is None else _laid_out(selection, form.layout)
    if layout is None and (form.held is None or form.layout or (texts and form.hold is call_schema.by_key)):
        ignored.current().update(f"tools.{name}.strict" for name in (*strict, *texts))
    elif layout is not None:
        assert form.held is not None
        header = f"{form.held.pattern}|{header}"
    elif not texts or form.hold is call_schema.by_name:  # a schema of all calls has no room for a grammar of one
        assert form.held is not None
        header, held = f"{form.held.pattern}|{header}", {**held, **form.hold(schemas, selection.several)}
    written = {name: msgspec.json.encode(schema).decode() for name, schema in held.items() if name not in texts}
    _check_size(sum(len(text.encode()) for text in written.values()))
    grammars = [Grammar("json_schema", text, "tools") for text in written.values()]
    grammars += [Grammar("gbnf", text, f"tools.{name}", tool=name) for name, text in texts.items()]
    named = [*zip((*written, *texts), grammars, strict=True)]
    if layout is not None:
        named.append(("", Grammar("layout", layout, "tools")))
    thoughts = _thoughts(None, chat_format) if prompt.add_generation_prompt else None
    return HeldCalls(header, tuple(named), thoughts)


def _laid_out(selection: ToolSelection, layout: CallLayout) -> str | None:
    """Returns the layout of calls of these functions; None where the format cannot write one of their names, or it is
    too large. Those that are held to less than they ask for are named as ignored."""
    from hoshikage.tools.texts import Unwritable

    functions = [tool.function for tool in selection.tools]
    schemas = _schemas(selection)
    held = {one.name for one in functions if one.strict or _has_text(one)}
    try:
        made, free = layout.of({name: schema if name in held else None for name, schema in schemas.items()})
    except Unwritable:
        return None
    text = msgspec.json.encode(made).decode()
    if len(text.encode()) > MAX_LAYOUT_BYTES:
        return None
    in_words = {one.name for one in functions if _has_text(one) and not _is_in_schema(schemas[one.name])}
    ignored.current().update(f"tools.{name}.strict" for name in {*free, *in_words})
    return text


def _has_text(function: FunctionSpec) -> bool:
    return isinstance(function, TextFunction)


def _text_functions(selection: ToolSelection) -> dict[str, str]:
    """Returns a GBNF of the arguments of those that take a text of a grammar."""
    functions = (tool.function for tool in selection.tools)
    return {one.name: one.arguments for one in functions if isinstance(one, TextFunction) and one.arguments}


def _own_schemas(selection: ToolSelection) -> dict[str, dict[str, Any]]:
    """Returns what calls that the model makes by itself are held to: nothing of a tool that does not ask for it, so
    that nothing of it can be refused, but that it is an object; of one that takes a text, that it is one."""
    return {
        name: schema if tool.function.strict or isinstance(tool.function, TextFunction) else ANY_OBJECT
        for tool, (name, schema) in zip(selection.tools, _schemas(selection).items(), strict=True)
    }


def _schemas(selection: ToolSelection) -> dict[str, dict[str, Any]]:
    """Returns the parameters of each function, told apart."""
    return {
        tool.function.name: _marked(
            tool.function.parameters or NO_PARAMETERS,
            f"tools.{tool.function.name}",
            strict=tool.function.strict is True,
        )
        for tool in selection.tools
    }


def _check_size(size: int) -> None:
    if size > MAX_SCHEMA_BYTES:
        raise InvalidRequest("http.text_bytes", param="tools", place="tools", limit=MAX_SCHEMA_BYTES)


def _grammar(request: GenerationRequest, selection: ToolSelection) -> Grammar | None:
    """Makes the grammar that forces a call, or leaves the choice between one and the request's own grammar."""
    grammar = request.grammar
    schemas = _schemas(selection)
    if not schemas or (grammar is None and not selection.required):
        return grammar
    param = "tools" if grammar is None else grammar.param
    if request.sampling.ignore_eos:
        raise InvalidRequest("http.formats_conflict", param="ignore_eos", names=f"{param}, ignore_eos")
    from hoshikage.tools import call_schema

    texts = _text_functions(selection)
    if selection.required and texts:
        return _forced(schemas, texts, call_schema.MAX_CALLS if selection.several else None)
    ignored.current().update(f"tools.{name}: grammar" for name in texts if not _is_in_schema(schemas[name]))
    if selection.required:
        made = call_schema.schema(schemas, several=selection.several)
    elif grammar is not None and grammar.kind == "json_schema":
        otherwise = _marked(json.loads(grammar.text), grammar.param, strict=grammar.strict)
        made = call_schema.schema(schemas, several=False, otherwise=otherwise)
    else:
        raise InvalidRequest("http.formats_conflict", param=param, names=f"{param}, tools")
    text = msgspec.json.encode(made).decode()
    _check_size(len(text.encode()))
    return Grammar("json_schema", text, param)


def _forced(schemas: Mapping[str, dict[str, Any]], texts: Mapping[str, str], maximum: int | None) -> Grammar:
    """Makes the grammar of calls that must be made, of functions some of which take a text of a grammar."""
    from hoshikage.tools import forced

    arguments: dict[str, Node] = {
        name: ("gbnf", texts[name], name) if name in texts else ("json", schema) for name, schema in schemas.items()
    }
    text = msgspec.json.encode(forced.layout(arguments, maximum)).decode()
    _check_size(sum(len(msgspec.json.encode(schema)) for name, schema in schemas.items() if name not in texts))
    return Grammar("layout", text, "tools")


def _is_in_schema(parameters: Mapping[str, Any]) -> bool:
    """Returns whether what describes a function's text is an expression, which a schema can hold."""
    return any("pattern" in one for one in parameters.get("properties", {}).values())


def _marked(schema: Mapping[str, Any], place: str, *, strict: bool) -> dict[str, Any]:
    """Returns the schema, told apart from those beside it in one grammar."""
    return {**(schema or {"type": "object"}), SCHEMA_MARK: {"place": place, "strict": strict}}


def _prompt(prompt: ChatPrompt, tools: tuple[Tool, ...], chat_format: ChatFormat) -> ChatPrompt:
    shown = tuple(tool.shown() for tool in tools)
    messages = tuple(map(_with_objects, prompt.messages))
    if chat_format.place == "nowhere":
        messages = results_as_text(calls_as_text(messages, write_tagged))
        return replace(prompt, messages=with_instruction(messages, instruction(shown)) if shown else messages)
    if not chat_format.writes_calls:
        messages = calls_as_text(messages, lambda calls: chat_format.form.write(calls))
    if chat_format.place == "variable":
        return replace(prompt, messages=messages, tools=shown)
    return replace(prompt, messages=_with_tools_in_system(messages, shown) if shown else messages)


def _with_objects(turn: Message) -> Message:
    """Returns the message with the arguments of its calls as objects, which templates write out as they like, where
    they are such."""
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


def _thinking_kwargs(fields: dict[str, Any], chat_format: ChatFormat, held: bool) -> dict[str, Any]:
    """Returns what templates read about thoughts, under all its names: on, unless the request or the model's settings
    say no.

    An answer that a grammar holds has no room for any.
    """
    off = fields.get("thinking") is False or fields.get("thinking_mode") == "disabled"
    kwargs = {"enable_thinking": not held and not off, **fields}
    kwargs.setdefault("thinking", kwargs["enable_thinking"])
    if kwargs["enable_thinking"] is False:
        kwargs.setdefault("thinking_budget", 0)
        kwargs.setdefault("thinking_mode", "disabled")
    if kwargs["enable_thinking"] is not False and not held:
        if "no_think" in chat_format.efforts:  # these do not think unless they are told to
            kwargs.setdefault("reasoning_effort", "high")
        if "reasoning_effort" in kwargs:
            word = str(kwargs["reasoning_effort"])
            kwargs = {**{name: _nearest(word, known) for name, known in EFFORT_NAMES.items()}, **kwargs}
    if chat_format.efforts and (held or kwargs["enable_thinking"] is False or "reasoning_effort" in kwargs):
        wanted = "none" if held or kwargs["enable_thinking"] is False else str(kwargs["reasoning_effort"])
        kwargs["reasoning_effort"] = _nearest(wanted, chat_format.efforts)
    if chat_format.known.efforts:
        effort = "none" if kwargs["enable_thinking"] is False and not held else kwargs.get("reasoning_effort")
        if effort is not None:
            kwargs["reasoning_effort"] = _nearest(effort, chat_format.known.efforts)
    return kwargs


def _nearest(effort: str, known: tuple[str, ...]) -> str:
    """Returns the word for this effort that a template knows; of two that are as near the lesser one."""
    if effort not in EFFORTS or effort in known:
        return effort
    return min(known, key=lambda word: abs(EFFORTS.index(word) - EFFORTS.index(effort)))


def _lead(prompt: ChatPrompt, chat_format: ChatFormat, held: bool) -> str:
    """Some models write what the user reads in a frame of its own; a grammar leaves no room to open it."""
    return chat_format.form.lead if held and prompt.add_generation_prompt else ""


def _budget(
    kwargs: Mapping[str, Any], chat_format: ChatFormat, grammar: Grammar | None, held: bool
) -> ThoughtBudget | None:
    """Returns the marks of the answer's thoughts and their bound in tokens. Returns None where neither a bound nor a
    grammar needs the thoughts found, or where the model's marks are not known."""
    budget = kwargs.get("thinking_budget")
    maximum = budget if type(budget) is int and budget > 0 else None
    if held or (maximum is None and grammar is None):
        return None
    form = chat_format.form
    if form.own_thoughts is None:
        return _thoughts(maximum, chat_format)
    opens, closes = form.own_thoughts.opens, form.own_thoughts.closes
    if grammar is None:  # behind thoughts that are cut off the model would think on
        return ThoughtBudget(maximum, opens, closes + form.after_thoughts)
    return ThoughtBudget(maximum, opens, closes, form.after_thoughts, always=True)


def _thoughts(maximum: int | None, chat_format: ChatFormat) -> ThoughtBudget | None:
    """Returns the marks of thoughts that are read apart from the answer; None where the model has none."""
    thinking = chat_format.thinking
    if thinking is None:
        return None
    return ThoughtBudget(maximum, thinking.opens, thinking.closes, chat_format.form.after_thoughts)
