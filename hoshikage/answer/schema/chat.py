"""Defines the body of POST /v1/chat/completions, and what it asks of the engine. Any thread; pure.

Every field that OpenAI documents for it, and that llama-server's users know, is one of three:

- it works (a row of ChatBody or SamplingFields that `to_request` or the answer reads);
- it is accepted and checked, and changes nothing: it stands in WITHOUT_EFFECT with the reason;
- it stands in NEUTRAL with the values that ask for nothing, and any other value is refused by name.

Fields that nobody documents are ignored.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct
from msgspec.structs import replace

from hoshikage.answer.schema import output, sampling, thoughts, tools, turns
from hoshikage.answer.schema.guided import GuidedFields, guided
from hoshikage.answer.schema.lora import LoraScales, chosen_lora
from hoshikage.answer.schema.media import NOTHING_FETCHED, Remote, taken
from hoshikage.answer.schema.memory import MemoryFields
from hoshikage.answer.schema.output import AnySchema, ResponseFormat, grammar_of
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.sampling import sampling_params
from hoshikage.answer.schema.senses import BLIND, Senses
from hoshikage.answer.schema.slot import chosen_slot
from hoshikage.answer.schema.spelled import texts_as_parts
from hoshikage.answer.schema.tools import FormerWord, FunctionName, FunctionSpec, ToolChoice, Tools, Word
from hoshikage.answer.schema.turns import ChatMessage, turns_of
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.schema.values import Stops, TokenCount, Ttl, bound, stops
from hoshikage.errors import InvalidRequest, ParameterUnsupported
from hoshikage.params import ChatPrompt, GenerationRequest, Medium, Message, Overflow
from hoshikage.registry import DEFAULT_STOPS, ModelSpec
from hoshikage.settings import Settings

Effort = Literal["none", "off", "disabled", "minimal", "low", "medium", "high", "xhigh", "max", "auto", "default"]
Verbosity = Literal["low", "medium", "high"]
CHOICES: Final = {
    "prediction.type": ("content",),
    "reasoning_effort": get_args(Effort),
    "verbosity": get_args(Verbosity),
    **output.CHOICES,
    **sampling.CHOICES,
    **tools.CHOICES,
    **turns.CHOICES,
}
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
INTERNALS: Final = frozenset(
    {
        "messages",
        "tools",
        "documents",
        "add_generation_prompt",
        "continue_final_message",
        "bos_token",
        "eos_token",
        "functions",
        "strftime_now",
        "raise_exception",
        "range",
        "dict",
        "namespace",
        "cycler",
        "joiner",
    }
)
"""A template gets these names from the engine and from Jinja: not for `chat_template_kwargs`."""

MetadataName = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]


class StreamOptions(Struct, frozen=True):
    """The `stream_options` say what a stream tells beside its text."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class PredictedPart(Struct, frozen=True):
    """A PredictedPart is a part of a text that is expected."""

    type: str
    text: str | None = None


class Prediction(Struct, frozen=True):
    """A Prediction is a text that the client expects in the answer."""

    type: Literal["content"]
    content: str | list[PredictedPart]


class ChatBody(GuidedFields, frozen=True, kw_only=True):
    """One request as it came, types and bounds checked. None is absent."""

    model: Annotated[str, Meta(max_length=256)] | None = None
    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=2048)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    stop: Stops | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    logprobs: bool | Annotated[int, Meta(ge=0, le=20)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    grammar: str | None = None
    json_schema: AnySchema | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: Annotated[dict[str, Any], Meta(max_length=32)] | None = None
    reasoning_effort: Effort | None = None
    enable_thinking: Any = None
    think: Any = None
    thinking: Any = None
    reasoning: Any = None
    thinking_budget: Any = None
    thinking_budget_tokens: Any = None
    reasoning_budget: Any = None
    reasoning_budget_tokens: Any = None
    verbosity: Verbosity | None = None
    tools: Tools | None = None
    tool_choice: Word | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionSpec], Meta(max_length=128)] | None = None
    """`functions` is the former way to offer tools; the answer is then in the former way, too."""
    function_call: FormerWord | FunctionName | None = None
    timings: bool | None = None
    service_tier: str | None = None
    cache_prompt: bool | None = None
    id_slot: int | None = None
    """Any slot is meant by an `id_slot` below 0."""
    ttl: Ttl | None = None
    lora: LoraScales | None = None
    memory: MemoryFields | None = None
    context_overflow: Overflow | None = None
    # WITHOUT_EFFECT
    metadata: dict[str, Any] | None = None
    prediction: Prediction | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    store: bool | None = None
    user: Any = None
    timings_per_token: bool | None = None
    return_progress: bool | None = None
    # NEUTRAL
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


