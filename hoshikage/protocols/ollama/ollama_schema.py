"""Defines the bodies of Ollama's /api and what they ask. Any thread; pure.

As in the chat's schema, a field works, or stands in WITHOUT_EFFECT with the reason, or in NEUTRAL with the values that
ask for nothing; any other value of those is refused by name. Fields that nobody documents are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, get_args

from msgspec import Meta, Struct
from msgspec.structs import replace

from hoshikage.answer import unparsed
from hoshikage.answer.schema import sampling, thoughts, tools
from hoshikage.answer.schema.chat import ChatBody
from hoshikage.answer.schema.media import ContentPart, PlacedPart
from hoshikage.answer.schema.memory import MemoryFields
from hoshikage.answer.schema.output import ResponseFormat, Schema
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.sampling import SamplingFields
from hoshikage.answer.schema.turns import CalledFunction, ChatMessage
from hoshikage.answer.schema.turns import ToolCall as ChatCall
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.schema.values import Stops, TokenCount
from hoshikage.errors import InvalidRequest, ParameterUnsupported
from hoshikage.params import Overflow
from hoshikage.protocols.ollama.keep_alive import kept_s

MAX_INPUTS: Final = 2048
Role = Literal["system", "developer", "user", "assistant", "tool"]
Model = Annotated[str, Meta(max_length=256)]
CHOICES: Final = {
    "messages[].role": get_args(Role),
    "tools[].type": ("function",),
    **{f"options.{name}": words for name, words in sampling.CHOICES.items()},
}


class Options(SamplingFields, frozen=True, kw_only=True):
    """A field that is None was absent."""

    num_predict: TokenCount | None = None
    """With a `num_predict` of 0 or less an answer is as long as the context allows."""
    stop: Stops | None = None
    penalize_newline: bool | None = None
    tfs_z: float | None = None


class OllamaFunction(Struct, frozen=True):
    """This is a function that an assistant has called, by its name with arguments."""

    ECHOED: ClassVar[frozenset[str]] = frozenset({"index"})

    name: str
    arguments: dict[str, Any] | str | None = None


class Call(Struct, frozen=True):
    """An assistant's turn has one for each call."""

    ECHOED: ClassVar[frozenset[str]] = frozenset({"type"})

    function: OllamaFunction
    id: str | None = None


class OllamaMessage(Struct, frozen=True):
    """One turn of a chat, as Ollama's clients send it."""

    role: Role
    content: str | None = None
    thinking: str | None = None
    images: list[Any] | None = None
    tool_calls: list[Call] | None = None
    tool_name: str | None = None
    name: str | None = None
    """`name` is the former name of `tool_name`."""
    tool_call_id: str | None = None


class AnswerFields(Struct, frozen=True, kw_only=True):
    """These fields are what /api/chat and /api/generate have in common."""

    model: Model | None = None
    stream: bool | None = None
    """An answer is streamed unless `stream` is false."""
    format: str | Schema | None = None
    options: Options | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    keep_alive: str | float | None = None
    truncate: bool | None = None
    shift: bool | None = None
    memory: MemoryFields | None = None
    context_overflow: Overflow | None = None

    @property
    def shows_thoughts(self) -> bool:
        return thoughts.asked({"think": self.wish}).on is not False

    @property
    def wish(self) -> bool | str | None:
        """Tells whether and how much the model shall think; an empty text says nothing."""
        return None if self.think == "" else self.think


class ChatRequest(AnswerFields, frozen=True, kw_only=True):
    """A chat, as Ollama's clients send it."""

    messages: Annotated[list[OllamaMessage], Meta(max_length=2048)] | None = None
    """`messages` is None to load the model."""
    tools: tools.Tools | None = None


class GenerateRequest(AnswerFields, frozen=True, kw_only=True):
    """A prompt to answer, as Ollama's clients send it."""

    prompt: str | None = None
    """`prompt` is None to load the model."""
    system: str | None = None
    suffix: str | None = None
    raw: bool | None = None
    context: list[int] | None = None
    """`context` is the conversation so far, as an answer told it: tokens that stand in front of the prompt."""
    images: list[Any] | None = None
    # NEUTRAL
    template: str | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None


class EmbedRequest(Struct, frozen=True, kw_only=True):
    """The texts are made into vectors."""

    model: Model | None = None
    input: str | Annotated[list[str], Meta(max_length=MAX_INPUTS)] = ""
    dimensions: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    truncate: bool | None = None
    options: dict[str, Any] | None = None
    keep_alive: str | float | None = None


