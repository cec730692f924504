"""Tools of a Responses request: functions, texts in place of functions, functions in namespaces. Any thread; pure.

A model calls functions by one name and with one object. A custom tool is offered as a function of one text, a namespace
as the functions in it; what comes back is told as the kind it was asked for. Tools that OpenAI itself would carry out
cannot be offered: they are left out and named as ignored, unless the request insists on one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from hoshikage.answer.schema import tools
from hoshikage.answer.schema.output import MAX_GRAMMAR_BYTES, Schema
from hoshikage.answer.schema.tools import FunctionSpec, Name, TextFunction
from hoshikage.errors import InvalidRequest
from hoshikage.tools import lark
from hoshikage.tools.expression import Unsupported
from hoshikage.tools.json_text import LONE_SURROGATE

BARE: Final = "functions"
"""The functions of this namespace keep their names: models know it as that of all functions."""
BETWEEN: Final = "__"
REGEX: Final = "regex"
LARK: Final = "lark"
TEXT: Final = "input"
"""A custom tool has this one parameter."""
BEGUN: Final = re.compile(rf'\s*\{{\s*"{TEXT}"\s*:\s*("(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}))*)')
"""This is the head of such a tool's arguments, and of its text as much as has come in whole signs."""
HALF_SIGN: Final = re.compile("[\ud800-\udbff]\\Z")


class Format(Struct, frozen=True):
    """A custom tool's input has to be of this form."""

    type: str
    syntax: str | None = None
    definition: str | None = None


class ResponsesTool(Struct, frozen=True):
    """A client offers it to the model."""

    type: str
    name: Name | None = None
    description: str | None = None
    parameters: Schema | None = None
    strict: bool | None = None
    format: Format | None = None
    tools: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class ToolOrigin:
    """A function that the model may call stands for this."""

    name: str
    namespace: str | None = None
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """These are the functions of a request."""

    functions: tuple[tools.Tool, ...]
    origins: Mapping[str, ToolOrigin]
    """`origins` maps the name of a function to what it stands for."""
    left_out: tuple[str, ...]
    """`left_out` has the places and kinds of those that cannot be offered, as `tools[4]: web_search`."""
    grammars: tuple[str, ...] = ()
    """`grammars` has the places and syntaxes of grammars that are told in words alone, as `tools[2].format: lark`."""

    def origin(self, name: str) -> ToolOrigin | None:
        """Returns what is meant by the name that a model calls: models forget a namespace, or write it with a dot.

        None for a name of nothing that is offered, or of several things.
        """
        if name in self.origins:
            return self.origins[name]
        meant = [one for one in self.origins.values() if name in (one.name, f"{one.namespace}.{one.name}")]
        return meant[0] if len(meant) == 1 else None


def flat_name(name: str, namespace: str | None) -> str:
    """Returns the name under which the model knows a function."""
    return name if namespace in (None, BARE) else f"{namespace}{BETWEEN}{name}"


def offer(places: Iterable[tuple[str, ResponsesTool]]) -> Offer:
    """Collects the functions of these tools; `places` has the place of each with its tool. Raises InvalidRequest for a
    function without a name."""
    functions: list[tools.Tool] = []
    origins: dict[str, ToolOrigin] = {}
    left_out: list[str] = []
    grammars: list[str] = []
    for place, tool, namespace in _each(places, None):
        if tool.type not in ("function", "custom"):
            left_out.append(f"{place}: {tool.type}")
            continue
        if tool.name is None:
            raise InvalidRequest("http.field_missing", param=f"{place}.name", place=f"{place}.name")
        custom = tool.type == "custom"
        text = _gbnf(tool.format, place) if custom else None
        if custom and text is None and tool.format is not None and tool.format.definition:
            grammars.append(f"{place}.format: {tool.format.syntax or 'grammar'}")
        name = flat_name(tool.name, namespace)
        origins[name] = ToolOrigin(tool.name, namespace, custom)
        parameters = _of_text(None if text is None else tool.format) if custom else tool.parameters
        description = _described(tool) if custom else tool.description
        function = FunctionSpec(name, description, parameters, tool.strict)
        if custom:
            function = TextFunction(name, description, parameters, tool.strict, text or "")
        functions.append(tools.Tool("function", function))
    return Offer(tuple(functions), origins, tuple(left_out), tuple(grammars))


