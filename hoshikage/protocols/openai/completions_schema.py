"""Defines the body of POST /v1/completions, and what it asks of the engine. Any thread; pure.

As in schema.chat every known field works, or is accepted with the reason in WITHOUT_EFFECT.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from hoshikage.answer.schema import output, sampling
from hoshikage.answer.schema.chat import StreamOptions
from hoshikage.answer.schema.prompt_media import with_files
from hoshikage.answer.schema.raw import MAX_CHOICES, Name, RawFields, Texts, prompts_of, request_of
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.senses import BLIND, Senses
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.schema.values import TokenCount, bound
from hoshikage.errors import InvalidRequest, ParameterUnsupported
from hoshikage.params import GenerationRequest, InfillPrompt, TextPrompt
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings

CHOICES: Final = {**output.CHOICES, **sampling.CHOICES}


class CompletionBody(RawFields, frozen=True, kw_only=True):
    """One request as it came, types and bounds checked. None is absent."""

    model: Name | None = None
    prompt: Texts
    suffix: str | None = None
    max_tokens: TokenCount | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    best_of: Annotated[int, Meta(ge=1, le=20)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    stream_options: StreamOptions | None = None
    timings: bool | None = None
    timings_per_token: bool | None = None
    return_progress: bool | None = None
    # WITHOUT_EFFECT
    user: str | None = None

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def wanted(self) -> int:
        """Counts the choices that are told of each prompt."""
        return self.n or 1

    @property
    def drawn(self) -> int:
        """Counts the choices that are made of each prompt."""
        return self.best_of or self.wanted


WITHOUT_EFFECT: Final = {
    "stream_options.include_obfuscation": "pads chunks against eavesdroppers on a network; false leaves nothing to do",
    "user": "tells OpenAI's abuse watch who asks",
}
"""Maps a field to the reason why a local server may accept it without doing anything for it."""

BODY: Final = RequestBody(CompletionBody, WITHOUT_EFFECT)


def parse(tree: Any) -> CompletionBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest, ParameterUnsupported."""
    body = convert(tree, CompletionBody, CHOICES)
    if body.drawn < body.wanted:
        raise InvalidRequest("http.best_of_few", param="best_of")
    if body.stream and body.drawn > body.wanted:
        raise ParameterUnsupported("http.best_of_streamed", param="best_of")
    if body.suffix is not None and body.echo:
        raise InvalidRequest("http.formats_conflict", param="suffix", names="suffix, echo")
    return body


def to_requests(
    body: CompletionBody, spec: ModelSpec, settings: Settings, senses: Senses = BLIND
) -> tuple[GenerationRequest, ...]:
    """Returns one request for each prompt. Raises InvalidRequest, ParameterUnsupported."""
    prompts = with_files(prompts_of(body.prompt), body.prompt, senses)
    if len(prompts) * body.drawn > MAX_CHOICES:
        raise InvalidRequest("http.too_many_choices", param="prompt", limit=MAX_CHOICES)
    if body.suffix is not None:
        if len(prompts) > 1 or not isinstance(prompts[0], TextPrompt):
            raise InvalidRequest("http.suffix_prompt", param="suffix")
        if prompts[0].media:
            raise InvalidRequest("http.formats_conflict", param="suffix", names="suffix, prompt.multimodal_data")
        prompts = (InfillPrompt(prompts[0].text, body.suffix),)
    logprobs = body.logprobs
    if logprobs is None and body.drawn > body.wanted:  # the best is the likeliest
        logprobs = 0
    return tuple(
        request_of(
            body,
            prompt,
            spec,
            settings,
            max_tokens=bound(body.max_tokens),
            choices=body.drawn,
            logprobs=logprobs,
            echo=bool(body.echo),
        )
        for prompt in prompts
    )