WITHOUT_EFFECT: Final = {
    "metadata": "is shown with stored answers, and none is stored",
    "prediction": "makes answers faster that resemble it, and never changes them",
    "prompt_cache_key": "tells OpenAI's machines which of them has a prompt",
    "prompt_cache_retention": "as above",
    "safety_identifier": "tells OpenAI's abuse watch who asks",
    "store": "keeps answers for OpenAI's pages; nothing is stored here",
    "stream_options.include_obfuscation": "pads chunks against eavesdroppers on a network; false leaves nothing to do",
    "user": "as safety_identifier",
}
"""Maps a field to the reason why a local server may accept it without doing anything for it."""

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "modalities": (None, [], ["text"]),
    "audio": (None,),
    "web_search_options": (None,),
}
"""Maps a field to the values that ask for nothing; any other is refused by name."""

BODY: Final = RequestBody(ChatBody, WITHOUT_EFFECT, NEUTRAL, plain_texts="messages")
"""Routes that are given a chat take this body."""


def parse(tree: Any) -> ChatBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest, ParameterUnsupported."""
    texts_as_parts(tree, "messages")
    body = convert(tree, ChatBody, CHOICES)
    for name, neutral in NEUTRAL.items():
        if getattr(body, name) not in neutral:
            raise ParameterUnsupported("http.unsupported_parameter", param=name, place=name)
    return body if body.functions is None and body.function_call is None else _with_tools(body)


def _with_tools(body: ChatBody) -> ChatBody:
    """Returns the body with its `functions` as tools, of which one is called at a time. Raises InvalidRequest."""
    functions, call = body.functions or [], body.function_call
    known = tools.named_once(functions)
    if isinstance(call, FunctionName) and call.name not in known:
        place = "function_call.name"
        raise InvalidRequest("http.tool_unknown", param=place, place=place, name=call.name[:64])
    if not functions:
        return body
    if body.tools or body.tool_choice is not None:
        name = "tools" if body.tools else "tool_choice"
        raise InvalidRequest("http.formats_conflict", param="functions", names=f"functions, {name}")
    return replace(
        body,
        tools=[tools.Tool("function", one) for one in functions],
        tool_choice=ToolChoice("function", call) if isinstance(call, FunctionName) else call,
        parallel_tool_calls=False,
    )


def to_request(
    body: ChatBody, spec: ModelSpec, settings: Settings, senses: Senses = BLIND, remote: Remote = NOTHING_FETCHED
) -> GenerationRequest:
    """Returns what the engine shall do for `body` with the model `spec`. Raises InvalidRequest, ParameterUnsupported.

    `senses`: what the model takes beside text; `remote`: what was fetched of pictures on the network.
    """
    if not body.messages:  # a body of another protocol can come to that
        raise InvalidRequest("http.wrong_length", param="messages", place="messages", relation="≥ 1")
    newest = max((at for at, turn in enumerate(body.messages) if turn.role == "user"), default=-1)
    media_taken = taken([turn.content for turn in body.messages], newest, senses, remote)
    turns = turns_of(body.messages, media_taken, senses)
    continued = _is_continued(body)
    grammar = grammar_of(body.response_format, body.grammar, body.json_schema, *guided(body))
    if grammar is not None and body.ignore_eos:
        raise InvalidRequest("http.formats_conflict", param="ignore_eos", names=f"{grammar.param}, ignore_eos")
    return GenerationRequest(
        prompt=ChatPrompt(
            messages=turns if spec.persona is None else _in_character(spec.persona.system, turns),
            add_generation_prompt=not continued and body.add_generation_prompt is not False,
            continue_final_message=continued,
            template_kwargs=_template_kwargs(body, spec),
            media=tuple(medium for at in sorted(media_taken) if isinstance(medium := media_taken[at], Medium)),
        ),
        sampling=sampling_params(body, spec, settings),
        max_tokens=_max_tokens(body),
        # A text that ends free text may well stand in a string of JSON; the client's own are its own choice.
        stop=tuple(dict.fromkeys((*(spec.stop if grammar is None else ()), *stops(body.stop)))),
        stop_tokens=tuple(dict.fromkeys((*DEFAULT_STOPS, *spec.stop))),
        choices=body.n or 1,
        grammar=grammar,
        logprobs=_logprobs(body),
        cache_prompt=body.cache_prompt,
        slot=chosen_slot(body.id_slot, settings),
        lora=chosen_lora(body.lora, spec),
        context_overflow=body.context_overflow,
    )


def _is_continued(body: ChatBody) -> bool:
    """Returns whether the answer goes on with the last message: one of the assistant's does, unless it is said not
    to."""
    last = body.messages[-1]
    if body.continue_final_message and body.add_generation_prompt:
        raise InvalidRequest("http.continue_conflict", param="continue_final_message")
    if body.continue_final_message and (last.role != "assistant" or last.tool_calls):
        raise InvalidRequest("http.continue_role", param="continue_final_message")
    if body.continue_final_message is not None:
        return body.continue_final_message
    return last.role == "assistant" and not last.tool_calls and not body.add_generation_prompt


def _template_kwargs(body: ChatBody, spec: ModelSpec) -> dict[str, Any]:
    """Returns what the chat template may read. Raises InvalidRequest for a name that is not the client's to give."""
    kwargs = body.chat_template_kwargs or {}
    for name in kwargs:
        if name in INTERNALS or not VARIABLE.fullmatch(name):
            place = f"chat_template_kwargs.{name[:60]}"
            raise InvalidRequest("http.template_kwarg", param=place, place=place)
    spelling = thoughts_of(body)
    on = spec.options.thinking if spelling.on is None else spelling.on
    effort = "none" if body.reasoning_effort in thoughts.OFF else spelling.effort
    known: dict[str, Any] = {"enable_thinking": on, "reasoning_effort": effort, "verbosity": body.verbosity}
    known["thinking_budget"] = spelling.budget
    words = {name: thoughts.truth(value) if name in thoughts.KWARGS else value for name, value in kwargs.items()}
    return {**{name: value for name, value in known.items() if value is not None}, **words}


