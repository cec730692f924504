"""Defines the bodies of llama-server's own routes, and what they ask of the engine. Any thread; pure.

As in schema.chat every known field works, is accepted with the reason in WITHOUT_EFFECT, or is refused by name. Where
a body names no model, the route chooses one (api.choice).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta, Struct

from hoshikage.answer.schema import output, raw, sampling
from hoshikage.answer.schema.prompt_media import with_files
from hoshikage.answer.schema.raw import MAX_CHOICES, Name, RawFields, Texts, embedded, prompts_of, request_of
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.senses import BLIND, Senses
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.schema.values import TokenCount, bound
from hoshikage.errors import InvalidRequest, ParameterUnsupported
from hoshikage.params import Detokenization, Embedding, GenerationRequest, InfillPrompt, Prompt, Tokenization
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings

CHOICES: Final = {**output.CHOICES, **sampling.CHOICES}
MAX_FILES: Final = 256
MAX_INDENT: Final = 4096
NORMALIZED: Final = (None, 2)
"""These values of `embd_normalize` ask for vectors of length 1, as all are here."""


class NativeFields(RawFields, frozen=True, kw_only=True):
    """These fields are what /completion and /infill have in common. None is absent."""

    model: Name | None = None
    n_predict: TokenCount | None = None
    """A negative `n_predict` means as much as the context holds; 0 computes the prompt alone."""
    max_tokens: TokenCount | None = None
    n_probs: Annotated[int, Meta(ge=0, le=20)] | None = None
    return_tokens: bool | None = None
    return_progress: bool | None = None
    response_fields: Annotated[list[str], Meta(max_length=256)] | None = None
    timings_per_token: bool | None = None
    t_max_predict_ms: float | None = None
    """Below 1 there is no bound."""
    t_max_prompt_ms: float | None = None
    """Below 1 there is no bound, nor where the prompt is all that is asked for."""
    n_indent: Annotated[int, Meta(le=MAX_INDENT)] | None = None
    n_cmpl: Annotated[int, Meta(ge=1, le=8)] | None = None
    post_sampling_probs: bool | None = None
    # WITHOUT_EFFECT
    n_keep: int | None = None
    n_discard: int | None = None
    n_cache_reuse: int | None = None
    # NEUTRAL
    image_data: list[Any] | None = None
    grammar_lazy: bool | None = None
    grammar_triggers: list[Any] | None = None

    @property
    def limit(self) -> int | None:
        return bound(self.max_tokens if self.n_predict is None else self.n_predict)

    @property
    def choices(self) -> int:
        """Counts the answers to each prompt."""
        return self.n_cmpl or 1


class NativeCompletionBody(NativeFields, frozen=True, kw_only=True):
    """This is a text to go on with, as llama-server takes it."""

    prompt: Texts


class ExtraFile(Struct, frozen=True):
    """This file stands beside the one that is filled in."""

    text: str
    filename: str | None = None


class InfillBody(NativeFields, frozen=True, kw_only=True):
    """This is the text before and behind a gap that the model fills."""

    input_prefix: str
    input_suffix: str
    input_extra: Annotated[list[ExtraFile], Meta(max_length=MAX_FILES)] | None = None
    prompt: str | None = None
    """`prompt` is what of the answer is already there."""


class NativeEmbeddingBody(Struct, frozen=True, kw_only=True):
    """This is the body of llama-server's /embedding. None is absent; `input` and `content` mean the same."""

    model: Name | None = None
    content: Texts | None = None
    input: Texts | None = None
    embd_normalize: int | None = None

    @property
    def task(self) -> Embedding:
        """Makes what the body asks of the engine."""
        place = "content" if self.input is None else "input"
        return Embedding(embedded(self.content or "" if self.input is None else self.input, place))


class TokenizeBody(Struct, frozen=True, kw_only=True):
    """The text is made into tokens."""

    content: str
    model: Name | None = None
    add_special: bool | None = None
    parse_special: bool | None = None
    with_pieces: bool | None = None

    @property
    def task(self) -> Tokenization:
        return Tokenization(self.content, bool(self.add_special), self.parse_special is not False)


