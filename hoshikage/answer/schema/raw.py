"""Defines what requests for text without a chat have in common: prompts as text or tokens, stops, grammar. Any thread;
pure."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from hoshikage.answer.schema.guided import GuidedFields, guided
from hoshikage.answer.schema.lora import LoraScales, chosen_lora
from hoshikage.answer.schema.output import AnySchema, ResponseFormat, grammar_of
from hoshikage.answer.schema.sampling import sampling_params
from hoshikage.answer.schema.slot import chosen_slot
from hoshikage.answer.schema.values import Stops, Ttl, stops
from hoshikage.errors import InvalidRequest, ParameterUnsupported
from hoshikage.params import GenerationRequest, MixedPrompt, Prompt, TextPrompt, TokenPrompt
from hoshikage.registry import DEFAULT_STOPS, ModelSpec
from hoshikage.settings import Settings

MAX_PROMPTS: Final = 64
MAX_CHOICES: Final = 64
"""All prompts together have at most so many answers."""

Name = Annotated[str, Meta(max_length=256)]


class PromptObject(Struct, frozen=True):
    """A text as some of llama-server's clients write it."""

    prompt_string: str
    multimodal_data: list[str] | None = None
    """`multimodal_data` holds pictures and sounds, as files in base64."""


Texts = str | PromptObject | Annotated[list[str | int | list[int | str] | PromptObject], Meta(min_length=1)]
"""A prompt is a text, tokens, a mixture of both, or there are several of them. Numbers side by side with texts are one
mixture."""
Input = str | tuple[int | str, ...]


class RawFields(GuidedFields, frozen=True, kw_only=True):
    """A field that is absent is None."""

    stream: bool | None = None
    stop: Stops | None = None
    grammar: str | None = None
    json_schema: AnySchema | None = None
    response_format: ResponseFormat | None = None
    cache_prompt: bool | None = None
    id_slot: int | None = None
    """Any slot is meant by an `id_slot` below 0."""
    ttl: Ttl | None = None
    lora: LoraScales | None = None


def embedded(texts: Texts, place: str) -> tuple[Input, ...]:
    """Returns the inputs as `inputs_of` does, for vectors, which are made of words alone. Raises ParameterUnsupported,
    too."""
    many = isinstance(texts, list)
    for index, one in enumerate(texts if isinstance(texts, list) else (texts,)):
        if isinstance(one, PromptObject) and one.multimodal_data:
            where = f"{place}[{index}].multimodal_data" if many else f"{place}.multimodal_data"
            raise ParameterUnsupported("media.not_embedded", param=where, place=where)
    return inputs_of(texts, place)


def inputs_of(texts: Texts, place: str) -> tuple[Input, ...]:
    """Returns each text as such, or its tokens and texts. Raises InvalidRequest for lists side by side with numbers."""
    if not isinstance(texts, list):
        return (_input(texts),)
    if not any(isinstance(one, int) for one in texts):
        return tuple(map(_input, texts))
    for index, one in enumerate(texts):
        if not isinstance(one, int | str):
            where = f"{place}[{index}]"
            raise InvalidRequest("http.wrong_type", param=where, place=where, expected="integer | string", got="array")
    return (_input(texts),)


def _input(one: Any) -> Input:
    if isinstance(one, PromptObject):
        return one.prompt_string
    return one if isinstance(one, str) else tuple(one)


def prompts_of(texts: Texts) -> tuple[Prompt, ...]:
    """Raises InvalidRequest."""
    result = inputs_of(texts, "prompt")
    if len(result) > MAX_PROMPTS:
        raise InvalidRequest("http.wrong_length", param="prompt", place="prompt", relation=f"≤ {MAX_PROMPTS}")
    return tuple(map(_prompt, result))


def _prompt(one: Input) -> Prompt:
    if isinstance(one, str):
        return TextPrompt(one)
    if any(isinstance(part, str) for part in one):
        return MixedPrompt(one)
    return TokenPrompt(tuple(part for part in one if isinstance(part, int)))


def request_of(
    body: RawFields,
    prompt: Prompt,
    spec: ModelSpec,
    settings: Settings,
    *,
    max_tokens: int | None,
    choices: int = 1,
    logprobs: int | None = None,
    echo: bool = False,
) -> GenerationRequest:
    """Raises InvalidRequest."""
    grammar = grammar_of(body.response_format, body.grammar, body.json_schema, *guided(body))
    if grammar is not None and body.ignore_eos:
        raise InvalidRequest("http.formats_conflict", param="ignore_eos", names=f"{grammar.param}, ignore_eos")
    return GenerationRequest(
        prompt=prompt,
        sampling=sampling_params(body, spec, settings),
        max_tokens=max_tokens,
        # A text that ends free text may well stand in a string of JSON; the client's own are its own choice.
        stop=tuple(dict.fromkeys((*(spec.stop if grammar is None else ()), *stops(body.stop)))),
        stop_tokens=tuple(dict.fromkeys((*DEFAULT_STOPS, *spec.stop))),
        choices=choices,
        grammar=grammar,
        logprobs=logprobs,
        echo=echo,
        cache_prompt=body.cache_prompt,
        slot=chosen_slot(body.id_slot, settings),
        lora=chosen_lora(body.lora, spec),
    )


def refuse_unknown_wishes(body: Struct, neutral: dict[str, tuple[Any, ...]]) -> None:
    """Raises ParameterUnsupported for a field whose value is not among those that ask for nothing."""
    for name, values in neutral.items():
        if getattr(body, name) not in values:
            raise ParameterUnsupported("http.unsupported_parameter", param=name, place=name)