def _each(
    places: Iterable[tuple[str, ResponsesTool]], namespace: str | None
) -> Iterator[tuple[str, ResponsesTool, str | None]]:
    for place, tool in places:
        if tool.type == "namespace" and tool.tools is not None:
            inner = ((f"{place}.tools[{at}]", tool_of(one)) for at, one in enumerate(tool.tools))
            yield from _each(inner, tool.name)
        else:
            yield place, tool, namespace


def tool_of(value: Mapping[str, Any]) -> ResponsesTool:
    """Makes a tool of one that stands inside another or in the input, of which only what is known is looked at."""

    def known(name: str, kind: type[Any]) -> Any:
        return value[name] if isinstance(value.get(name), kind) else None

    form = known("format", dict)
    return ResponsesTool(
        type=str(value.get("type")),
        name=known("name", str),
        description=known("description", str),
        parameters=known("parameters", dict),
        strict=known("strict", bool),
        format=Format(*(str(form[name]) if name in form else None for name in ("type", "syntax", "definition")))  # type: ignore[arg-type]
        if form
        else None,
        tools=known("tools", list),
    )


def _gbnf(form: Format | None, place: str) -> str | None:
    """Returns the grammar of a tool's arguments, whose text has this form; None where it has no grammar, or one that
    cannot be enforced.

    Raises InvalidRequest for one that is too large.
    """
    if form is None or not form.definition:
        return None
    if len(form.definition.encode()) > MAX_GRAMMAR_BYTES:
        place = f"{place}.format.definition"
        raise InvalidRequest("http.text_bytes", param=place, place=place, limit=MAX_GRAMMAR_BYTES)
    try:
        if form.syntax == REGEX:
            return lark.arguments(TEXT, lark.of_expression(form.definition))
        return lark.arguments(TEXT, lark.to_gbnf(form.definition)) if form.syntax == LARK else None
    except Unsupported:
        return None


def _of_text(form: Format | None) -> Schema:
    text: Schema = {"type": "string"}
    if form is not None and form.syntax == REGEX and form.definition:
        text["pattern"] = f"^(?:{form.definition})$"
    return {"type": "object", "properties": {TEXT: text}, "required": [TEXT], "additionalProperties": False}


def _described(tool: ResponsesTool) -> str:
    words = tool.description or ""
    if tool.format is None or not tool.format.definition:
        return words
    return f"{words}\n\nThe text must match this {tool.format.syntax} grammar:\n{tool.format.definition}".strip()


def text_of(arguments: str, *, cut: bool = False) -> str:
    """Returns the text that a custom tool was called with; the arguments as they stand where they are none of its own.

    `cut`: the answer may have ended within them; then the text as far as it has come, without half an escape.
    """
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return _begun(arguments) if cut else arguments
    is_own = isinstance(value, dict) and isinstance(value.get(TEXT), str)
    return LONE_SURROGATE.sub("\ufffd", value[TEXT]) if is_own else arguments


def _begun(arguments: str) -> str:
    """Returns the text of arguments that are not whole."""
    if json.dumps({TEXT: ""}, separators=(",", ":"))[:-2].startswith("".join(arguments.split())):
        return ""
    met = BEGUN.match(arguments)
    if met is None:
        return arguments
    text = str(json.loads(f'{met[1]}"', strict=False))
    whole = text if arguments.startswith('"', met.end()) else HALF_SIGN.sub("", text)
    return LONE_SURROGATE.sub("\ufffd", whole)


def arguments_of(text: str) -> str:
    """Returns the arguments of a custom tool that is called with this text, from which `text_of` reads it."""
    return json.dumps({TEXT: text}, ensure_ascii=False)
