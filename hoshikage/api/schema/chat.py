"""The body of POST /v1/chat/completions, and what it asks of the engine. Any thread; pure.

Fields that are not named here are ignored; of OpenAI's they are those that change nothing about the answer (`user`,
`metadata`, `safety_identifier`, `parallel_tool_calls`, `prompt_cache_key`). Fields that would change it and that this
version cannot honour stand in NEUTRAL with the values that ask for nothing.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from hoshikage.api.schema.validation import convert
from hoshikage.errors import InvalidRequest, ParameterUnsupported
from hoshikage.params import ChatPrompt, GenerationRequest, Message, SamplingParams
from hoshikage.registry import DEFAULT_STOPS, ModelSpec
from hoshikage.settings import Settings

MAX_STOP_BYTES: Final = 256

Role = Literal["system", "developer", "user", "assistant", "tool"]
Format = Literal["text", "json_object", "json_schema"]
CHOICES: Final = {
    "messages[].role": get_args(Role),
    "messages[].tool_calls[].type": ("function",),
    "response_format.type": get_args(Format),
}
StopText = Annotated[str, Meta(min_length=1, max_length=MAX_STOP_BYTES)]
TokenCount = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]


class ContentPart(Struct, frozen=True):
    type: str
    text: str | None = None


class CalledFunction(Struct, frozen=True):
    name: str
    arguments: str


class ToolCall(Struct, frozen=True):
    id: str
    type: Literal["function"]
    function: CalledFunction


class ChatMessage(Struct, frozen=True):
    role: Role
    content: str | Annotated[list[ContentPart], Meta(min_length=1)] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    function_call: Any = None
    audio: Any = None


class StreamOptions(Struct, frozen=True):
    include_usage: bool | None = None


class ResponseFormat(Struct, frozen=True):
    type: Format


class ChatBody(Struct, frozen=True):
    """One request as it came, types and bounds checked. None is absent."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=2048)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    stop: StopText | Annotated[list[StopText], Meta(min_length=1, max_length=4)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    repeat_last_n: Annotated[int, Meta(ge=-1, le=16_777_216)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: int | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    logit_bias: dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    grammar: str | None = None
    json_schema: dict[str, Any] | bool | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    web_search_options: dict[str, Any] | None = None
    service_tier: str | None = None
    store: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "n": (None, 1),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "response_format": (None, ResponseFormat("text")),
    "grammar": (None, ""),
    "json_schema": (None,),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "modalities": (None, [], ["text"]),
    "audio": (None,),
    "prediction": (None,),
    "reasoning_effort": (None,),
    "verbosity": (None,),
    "web_search_options": (None,),
    "service_tier": (None, "auto", "default"),
    "store": (None, False),
    "add_generation_prompt": (None, True),
    "continue_final_message": (None, False),
    "chat_template_kwargs": (None, {}),
}
"""Field -> the values that ask for nothing; any other is refused by name."""


def parse(tree: Any) -> ChatBody:
    """The typed body. Raises InvalidRequest, ParameterUnsupported."""
    body = convert(tree, ChatBody, CHOICES)
    for name, neutral in NEUTRAL.items():
        if getattr(body, name) not in neutral:
            raise ParameterUnsupported("http.unsupported_parameter", param=name, place=name)
    return body


def to_request(body: ChatBody, spec: ModelSpec, settings: Settings) -> GenerationRequest:
    """What the engine shall do for `body` with the model `spec`. Raises InvalidRequest, ParameterUnsupported."""
    turns = tuple(_message(turn, f"messages[{i}]") for i, turn in enumerate(body.messages))
    thinking = spec.options.thinking
    return GenerationRequest(
        prompt=ChatPrompt(
            messages=turns if spec.persona is None else _in_character(spec.persona.system, turns),
            template_kwargs={} if thinking is None else {"enable_thinking": thinking},
        ),
        sampling=_sampling(body, spec, settings),
        max_tokens=_max_tokens(body),
        stop=tuple(dict.fromkeys((*spec.stop, *_stops(body)))),
        stop_tokens=tuple(dict.fromkeys((*DEFAULT_STOPS, *spec.stop))),
    )


def _in_character(system: str, turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """The turns with the persona's text first. Many templates take one system message, so the client's joins it."""
    if turns[0].role != "system":
        return (Message("system", system), *turns)
    joined = f"{system}\n\n{turns[0].content}" if turns[0].content else system
    return (replace(turns[0], content=joined), *turns[1:])


def _sampling(body: ChatBody, spec: ModelSpec, settings: Settings) -> SamplingParams:
    """The request's values over the persona's, the model's and the settings'."""
    defaults = replace(SamplingParams(temperature=settings.temperature, top_p=settings.top_p), **spec.sampling.given())
    asked = {row.name: getattr(body, row.name) for row in fields(SamplingParams)}
    if body.seed is not None:
        asked["seed"] = body.seed & 0xFFFFFFFF  # -1 becomes RANDOM_SEED, as elsewhere in llama.cpp
    return replace(defaults, **{name: value for name, value in asked.items() if value is not None})


def _max_tokens(body: ChatBody) -> int | None:
    if body.max_tokens is None or body.max_completion_tokens in (None, body.max_tokens):
        return body.max_completion_tokens or body.max_tokens
    raise InvalidRequest("http.max_tokens_differ", param="max_tokens")


def _stops(body: ChatBody) -> tuple[str, ...]:
    if body.stop is None:
        return ()
    single = isinstance(body.stop, str)
    stops = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop)
    for index, stop in enumerate(stops):
        if len(stop.encode()) > MAX_STOP_BYTES:
            place = "stop" if single else f"stop[{index}]"
            raise InvalidRequest("http.stop_bytes", param=place, place=place, limit=MAX_STOP_BYTES)
    return stops


def _message(turn: ChatMessage, place: str) -> Message:
    for name in ("refusal", "function_call", "audio"):
        if getattr(turn, name) is not None:
            raise ParameterUnsupported("http.unsupported_parameter", param=f"{place}.{name}", place=f"{place}.{name}")
    if turn.tool_calls and turn.role != "assistant":
        raise InvalidRequest("http.tool_calls_role", param=f"{place}.tool_calls", place=f"{place}.tool_calls")
    if turn.content is None and not turn.tool_calls:
        raise InvalidRequest("http.content_missing", param=f"{place}.content", place=f"{place}.content")
    extra = {
        "name": turn.name,
        "tool_calls": msgspec.to_builtins(turn.tool_calls) if turn.tool_calls else None,
        "tool_call_id": turn.tool_call_id,
        "reasoning_content": turn.reasoning_content,
    }
    return Message(
        role="system" if turn.role == "developer" else turn.role,
        content=_text(turn.content, f"{place}.content"),
        extra={name: value for name, value in extra.items() if value is not None},
    )


def _text(content: str | list[ContentPart] | None, place: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for index, part in enumerate(content):
        if part.type != "text":
            raise ParameterUnsupported(
                "http.part_unsupported", param=f"{place}[{index}].type", place=f"{place}[{index}].type"
            )
        if part.text is None:
            raise InvalidRequest("http.field_missing", param=f"{place}[{index}].text", place=f"{place}[{index}].text")
    return "".join(part.text or "" for part in content)
