"""The body of POST /v1/messages, and the chat it stands for. Any thread; pure.

As in the chat's schema, a field works, or stands in WITHOUT_EFFECT with the reason, or in NEUTRAL with the values that
ask for nothing; any other value of those is refused by name. Fields that nobody documents are ignored.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from hoshikage.answer.schema import chat, sampling, tools
from hoshikage.answer.schema.chat import CalledFunction, ChatBody, ChatMessage, StopText
from hoshikage.answer.schema.chat import ToolCall as ChatCall
from hoshikage.answer.schema.output import NamedSchema, ResponseFormat, Schema
from hoshikage.answer.schema.sampling import SamplingFields
from hoshikage.answer.schema.tools import FunctionName, FunctionSpec
from hoshikage.answer.schema.validation import convert
from hoshikage.errors import InvalidRequest, ParameterUnsupported

MAX_TURNS: Final = 2048
MAX_STOPS: Final = 16
Role = Literal["user", "assistant", "system"]
Choice = Literal["auto", "any", "tool", "none"]
ThinkingKind = Literal["enabled", "disabled", "adaptive"]
Display = Literal["summarized", "omitted"]
Effort = Literal["low", "medium", "high", "xhigh", "max"]
Tier = Literal["auto", "standard_only"]
CHOICES: Final = {
    "messages[].role": get_args(Role),
    "tool_choice.type": get_args(Choice),
    "thinking.type": get_args(ThinkingKind),
    "thinking.display": get_args(Display),
    "output_config.effort": get_args(Effort),
    "output_config.format.type": ("json_schema",),
    "service_tier": get_args(Tier),
    **sampling.CHOICES,
}


class Block(Struct, frozen=True):
    """Any content block that can be read; `type` says which of the fields it has."""

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | list[Block] | None = None
    is_error: bool | None = None


class Message(Struct, frozen=True):
    role: Role
    content: str | list[Block]


class Tool(Struct, frozen=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_.-]{1,128}$")]
    type: str | None = None
    description: str | None = None
    input_schema: Schema | None = None
    eager_input_streaming: bool | None = None
    """A call's input comes in pieces, before it is known to be one; else whole."""
    strict: bool | None = None


class ToolChoice(Struct, frozen=True):
    type: Choice
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Struct, frozen=True):
    type: ThinkingKind
    budget_tokens: Annotated[int, Meta(ge=1)] | None = None
    display: Display | None = None


class OutputFormat(Struct, frozen=True):
    type: Literal["json_schema"]
    schema: Schema


class OutputConfig(Struct, frozen=True):
    effort: Effort | None = None
    format: OutputFormat | None = None


