"""Defines the body of POST /v1/messages, and the chat that it stands for. Any thread; pure.

As in the chat's schema, a field works, or stands in WITHOUT_EFFECT with the reason, or in NEUTRAL with the values that
ask for nothing; any other value of those is refused by name. Fields that nobody documents are ignored.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct

from hoshikage.answer.schema import sampling, tools
from hoshikage.answer.schema.chat import ChatBody
from hoshikage.answer.schema.memory import MemoryFields
from hoshikage.answer.schema.output import NamedSchema, ResponseFormat, Schema
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.sampling import SamplingFields
from hoshikage.answer.schema.spelled import texts_as_parts
from hoshikage.answer.schema.tools import FunctionName
from hoshikage.answer.schema.turns import ChatMessage
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.schema.values import MAX_STOPS, Stop, TokenCount
from hoshikage.errors import ParameterUnsupported
from hoshikage.params import Overflow
from hoshikage.protocols.anthropic.blocks import Block, add_user, assistant, needed, referenced, text_of
from hoshikage.protocols.anthropic.tools import AnthropicTool, functions

MAX_TURNS: Final = 2048
BILLING: Final = "x-anthropic-billing-header:"
Role = Literal["user", "assistant", "system"]
Choice = Literal["auto", "any", "tool", "none"]
ThinkingKind = Literal["enabled", "disabled", "adaptive"]
Effort = Literal["low", "medium", "high", "xhigh", "max"]
Tier = Literal["auto", "standard_only"]
CHOICES: Final = {
    "messages[].role": get_args(Role),
    "tool_choice.type": get_args(Choice),
    "thinking.type": get_args(ThinkingKind),
    "output_config.effort": get_args(Effort),
    "output_config.format.type": ("json_schema",),
    "output_format.type": ("json_schema",),
    "service_tier": get_args(Tier),
    **sampling.CHOICES,
}


class AnthropicMessage(Struct, frozen=True):
    """One turn of a conversation, as Anthropic's clients send it."""

    role: Role
    content: str | list[Block]


class AnthropicToolChoice(Struct, frozen=True):
    """A tool choice says which tool the model has to call."""

    type: Choice
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Struct, frozen=True):
    """`thinking` says whether the model thinks first, and how long."""

    type: ThinkingKind
    budget_tokens: Annotated[int, Meta(ge=1)] | None = None
    display: str | None = None


class OutputFormat(Struct, frozen=True):
    """The answer has to fit this schema."""

    type: Literal["json_schema"]
    schema: Schema


class OutputConfig(Struct, frozen=True):
    """`output_config` says how much effort an answer takes, and which form it has."""

    effort: Effort | None = None
    format: OutputFormat | None = None


class MessagesBody(SamplingFields, frozen=True, kw_only=True):
    """One request as it came, types and bounds checked. None is absent."""

    model: Annotated[str, Meta(max_length=256)] | None = None
    messages: Annotated[list[AnthropicMessage], Meta(min_length=1, max_length=MAX_TURNS)]
    max_tokens: TokenCount | None = None
    system: str | list[Block] | None = None
    stop_sequences: Annotated[list[Stop], Meta(max_length=MAX_STOPS)] | None = None
    stream: bool | None = None
    tools: Annotated[list[AnthropicTool], Meta(max_length=128)] | None = None
    tool_choice: AnthropicToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    """`output_format` is the former place of `output_config.format`."""
    memory: MemoryFields | None = None
    context_overflow: Overflow | None = None
    # WITHOUT_EFFECT
    cache_control: dict[str, Any] | None = None
    context_management: dict[str, Any] | None = None
    diagnostics: dict[str, Any] | None = None
    inference_geo: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: Tier | None = None
    speed: str | None = None
    # NEUTRAL
    container: Any = None
    mcp_servers: list[Any] | None = None

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
    "speed": "as service_tier; an answer comes as fast as it can",
    "messages[].content[].signature": "proves that thoughts were made by Anthropic",
}
"""Maps a field to the reason why a local server may accept it without doing anything for it."""

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "container": (None,),
    "mcp_servers": (None, []),
}
"""Maps a field to the values that ask for nothing; any other is refused by name."""