class EmbeddingsRequest(Struct, frozen=True, kw_only=True):
    """This is the body of the older /api/embeddings."""

    model: Model | None = None
    prompt: str = ""
    options: dict[str, Any] | None = None
    keep_alive: str | float | None = None


class DeleteRequest(Struct, frozen=True, kw_only=True):
    """The model leaves the list."""

    model: Model | None = None
    name: Model | None = None
    """`name` is the former name of `model`."""

    @property
    def asked(self) -> str:
        """Gives the model's name."""
        return self.model or self.name or ""


class ShowRequest(DeleteRequest, frozen=True, kw_only=True):
    """The model's details are asked for."""

    verbose: bool | None = None


class CopyRequest(Struct, frozen=True, kw_only=True):
    """The model gets one more name."""

    source: Model
    destination: Model


class PullRequest(Struct, frozen=True, kw_only=True):
    """This is the body of /api/pull."""

    model: Model | None = None
    name: Model | None = None
    """`name` is the former name of `model`."""
    stream: bool | None = None
    """The progress is streamed unless `stream` is false."""
    insecure: bool | None = None

    @property
    def asked(self) -> str:
        """Gives the name of what is to be fetched."""
        return self.model or self.name or ""


Named = TypeVar("Named", bound=DeleteRequest)


WITHOUT_EFFECT: Final = {
    "shift": "forgets the beginning as the context fills up; the answer ends there instead",
    "options.penalize_newline": "lets a penalty count line breaks, which llama.cpp does always",
    "options.tfs_z": "is a sampler that llama.cpp has no more",
    "options.num_ctx": "with the rest of what loads a model, such as num_gpu: the server's settings and the model's do",
    "verbose": "shows the vocabulary, too",
}
"""Maps a field to the reason why a local server may accept it without doing anything for it."""

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "template": (None, ""),
    "width": (None, 0),
    "height": (None, 0),
    "steps": (None, 0),
}
"""Maps a field of /api/generate to the values that ask for nothing; any other is refused by name."""

CHAT: Final = RequestBody(ChatRequest, WITHOUT_EFFECT)
GENERATE: Final = RequestBody(GenerateRequest, WITHOUT_EFFECT, NEUTRAL)
EMBED: Final = RequestBody(EmbedRequest, WITHOUT_EFFECT)
EMBEDDINGS: Final = RequestBody(EmbeddingsRequest)
SHOW: Final = RequestBody(ShowRequest)
COPY: Final = RequestBody(CopyRequest)
DELETE: Final = RequestBody(DeleteRequest)
PULLING: Final = {"insecure": "lets a registry do without TLS; an address says that itself"}
PULL: Final = RequestBody(PullRequest, PULLING)

EXCLUDE: Final = {"raw": ("system", "suffix", "context", "images"), "suffix": ("context", "images")}
"""Maps a field of /api/generate to those that have no meaning beside it."""

RENAMED: Final = (
    (re.compile(r"^(stop|samplers|logit_bias)\b"), r"options.\1"),
    (re.compile(r"^response_format\b.*"), "format"),
    (re.compile(r"^reasoning_effort$"), "think"),
)


def rename(place: str) -> str:
    """Returns a chat body's field as this protocol calls it."""
    for pattern, name in RENAMED:
        place = pattern.sub(name, place)
    return place


def parse_chat(tree: Any) -> ChatRequest:
    """Raises InvalidRequest, ParameterUnsupported."""
    body = convert(tree, ChatRequest, CHOICES)
    kept_s(body.keep_alive)
    return body


def parse_generate(tree: Any) -> GenerateRequest:
    """Raises InvalidRequest, ParameterUnsupported."""
    body = convert(tree, GenerateRequest, CHOICES)
    kept_s(body.keep_alive)
    for name, neutral in NEUTRAL.items():
        if getattr(body, name) not in neutral:
            raise _unsupported(name)
    for one, others in EXCLUDE.items():
        for other in others if getattr(body, one) else ():
            if getattr(body, other):
                raise InvalidRequest("http.formats_conflict", param=one, names=f"{one}, {other}")
    return body


def parse_copy(tree: Any) -> CopyRequest:
    """Raises InvalidRequest."""
    return convert(tree, CopyRequest, CHOICES)


def parse_delete(tree: Any) -> DeleteRequest:
    """Raises InvalidRequest."""
    return _named(convert(tree, DeleteRequest, CHOICES))


def parse_embed(tree: Any) -> EmbedRequest:
    """Raises InvalidRequest."""
    body = convert(tree, EmbedRequest, CHOICES)
    kept_s(body.keep_alive)
    return body


