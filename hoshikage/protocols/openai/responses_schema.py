"""The body of POST /v1/responses, and the chat it stands for. Any thread; pure.

As in the chat's schema, a field works, or stands in WITHOUT_EFFECT with the reason, or in NEUTRAL with the values that
ask for nothing; any other value of those is refused by name. Fields that nobody documents are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct

from hoshikage.answer.schema import chat, sampling, tools
from hoshikage.answer.schema.chat import CalledFunction, ChatBody, ChatMessage, Effort, MetadataName, MetadataValue
from hoshikage.answer.schema.chat import ToolCall as ChatCall
from hoshikage.answer.schema.output import Format, NamedSchema, ResponseFormat, Schema
from hoshikage.answer.schema.sampling import SamplingFields
from hoshikage.answer.schema.tools import FunctionName, FunctionSpec, Mode, Name, Word
from hoshikage.answer.schema.validation import convert
from hoshikage.errors import InvalidRequest, ParameterUnsupported

MAX_TURNS: Final = 2048

Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
Level = Effort
Summary = Literal["auto", "concise", "detailed"]
LOGPROBS: Final = "message.output_text.logprobs"
CHOICES: Final = {
    "input[].role": ("user", "assistant", "system", "developer"),
    "include[]": get_args(Include),
    "reasoning.effort": get_args(Effort),
    "reasoning.summary": get_args(Summary),
    "text.format.type": get_args(Format),
    "text.verbosity": get_args(chat.Verbosity),
    "tool_choice": get_args(Word),
    "tool_choice.mode": get_args(Mode),
    "truncation": ("disabled",),
    "service_tier": get_args(chat.Tier),
    **sampling.CHOICES,
}


class Part(Struct, frozen=True):
    type: str
    text: str | None = None
    refusal: str | None = None


class Item(Struct, frozen=True):
    """Any input item that can be read; `type` says which of the fields it has."""

    type: str | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[Part] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[Part] | None = None
    summary: list[Part] | None = None


class Tool(Struct, frozen=True):
    type: str
    name: Name | None = None
    description: str | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class AllowedTool(Struct, frozen=True):
    type: str
    name: str | None = None


class ToolChoice(Struct, frozen=True):
    type: str
    name: str | None = None
    mode: Mode | None = None
    tools: Annotated[list[AllowedTool], Meta(min_length=1, max_length=128)] | None = None


class TextFormat(Struct, frozen=True):
    type: Format
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")] | None = None
    schema: Schema | None = None
    description: str | None = None
    strict: bool | None = None


class Text(Struct, frozen=True):
    format: TextFormat | None = None
    verbosity: chat.Verbosity | None = None


class Reasoning(Struct, frozen=True):
    effort: Level | None = None
    enabled: bool | None = None
    max_tokens: int | None = None
    summary: Summary | None = None


class StreamOptions(Struct, frozen=True):
    include_obfuscation: bool | None = None


class ResponsesBody(SamplingFields, frozen=True, kw_only=True):
    """One request as it came, types and bounds checked. None is absent."""

    model: Annotated[str, Meta(max_length=256)] | None = None
    input: str | Annotated[list[Item], Meta(min_length=1, max_length=MAX_TURNS)]
    instructions: str | None = None
    max_output_tokens: chat.TokenCount | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    include: Annotated[list[Include], Meta(max_length=16)] | None = None
    tools: Annotated[list[Tool], Meta(max_length=128)] | None = None
    tool_choice: Word | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    metadata: Annotated[dict[MetadataName, MetadataValue], Meta(max_length=16)] | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    chat_template_kwargs: Annotated[dict[str, Any], Meta(max_length=32)] | None = None
    service_tier: chat.Tier | None = None
    # WITHOUT_EFFECT
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    safety_identifier: str | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    # NEUTRAL
    background: bool | None = None
    context_management: list[Any] | None = None
    conversation: Any = None
    moderation: Any = None
    prompt: dict[str, Any] | None = None
    truncation: str | None = None

    @property
    def logprobs(self) -> bool:
        return LOGPROBS in (self.include or ())


WITHOUT_EFFECT: Final = {
    "include": "but for message.output_text.logprobs: it shows more of tools and secrets that are none here",
    "max_tool_calls": "bounds the calls of OpenAI's own tools, and there are none",
    "prompt_cache_key": "tells OpenAI's machines which of them has a prompt",
    "prompt_cache_retention": "as above",
    "prompt_cache_options": "as above",
    "reasoning.summary": "asks for a digest of thoughts that are not shown; here they are shown whole",
    "safety_identifier": "tells OpenAI's abuse watch who asks",
    "stream_options.include_obfuscation": "pads events against eavesdroppers on a network",
    "user": "as safety_identifier",
}
"""Field -> why a local server may accept it without doing anything for it."""

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "background": (None, False),
    "context_management": (None, []),
    "conversation": (None,),
    "moderation": (None,),
    "prompt": (None,),
    "truncation": (None, "disabled"),
}
"""Field -> the values that ask for nothing; any other is refused by name."""

RENAMED: Final = (
    (re.compile(r"^(tools\[\d+\]|tool_choice)\.function\b"), r"\1"),
    (re.compile(r"^tool_choice\.allowed_tools\b"), "tool_choice"),
    (re.compile(r"^(tool_choice\.tools\[\d+\])\.function\b"), r"\1"),
    (re.compile(r"^response_format\.json_schema\b"), "text.format"),
    (re.compile(r"^response_format\b"), "text.format"),
    (re.compile(r"^reasoning_effort$"), "reasoning.effort"),
    (re.compile(r"^messages$"), "input"),
)


def rename(place: str) -> str:
    """A chat body's field as this protocol calls it."""
    for pattern, name in RENAMED:
        place = pattern.sub(name, place)
    return place


