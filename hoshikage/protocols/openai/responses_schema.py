"""Defines the body of POST /v1/responses, and the chat that it stands for. Any thread; pure.

As in the chat's schema, a field works, or stands in WITHOUT_EFFECT with the reason, or in NEUTRAL with the values that
ask for nothing; any other value of those is refused by name. Fields that nobody documents are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct
from msgspec.structs import replace

from hoshikage.answer.schema import chat, sampling, tools
from hoshikage.answer.schema.chat import ChatBody, Effort, MetadataName, MetadataValue
from hoshikage.answer.schema.media import settled
from hoshikage.answer.schema.memory import MemoryFields
from hoshikage.answer.schema.output import Format, NamedSchema, ResponseFormat, Schema
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.sampling import SamplingFields
from hoshikage.answer.schema.spelled import flat_functions, texts_as_parts
from hoshikage.answer.schema.tools import FunctionName, Mode, Word
from hoshikage.answer.schema.turns import ChatMessage
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.schema.values import TokenCount, Ttl
from hoshikage.errors import InvalidRequest, ParameterUnsupported
from hoshikage.http.ignored import note
from hoshikage.params import Overflow
from hoshikage.protocols.openai.responses_items import KINDS, Item, needed, readable, turns_of
from hoshikage.protocols.openai.responses_tools import Offer, ResponsesTool, offer, tool_of

MAX_TURNS: Final = 2048
EMPTY: Final = frozenset({"input", "previous_response_id"})
"""An empty text and null are none in these fields."""

LOGPROBS: Final = "message.output_text.logprobs"
ENCRYPTED: Final = "reasoning.encrypted_content"
CHOICES: Final = {
    "input[].role": ("user", "assistant", "system", "developer"),
    "reasoning.effort": get_args(Effort),
    "text.format.type": get_args(Format),
    "text.verbosity": get_args(chat.Verbosity),
    "tool_choice": get_args(Word),
    "tool_choice.mode": get_args(Mode),
    "truncation": ("auto", "disabled"),
    **sampling.CHOICES,
}


class AllowedTool(Struct, frozen=True):
    """An allowed tool is one that the model may choose."""

    type: str
    name: str | None = None


class ResponsesToolChoice(Struct, frozen=True):
    """A tool choice says which tool the model has to call, or may choose among."""

    type: str
    name: str | None = None
    mode: Mode | None = None
    tools: Annotated[list[AllowedTool], Meta(min_length=1, max_length=128)] | None = None


class TextFormat(Struct, frozen=True):
    """The answer's text has to be of this form."""

    type: Format
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")] | None = None
    schema: Schema | None = None
    description: str | None = None
    strict: bool | None = None


class TextOptions(Struct, frozen=True):
    """`text` says what form and length the answer's text has."""

    format: TextFormat | None = None
    verbosity: chat.Verbosity | None = None


class ReasoningOptions(Struct, frozen=True):
    """`reasoning` says whether and how much the model thinks."""

    effort: Effort | None = None
    enabled: bool | None = None
    max_tokens: int | None = None
    summary: str | None = None


class ResponseStreamOptions(Struct, frozen=True):
    """`stream_options` says what a stream tells beside its text."""

    include_obfuscation: bool | None = None


class ResponsesBody(SamplingFields, frozen=True, kw_only=True):
    """One request as it came, types and bounds checked. None is absent."""

    model: Annotated[str, Meta(max_length=256)] | None = None
    input: str | Annotated[list[Item], Meta(max_length=MAX_TURNS)] = ""
    instructions: str | None = None
    max_output_tokens: TokenCount | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    include: Annotated[list[str], Meta(max_length=64)] | None = None
    tools: Annotated[list[ResponsesTool], Meta(max_length=128)] | None = None
    tool_choice: Word | ResponsesToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    metadata: Annotated[dict[MetadataName, MetadataValue], Meta(max_length=16)] | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    chat_template_kwargs: Annotated[dict[str, Any], Meta(max_length=32)] | None = None
    service_tier: str | None = None
    return_progress: bool | None = None
    ttl: Ttl | None = None
    memory: MemoryFields | None = None
    context_overflow: Overflow | None = None
    # WITHOUT_EFFECT
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    safety_identifier: str | None = None
    stream_options: ResponseStreamOptions | None = None
    user: str | None = None
    truncation: Literal["auto", "disabled"] | None = None
    # NEUTRAL
    background: bool | None = None
    context_management: list[Any] | None = None
    conversation: Any = None
    moderation: Any = None
    prompt: dict[str, Any] | None = None

    @property
    def logprobs(self) -> bool:
        return LOGPROBS in (self.include or ())

    @property
    def seals_thoughts(self) -> bool:
        return ENCRYPTED in (self.include or ())

    def offer(self) -> Offer:
        """Collects the functions that the model may call. Raises InvalidRequest."""
        places = [(f"tools[{at}]", tool) for at, tool in enumerate(self.tools or ())]
        for at, item in enumerate(self.input if isinstance(self.input, list) else ()):
            if item.type == "additional_tools":
                inner = enumerate(item.tools or ())
                places += [(f"input[{at}].tools[{number}]", tool_of(one)) for number, one in inner]
        return offer(places)