class DetokenizeBody(Struct, frozen=True, kw_only=True):
    """The tokens are made into a text."""

    tokens: list[int]
    model: Name | None = None

    @property
    def task(self) -> Detokenization:
        return Detokenization(tuple(self.tokens))


Body = TypeVar("Body", bound=NativeFields)

WITHOUT_EFFECT: Final = {
    "n_keep": "says what stays when the context is shifted; it is never shifted",
    "n_discard": "as n_keep",
    "n_cache_reuse": "moves pieces of a kept prompt; only its beginning is used again",
}
"""Maps a field to the reason why it may be accepted without doing anything for it."""

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "image_data": (None, []),
    "grammar_lazy": (None, False),
    "grammar_triggers": (None, []),
}
"""Maps a field to the values that ask for nothing; any other is refused by name."""

COMPLETION: Final = RequestBody(NativeCompletionBody, WITHOUT_EFFECT, NEUTRAL)
INFILL: Final = RequestBody(InfillBody, WITHOUT_EFFECT, NEUTRAL)
EMBEDDING: Final = RequestBody(NativeEmbeddingBody)
TOKENIZE: Final = RequestBody(TokenizeBody)
DETOKENIZE: Final = RequestBody(DetokenizeBody)


def parse_completion(tree: Any) -> NativeCompletionBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest, ParameterUnsupported."""
    return _checked(convert(tree, NativeCompletionBody, CHOICES))


def parse_infill(tree: Any) -> InfillBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest, ParameterUnsupported."""
    return _checked(convert(tree, InfillBody, CHOICES))


def parse_embedding(tree: Any) -> NativeEmbeddingBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest, ParameterUnsupported."""
    body = convert(tree, NativeEmbeddingBody, {})
    if body.content is None and body.input is None:
        raise InvalidRequest("http.field_missing", param="content", place="content")
    if body.embd_normalize not in NORMALIZED:
        raise ParameterUnsupported("http.unsupported_parameter", param="embd_normalize", place="embd_normalize")
    return body


def parse_tokenize(tree: Any) -> TokenizeBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    return convert(tree, TokenizeBody, {})


def parse_detokenize(tree: Any) -> DetokenizeBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    return convert(tree, DetokenizeBody, {})


def completion_requests(
    body: NativeCompletionBody, spec: ModelSpec, settings: Settings, senses: Senses = BLIND
) -> tuple[GenerationRequest, ...]:
    """Returns one request for each prompt. Raises InvalidRequest, ParameterUnsupported."""
    prompts = with_files(prompts_of(body.prompt), body.prompt, senses)
    if len(prompts) * body.choices > MAX_CHOICES:
        raise InvalidRequest("http.too_many_choices", param="prompt", limit=MAX_CHOICES)
    return tuple(_request(body, prompt, spec, settings) for prompt in prompts)


def infill_request(body: InfillBody, spec: ModelSpec, settings: Settings) -> GenerationRequest:
    """Raises InvalidRequest."""
    files = tuple((file.filename or "tmp", file.text) for file in body.input_extra or ())
    prefix = body.input_prefix + (body.prompt or "")
    return _request(body, InfillPrompt(prefix, body.input_suffix, files, "input_suffix"), spec, settings)


def _checked(body: Body) -> Body:
    raw.refuse_unknown_wishes(body, NEUTRAL)
    return body


def _request(body: NativeFields, prompt: Prompt, spec: ModelSpec, settings: Settings) -> GenerationRequest:
    logprobs = body.n_probs or None
    return replace(
        request_of(body, prompt, spec, settings, max_tokens=body.limit, choices=body.choices, logprobs=logprobs),
        return_tokens=bool(body.stream or body.return_tokens or body.choices > 1),
        max_answer_ms=_bound_ms(body.t_max_predict_ms),
        max_prompt_ms=_bound_ms(body.t_max_prompt_ms) if body.limit != 0 else None,
        n_indent=max(0, body.n_indent or 0),
        drawn=bool(body.post_sampling_probs),
    )


def _bound_ms(value: float | None) -> int | None:
    return int(value) if value is not None and value >= 1 else None
