"""Defines the fields of a request about tools: which functions there are, and which of them may or must be called.
Pure."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct

from hoshikage.errors import InvalidRequest
from hoshikage.frozen import Frozen

Word = Literal["none", "auto", "required"]
FormerWord = Literal["none", "auto"]
Mode = Literal["auto", "required"]
Kind = Literal["function"]
ChoiceKind = Literal["function", "allowed_tools"]
CHOICES: Final = {
    "tools[].type": get_args(Kind),
    "function_call": get_args(FormerWord),
    "tool_choice": get_args(Word),
    "tool_choice.type": get_args(ChoiceKind),
    "tool_choice.allowed_tools.mode": get_args(Mode),
    "tool_choice.allowed_tools.tools[].type": get_args(Kind),
}
NO_PARAMETERS: Final[dict[str, Any]] = {"type": "object", "properties": {}}
Name = Annotated[str, Meta(pattern="^[^\\x00-\\x1f\\x7f]{1,256}$")]


class FunctionSpec(Struct, frozen=True):
    """A FunctionSpec tells the model what it may call: a name, a description and parameters (a JSON schema)."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class TextFunction(FunctionSpec, frozen=True):
    """This is a function of one text; no request has it as such."""

    arguments: str = ""
    """`arguments` is a GBNF of its arguments, where a grammar describes the text."""


class Tool(Struct, frozen=True):
    """A tool is something that the client offers the model to call; functions are the only kind."""

    type: Kind
    function: FunctionSpec

    def shown(self) -> dict[str, Any]:
        """Returns the tool as chat templates expect it; they take for granted what a client may leave out."""
        function: dict[str, Any] = {
            "name": self.function.name,
            "description": self.function.description or "",
            "parameters": self.function.parameters or NO_PARAMETERS,
        }
        if self.function.strict is not None:
            function["strict"] = self.function.strict
        return {"type": "function", "function": function}


class FunctionName(Struct, frozen=True):
    """A FunctionName names one of the functions that the request offers."""

    name: str


class ToolName(Struct, frozen=True):
    """A ToolName names one of the tools that the request offers."""

    type: Kind
    function: FunctionName


class AllowedTools(Struct, frozen=True):
    """The model may choose among these of its tools alone."""

    mode: Mode
    tools: Annotated[list[ToolName], Meta(min_length=1, max_length=128)]


class ToolChoice(Struct, frozen=True):
    """A tool choice says which tool the model has to call, or among which ones it may choose."""

    type: ChoiceKind
    function: FunctionName | None = None
    allowed_tools: AllowedTools | None = None


Tools = Annotated[list[Tool], Meta(max_length=128)]


class ToolSelection(Frozen, frozen=True):
    """These are the functions that an answer may call."""

    tools: tuple[Tool, ...] = ()
    required: bool = False
    """`required` says whether it must call one."""
    several: bool = True
    """`several` says whether it may call more than one."""


def named_once(functions: list[FunctionSpec]) -> dict[str, FunctionSpec]:
    """Returns the functions by their names, as they stand in `functions`. Raises InvalidRequest for two of one name."""
    known: dict[str, FunctionSpec] = {}
    for index, function in enumerate(functions):
        if known.setdefault(function.name, function) is not function:
            place = f"functions[{index}].name"
            raise InvalidRequest("http.tool_twice", param=place, place=place, name=function.name)
    return known


def select(tools: list[Tool] | None, choice: Word | ToolChoice | None, parallel: bool | None) -> ToolSelection:
    """Raises InvalidRequest for a choice of what is not there, and for two functions of one name."""
    known: dict[str, Tool] = {}
    for index, tool in enumerate(tools or ()):
        if known.setdefault(tool.function.name, tool) is not tool:
            place = f"tools[{index}].function.name"
            raise InvalidRequest("http.tool_twice", param=place, place=place, name=tool.function.name)
    several = parallel is not False
    if isinstance(choice, ToolChoice):
        return _chosen(known, choice, several)
    if choice == "required" and not known:
        raise InvalidRequest("http.tool_choice_alone", param="tool_choice")
    if choice == "none":
        return ToolSelection()
    return ToolSelection(tuple(known.values()), required=choice == "required", several=several)


def _chosen(known: dict[str, Tool], choice: ToolChoice, several: bool) -> ToolSelection:
    if choice.type == "function":
        if choice.function is None:
            raise _missing("tool_choice.function")
        tool = _known(known, choice.function.name, "tool_choice.function.name")
        return ToolSelection((tool,), required=True, several=False)
    if choice.allowed_tools is None:
        raise _missing("tool_choice.allowed_tools")
    allowed = [
        _known(known, one.function.name, f"tool_choice.allowed_tools.tools[{index}].function.name")
        for index, one in enumerate(choice.allowed_tools.tools)
    ]
    return ToolSelection(
        tuple({tool.function.name: tool for tool in allowed}.values()),
        required=choice.allowed_tools.mode == "required",
        several=several,
    )


def _known(known: dict[str, Tool], name: str, place: str) -> Tool:
    if name not in known:
        raise InvalidRequest("http.tool_unknown", param=place, place=place, name=name[:64])
    return known[name]


def _missing(place: str) -> InvalidRequest:
    return InvalidRequest("http.field_missing", param=place, place=place)