def parse(tree: Any) -> ResponsesBody:
    """The typed body. Raises InvalidRequest, ParameterUnsupported."""
    body = convert(tree, ResponsesBody, CHOICES)
    for name, neutral in NEUTRAL.items():
        if getattr(body, name) not in neutral:
            raise _unsupported(name)
    return body


def to_chat(body: ResponsesBody, before: Sequence[ChatMessage]) -> ChatBody:
    """The chat that is asked for: `before` are the turns of the response that this one follows."""
    own = [ChatMessage("developer", body.instructions)] if body.instructions else []
    turns = [*own, *before, *turns_of(body.input)]
    if len(turns) > MAX_TURNS:
        raise InvalidRequest("http.wrong_length", param="input", place="input", relation=f"≤ {MAX_TURNS}")
    effort = body.reasoning.effort if body.reasoning else None
    return ChatBody(
        model=body.model,
        messages=turns,
        add_generation_prompt=True,  # an answer is a message of its own, whoever spoke last
        max_tokens=body.max_output_tokens,
        logprobs=body.logprobs,
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        response_format=_format(body.text.format) if body.text else None,
        verbosity=body.text.verbosity if body.text else None,
        reasoning_effort=effort,
        reasoning=_thoughts(body.reasoning),
        tools=[_tool(tool, f"tools[{index}]") for index, tool in enumerate(body.tools or ())],
        tool_choice=_choice(body.tool_choice) if isinstance(body.tool_choice, ToolChoice) else body.tool_choice,
        parallel_tool_calls=body.parallel_tool_calls,
        chat_template_kwargs=body.chat_template_kwargs,
        **{name: getattr(body, name) for name in SamplingFields.__struct_fields__},
    )


def turns_of(given: str | Sequence[Item]) -> list[ChatMessage]:
    """Input as turns of a chat. Raises InvalidRequest, ParameterUnsupported."""
    if isinstance(given, str):
        return [ChatMessage("user", given)]
    turns: list[ChatMessage] = []
    for index, item in enumerate(given):
        _add(turns, item, f"input[{index}]")
    return turns