WITHOUT_EFFECT: Final = {
    "max_tool_calls": "bounds the calls of OpenAI's own tools, and there are none",
    "prompt_cache_key": "tells OpenAI's machines which of them has a prompt",
    "prompt_cache_retention": "as above",
    "prompt_cache_options": "as above",
    "reasoning.summary": "asks for a digest of thoughts that are not shown; here they are shown whole",
    "safety_identifier": "tells OpenAI's abuse watch who asks",
    "stream_options.include_obfuscation": "pads events against eavesdroppers on a network",
    "user": "as safety_identifier",
}
"""Maps a field to the reason why a local server may accept it without doing anything for it."""

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "background": (None, False),
    "context_management": (None, []),
    "conversation": (None,),
    "moderation": (None,),
    "prompt": (None,),
}
"""Maps a field to the values that ask for nothing; any other is refused by name."""

BODY: Final = RequestBody(ResponsesBody, WITHOUT_EFFECT, NEUTRAL, open_lists={"input": KINDS}, plain_texts="input")

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
    """Returns a chat body's field as this protocol calls it."""
    for pattern, name in RENAMED:
        place = pattern.sub(name, place)
    return place


def parse(tree: Any) -> ResponsesBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest, ParameterUnsupported."""
    texts_as_parts(tree, "input", "input_text")
    flat_functions(tree)
    if isinstance(tree, dict):
        tree = {name: value for name, value in tree.items() if name not in EMPTY or value not in (None, "")}
    if isinstance(tree, dict) and isinstance(tree.get("input"), list):
        tree = {**tree, "input": [readable(item) for item in tree["input"]]}
    body = convert(tree, ResponsesBody, CHOICES)
    for name, neutral in NEUTRAL.items():
        if getattr(body, name) not in neutral:
            raise _unsupported(name)
    for word in body.include or ():
        if word not in (LOGPROBS, ENCRYPTED):
            note(f"include: {word}")
    return body


def to_chat(body: ResponsesBody, before: Sequence[ChatMessage]) -> ChatBody:
    """Makes the chat that is asked for: `before` are the turns of the response that this one follows."""
    own = [ChatMessage("developer", body.instructions)] if body.instructions else []
    turns = [*own, *(replace(turn, content=settled(turn.content)) for turn in before), *turns_of(body.input)]
    if not turns:  # a client looks whether the model is there
        turns = [ChatMessage("user", "")]
    if len(turns) > MAX_TURNS:
        raise InvalidRequest("http.wrong_length", param="input", place="input", relation=f"≤ {MAX_TURNS}")
    effort = body.reasoning.effort if body.reasoning else None
    offered = body.offer()
    for place in offered.left_out:
        note(place)
    for place in offered.grammars:
        note(place)
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
        tools=list(offered.functions),
        tool_choice=_choice(body.tool_choice, offered)
        if isinstance(body.tool_choice, ResponsesToolChoice)
        else body.tool_choice,
        parallel_tool_calls=body.parallel_tool_calls,
        chat_template_kwargs=body.chat_template_kwargs,
        memory=body.memory,
        context_overflow=body.context_overflow or ("shift" if body.truncation == "auto" else None),
        **{name: getattr(body, name) for name in SamplingFields.__struct_fields__},
    )


def _thoughts(reasoning: ReasoningOptions | None) -> dict[str, Any] | None:
    """Reads what OpenRouter adds to OpenAI's words."""
    return None if reasoning is None else {"enabled": reasoning.enabled, "max_tokens": reasoning.max_tokens}


def _format(text_format: TextFormat | None) -> ResponseFormat | None:
    if text_format is None:
        return None
    if text_format.type != "json_schema":
        return ResponseFormat(text_format.type)
    schema = needed(text_format.schema, "text.format.schema")
    return ResponseFormat(
        "json_schema", NamedSchema(text_format.name, text_format.description, schema, text_format.strict)
    )


def _choice(choice: ResponsesToolChoice, offered: Offer) -> tools.ToolChoice:
    if choice.type in ("function", "custom"):
        name = _function(offered, needed(choice.name, "tool_choice.name"))
        return tools.ToolChoice("function", FunctionName(name))
    if choice.type != "allowed_tools":
        raise _unsupported("tool_choice.type")
    allowed = []
    for index, tool in enumerate(needed(choice.tools, "tool_choice.tools")):
        place = f"tool_choice.tools[{index}]"
        if tool.type not in ("function", "custom"):
            note(f"{place}: {tool.type}")
            continue
        name = _function(offered, needed(tool.name, f"{place}.name"))
        allowed.append(tools.ToolName("function", FunctionName(name)))
    if not allowed:
        raise _unsupported("tool_choice.tools[0].type")
    return tools.ToolChoice("allowed_tools", allowed_tools=tools.AllowedTools(choice.mode or "auto", allowed))


def _function(offered: Offer, name: str) -> str:
    """Returns the function that is meant by the name of a tool, which may stand in a namespace."""
    return next((flat for flat, origin in offered.origins.items() if name in (flat, origin.name)), name)


def _unsupported(place: str) -> ParameterUnsupported:
    return ParameterUnsupported("http.unsupported_parameter", param=place, place=place)