class MessagesBody(SamplingFields, frozen=True, kw_only=True):
    """One request as it came, types and bounds checked. None is absent."""

    model: Annotated[str, Meta(max_length=256)] | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_TURNS)]
    max_tokens: chat.TokenCount | None = None
    """To count, none is needed."""
    system: str | list[Block] | None = None
    stop_sequences: Annotated[list[StopText], Meta(max_length=MAX_STOPS)] | None = None
    stream: bool | None = None
    tools: Annotated[list[Tool], Meta(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    # WITHOUT_EFFECT
    cache_control: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None
    diagnostics: dict[str, Any] | None = None
    inference_geo: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: Tier | None = None
    # NEUTRAL
    container: Any = None
    mcp_servers: list[Any] | None = None
    speed: str | None = None

    @property
    def shows_thoughts(self) -> bool:
        """Clients that did not ask for thoughts take the first block for the answer."""
        return self.thinks and self.thinking is not None and self.thinking.display != "omitted"

    @property
    def thinks(self) -> bool:
        return self.thinking is not None and self.thinking.type != "disabled"


WITHOUT_EFFECT: Final = {
    "cache_control": "marks what to keep between requests; nothing is kept",
    "context_management": "drops old results as a prompt grows; one over the context is refused with its size",
    "diagnostics": "tells of the cache, and there is none",
    "inference_geo": "says in which country to compute; it is this one",
    "metadata": "tells Anthropic's abuse watch who asks",
    "service_tier": "chooses among Anthropic's prices",
    "messages[].content[].signature": "proves that thoughts were made by Anthropic",
}
"""Field -> why a local server may accept it without doing anything for it."""

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "container": (None,),
    "mcp_servers": (None, []),
    "speed": (None, "standard"),
}
"""Field -> the values that ask for nothing; any other is refused by name."""

RENAMED: Final = (
    (re.compile(r"^(tools\[\d+\]|tool_choice)\.function\b"), r"\1"),
    (re.compile(r"^response_format\.json_schema\.schema\b"), "output_config.format.schema"),
    (re.compile(r"^reasoning_effort$"), "output_config.effort"),
    (re.compile(r"^stop\b"), "stop_sequences"),
)


def rename(place: str) -> str:
    """A chat body's field as this protocol calls it."""
    for pattern, name in RENAMED:
        place = pattern.sub(name, place)
    return place


def parse(tree: Any, *, counting: bool = False) -> MessagesBody:
    """The typed body. Raises InvalidRequest, ParameterUnsupported."""
    body = convert(tree, MessagesBody, CHOICES)
    for name, neutral in NEUTRAL.items():
        if getattr(body, name) not in neutral:
            raise _unsupported(name)
    if not counting:
        _needed(body.max_tokens, "max_tokens")
    return body


def to_chat(body: MessagesBody) -> ChatBody:
    """The chat that is asked for. Raises InvalidRequest, ParameterUnsupported."""
    turns = [] if not body.system else [ChatMessage("system", _text(body.system, "system"))]
    for index, message in enumerate(body.messages):
        _add(turns, message, f"messages[{index}].content")
    choice = body.tool_choice
    config = body.output_config or OutputConfig()
    kwargs: dict[str, Any] = {"enable_thinking": body.thinks}
    if body.thinks and body.thinking is not None and body.thinking.budget_tokens is not None:
        kwargs["thinking_budget"] = body.thinking.budget_tokens
    return ChatBody(
        model=body.model,
        messages=turns,
        max_tokens=body.max_tokens,
        stop=list(body.stop_sequences) if body.stop_sequences else None,
        response_format=None
        if config.format is None
        else ResponseFormat("json_schema", NamedSchema(schema=config.format.schema)),
        reasoning_effort="xhigh" if config.effort == "max" else config.effort,
        tools=[_tool(tool, f"tools[{index}]") for index, tool in enumerate(body.tools or ())],
        tool_choice=None if choice is None else _choice(choice),
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        chat_template_kwargs=kwargs,
        **{name: getattr(body, name) for name in SamplingFields.__struct_fields__},
    )


def _add(turns: list[ChatMessage], message: Message, place: str) -> None:
    if isinstance(message.content, str):
        turns.append(ChatMessage(message.role, message.content))
    elif message.role == "assistant":
        turns.append(_assistant(message.content, place))
    else:
        texts: list[str] = []
        for index, block in enumerate(message.content):
            if block.type == "tool_result" and message.role == "user":
                _flush(turns, message.role, texts)
                turns.append(_result(block, f"{place}[{index}]"))
            else:
                texts.append(_text([block], place, index))
        _flush(turns, message.role, texts)


def _flush(turns: list[ChatMessage], role: Role, texts: list[str]) -> None:
    if texts:
        turns.append(ChatMessage(role, "\n".join(texts)))
        texts.clear()


def _result(block: Block, place: str) -> ChatMessage:
    text = _text(block.content or "", f"{place}.content")
    shown = f"Error: {text}" if block.is_error else text  # templates know no other way to tell it
    return ChatMessage("tool", shown, tool_call_id=_needed(block.tool_use_id, f"{place}.tool_use_id"))


def _assistant(blocks: list[Block], place: str) -> ChatMessage:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ChatCall] = []
    for index, block in enumerate(blocks):
        at = f"{place}[{index}]"
        if block.type == "thinking":
            thoughts.append(_needed(block.thinking, f"{at}.thinking"))
        elif block.type == "tool_use":
            arguments = msgspec.json.encode(_needed(block.input, f"{at}.input")).decode()
            called = CalledFunction(_needed(block.name, f"{at}.name"), arguments)
            calls.append(ChatCall(_needed(block.id, f"{at}.id"), "function", called))
        elif block.type != "redacted_thinking":  # sealed for Anthropic's eyes
            texts.append(_text([block], place, index))
    content = "\n".join(texts) or (None if calls else "")
    return ChatMessage("assistant", content, reasoning_content="\n".join(thoughts) or None, tool_calls=calls or None)


def _text(content: str | list[Block], place: str, first: int = 0) -> str:
    if isinstance(content, str):
        return content
    for index, block in enumerate(content, start=first):
        if block.type != "text":
            raise ParameterUnsupported(
                "http.part_unsupported", param=f"{place}[{index}].type", place=f"{place}[{index}].type"
            )
        _needed(block.text, f"{place}[{index}].text")
    return "\n".join(block.text or "" for block in content)


def _tool(tool: Tool, place: str) -> tools.Tool:
    if tool.type not in (None, "custom"):
        raise _unsupported(f"{place}.type")
    schema = _needed(tool.input_schema, f"{place}.input_schema")
    return tools.Tool("function", FunctionSpec(tool.name, tool.description, schema, tool.strict))


def _choice(choice: ToolChoice) -> tools.Word | tools.ToolChoice:
    if choice.type == "tool":
        return tools.ToolChoice("function", FunctionName(_needed(choice.name, "tool_choice.name")))
    return "required" if choice.type == "any" else choice.type


def _needed(value: Any, place: str) -> Any:
    if value is None:
        raise InvalidRequest("http.field_missing", param=place, place=place)
    return value


def _unsupported(place: str) -> ParameterUnsupported:
    return ParameterUnsupported("http.unsupported_parameter", param=place, place=place)