def thoughts_of(body: ChatBody) -> thoughts.ThoughtRequest:
    """Returns what the request says of thoughts. Raises InvalidRequest."""
    fields = {name: getattr(body, name) for name in (*thoughts.SWITCHES, *thoughts.BUDGETS)}
    kwargs = {name: value for name, value in (body.chat_template_kwargs or {}).items() if name in thoughts.BUDGETS}
    spelling = thoughts.asked({**fields, **kwargs})
    if body.reasoning_effort is None:
        return spelling
    effort = thoughts.asked({"think": body.reasoning_effort})
    on = spelling.on if effort.on is None or spelling.on is False else effort.on
    return replace(
        spelling, on=on, effort=effort.effort or spelling.effort, budget=None if on is False else spelling.budget
    )


def _logprobs(body: ChatBody) -> int | None:
    if body.logprobs:
        return body.top_logprobs or (0 if body.logprobs is True else body.logprobs)
    if body.top_logprobs:
        raise InvalidRequest("http.top_logprobs_alone", param="top_logprobs")
    return None


def _in_character(system: str, turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """Returns the turns with the persona's text first. Many templates take one system message, so the client's joins
    it."""
    if turns[0].role != "system":
        return (Message("system", system), *turns)
    joined = f"{system}\n\n{turns[0].content}" if turns[0].content else system
    return (replace(turns[0], content=joined), *turns[1:])


def _max_tokens(body: ChatBody) -> int | None:
    former, newer = bound(body.max_tokens), bound(body.max_completion_tokens)
    if former is None or newer is None or former == newer:
        return former if newer is None else newer
    raise InvalidRequest("http.max_tokens_differ", param="max_tokens")