def parse_embeddings(tree: Any) -> EmbeddingsRequest:
    """Raises InvalidRequest."""
    body = convert(tree, EmbeddingsRequest, CHOICES)
    kept_s(body.keep_alive)
    return body


def parse_show(tree: Any) -> ShowRequest:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    return _named(convert(tree, ShowRequest, CHOICES))


def _named(body: Named) -> Named:
    if not body.asked:
        raise InvalidRequest("http.field_missing", param="model", place="model")
    return body


def parse_pull(tree: Any) -> PullRequest:
    """Raises InvalidRequest."""
    body = convert(tree, PullRequest, CHOICES)
    if not body.asked:
        raise InvalidRequest("http.field_missing", param="model", place="model")
    return body


def chat_of(body: ChatRequest) -> ChatBody:
    """Makes the chat that is asked for. Raises InvalidRequest, ParameterUnsupported."""
    turns: list[ChatMessage] = []
    waiting: list[tuple[str, str]] = []
    messages = body.messages or []
    newest = max((index for index, message in enumerate(messages) if message.role == "user"), default=-1)
    for index, message in enumerate(messages):
        turn = _turn(message, waiting, index)
        if message.images:
            pictures = _pictures(message.images, f"messages[{index}].images", is_asked=index == newest)
            turn = replace(turn, content=_beside(turn.content, pictures))
        turns.append(turn)
    return _chat(body, turns, body.tools)


def chat_of_prompt(body: GenerateRequest) -> ChatBody:
    """Returns the chat that /api/generate asks for, whose prompt is one turn."""
    system = [ChatMessage("system", body.system)] if body.system else []
    pictures = _pictures(body.images or (), "images", is_asked=True)
    content = _beside(body.prompt, pictures) if pictures else body.prompt or ""
    return _chat(body, [*system, ChatMessage("user", content)], None)


def _pictures(images: Sequence[Any], place: str, *, is_asked: bool) -> list[ContentPart]:
    """Each is base64; a data URL is taken for one, too."""
    result: list[ContentPart] = []
    for at, one in enumerate(images):
        url = None if not isinstance(one, str) else one if one[:5].lower() == "data:" else f"data:;base64,{one}"
        result.append(PlacedPart("images", image_url=url, place=f"{place}[{at}]", is_asked=is_asked))
    return result


def _beside(content: Any, pictures: list[ContentPart]) -> list[ContentPart]:
    """Puts what the words are about before them."""
    return [*pictures, *([ContentPart("text", content)] if content else [])]


def _chat(body: AnswerFields, turns: list[ChatMessage], functions: list[tools.Tool] | None) -> ChatBody:
    options = body.options or Options()
    wanted = options.num_predict
    return ChatBody(
        model=body.model,
        messages=turns,
        tools=functions,
        max_tokens=wanted if wanted is not None and wanted > 0 else None,
        stop=options.stop,
        response_format=_format(body.format),
        logprobs=body.logprobs,
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        memory=body.memory,
        context_overflow=body.context_overflow or ("shift" if body.truncate else None),
        think=body.wish,
        **{name: getattr(options, name) for name in SamplingFields.__struct_fields__},
    )


def _turn(message: OllamaMessage, waiting: list[tuple[str, str]], index: int) -> ChatMessage:
    """Makes one turn of a message. `waiting` has names and ids of calls without a result yet: clients give names,
    templates want ids."""
    if message.role == "tool":
        name = message.tool_name or message.name
        own = next((call for call in waiting if call[0] == name), waiting[0] if waiting else None)
        if own is not None:
            waiting.remove(own)
        call_id = message.tool_call_id or (own[1] if own else None)
        return ChatMessage("tool", message.content or "", name=name, tool_call_id=call_id)
    calls = []
    for number, call in enumerate(message.tool_calls or ()):
        name = call.id or f"c{index:04}{number:04}"
        waiting.append((call.function.name, name))
        called = CalledFunction(call.function.name, unparsed.text_of(call.function.arguments))
        calls.append(ChatCall(name, "function", called))
    content = message.content or (None if calls else "")
    return ChatMessage(message.role, content, tool_calls=calls or None, reasoning_content=message.thinking)


def _format(value: str | Schema | None) -> ResponseFormat | None:
    if not value:
        return None
    if isinstance(value, dict):
        return ResponseFormat("json_object", schema=value)
    if value != "json":
        raise InvalidRequest("http.not_a_choice", param="format", place="format", allowed="json")
    return ResponseFormat("json_object")


def _unsupported(place: str) -> ParameterUnsupported:
    return ParameterUnsupported("http.unsupported_parameter", param=place, place=place)