BODY: Final = RequestBody(MessagesBody, WITHOUT_EFFECT, NEUTRAL, plain_texts="messages")

RENAMED: Final = (
    (re.compile(r"^(tools\[\d+\]|tool_choice)\.function\b"), r"\1"),
    (re.compile(r"^response_format\.json_schema\.schema\b"), "output_config.format.schema"),
    (re.compile(r"^reasoning_effort$"), "output_config.effort"),
    (re.compile(r"^stop\b"), "stop_sequences"),
)


def rename(place: str) -> str:
    """Returns a chat body's field as this protocol calls it."""
    for pattern, name in RENAMED:
        place = pattern.sub(name, place)
    return place


def parse(tree: Any) -> MessagesBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest, ParameterUnsupported."""
    texts_as_parts(tree, "messages")
    body = convert(tree, MessagesBody, CHOICES)
    for name, neutral in NEUTRAL.items():
        if getattr(body, name) not in neutral:
            raise _unsupported(name)
    return body


def to_chat(body: MessagesBody) -> ChatBody:
    """Makes the chat that is asked for. Raises InvalidRequest, ParameterUnsupported."""
    system = _system(body.system)
    turns = [ChatMessage("system", system)] if system else []
    named: set[str] = set()
    newest = max((index for index, message in enumerate(body.messages) if message.role == "user"), default=-1)
    for index, message in enumerate(body.messages):
        _add(turns, message, f"messages[{index}].content", is_newest=index == newest)
        named |= referenced(message.content) if isinstance(message.content, list) else set()
    choice = body.tool_choice
    config = body.output_config or OutputConfig()
    form = config.format or body.output_format
    kwargs: dict[str, Any] = {"enable_thinking": body.thinks}
    if body.thinks and body.thinking is not None and body.thinking.budget_tokens is not None:
        kwargs["thinking_budget"] = body.thinking.budget_tokens
    return ChatBody(
        model=body.model,
        messages=turns,
        max_tokens=body.max_tokens,
        stop=list(body.stop_sequences) if body.stop_sequences else None,
        response_format=None if form is None else ResponseFormat("json_schema", NamedSchema(schema=form.schema)),
        reasoning_effort="xhigh" if config.effort == "max" else config.effort,
        tools=functions(body.tools or [], named, None if choice is None else choice.name),
        tool_choice=None if choice is None else _choice(choice),
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        chat_template_kwargs=kwargs,
        memory=body.memory,
        context_overflow=body.context_overflow,
        **{name: getattr(body, name) for name in SamplingFields.__struct_fields__},
    )


def _add(turns: list[ChatMessage], message: AnthropicMessage, place: str, *, is_newest: bool) -> None:
    if isinstance(message.content, str):
        turns.append(ChatMessage(message.role, message.content))
    elif message.role == "assistant":
        turns.append(assistant(message.content, place))
    else:
        add_user(turns, message.role, message.content, place, is_newest=is_newest)


def _system(system: str | list[Block] | None) -> str:
    """Claude Code's first block tells who is billed and changes with every session: no model needs it."""
    blocks = [Block("text", text=system)] if isinstance(system, str) else system or []
    texts = [text_of(block, f"system[{index}]") for index, block in enumerate(blocks)]
    return "\n".join(text for text in texts if not text.startswith(BILLING))


def _choice(choice: AnthropicToolChoice) -> tools.Word | tools.ToolChoice:
    if choice.type == "tool":
        return tools.ToolChoice("function", FunctionName(needed(choice.name, "tool_choice.name")))
    return "required" if choice.type == "any" else choice.type


def _unsupported(place: str) -> ParameterUnsupported:
    return ParameterUnsupported("http.unsupported_parameter", param=place, place=place)