def _add(turns: list[ChatMessage], item: Item, place: str) -> None:
    """What one assistant turn thinks, says and calls is several items here and one message of a chat."""
    kind = item.type or "message"
    if kind == "message":
        role = _needed(item.role, f"{place}.role")
        content = _text(_needed(item.content, f"{place}.content"), f"{place}.content")
        if role == "assistant":
            _join(turns, content=content)
        else:
            turns.append(ChatMessage(role, content))
    elif kind == "function_call":
        called = CalledFunction(_needed(item.name, f"{place}.name"), _needed(item.arguments, f"{place}.arguments"))
        _join(turns, call=ChatCall(_needed(item.call_id, f"{place}.call_id"), "function", called))
    elif kind == "function_call_output":
        content = _text(_needed(item.output, f"{place}.output"), f"{place}.output")
        turns.append(ChatMessage("tool", content, tool_call_id=_needed(item.call_id, f"{place}.call_id")))
    elif kind == "reasoning":
        parts = item.content if isinstance(item.content, list) and item.content else item.summary or []
        _join(turns, thoughts="".join(part.text or "" for part in parts))
    else:
        raise _unsupported(f"{place}.type")


def _join(
    turns: list[ChatMessage], *, content: str | None = None, thoughts: str | None = None, call: ChatCall | None = None
) -> None:
    """Adds to the assistant's turn if that goes on, else begins one. Thoughts and a second text begin a new one."""
    last = turns[-1] if turns and turns[-1].role == "assistant" else None
    open_ended = last is not None and thoughts is None and (content is None or not (last.content or last.tool_calls))
    if last is None or not open_ended:
        last = ChatMessage("assistant", "")
        turns.append(last)
    calls = [*(last.tool_calls or ()), *([call] if call else ())]
    text = content or last.content or (None if calls else "")  # templates tell a call alone from an empty text
    thoughts = thoughts or last.reasoning_content
    turns[-1] = ChatMessage("assistant", text, reasoning_content=thoughts, tool_calls=calls or None)


def _text(content: str | Sequence[Part], place: str) -> str:
    if isinstance(content, str):
        return content
    for index, part in enumerate(content):
        if part.type not in ("input_text", "output_text", "text", "refusal"):
            raise ParameterUnsupported(
                "http.part_unsupported", param=f"{place}[{index}].type", place=f"{place}[{index}].type"
            )
        field = "refusal" if part.type == "refusal" else "text"
        _needed(getattr(part, field), f"{place}[{index}].{field}")
    return "\n".join((part.refusal if part.type == "refusal" else part.text) or "" for part in content)


def _thoughts(asked: Reasoning | None) -> dict[str, Any] | None:
    """What OpenRouter adds to OpenAI's words."""
    return None if asked is None else {"enabled": asked.enabled, "max_tokens": asked.max_tokens}


def _format(asked: TextFormat | None) -> ResponseFormat | None:
    if asked is None:
        return None
    if asked.type != "json_schema":
        return ResponseFormat(asked.type)
    schema = _needed(asked.schema, "text.format.schema")
    return ResponseFormat("json_schema", NamedSchema(asked.name, asked.description, schema, asked.strict))


def _tool(tool: Tool, place: str) -> tools.Tool:
    if tool.type != "function":
        raise _unsupported(f"{place}.type")
    name = _needed(tool.name, f"{place}.name")
    return tools.Tool("function", FunctionSpec(name, tool.description, tool.parameters, tool.strict))


def _choice(choice: ToolChoice) -> tools.ToolChoice:
    if choice.type == "function":
        return tools.ToolChoice("function", FunctionName(_needed(choice.name, "tool_choice.name")))
    if choice.type != "allowed_tools":
        raise _unsupported("tool_choice.type")
    allowed = []
    for index, tool in enumerate(_needed(choice.tools, "tool_choice.tools")):
        place = f"tool_choice.tools[{index}]"
        if tool.type != "function":
            raise _unsupported(f"{place}.type")
        allowed.append(tools.ToolName("function", FunctionName(_needed(tool.name, f"{place}.name"))))
    return tools.ToolChoice("allowed_tools", allowed_tools=tools.AllowedTools(choice.mode or "auto", allowed))


def _needed(value: Any, place: str) -> Any:
    if value is None:
        raise InvalidRequest("http.field_missing", param=place, place=place)
    return value


def _unsupported(place: str) -> ParameterUnsupported:
    return ParameterUnsupported("http.unsupported_parameter", param=place, place=place)
