"""What requests for text without a chat have in common: prompts as text or tokens, stops, grammar. Any thread; pure."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from hoshikage.answer.schema.output import ResponseFormat, grammar_of
from hoshikage.answer.schema.sampling import SamplingFields, sampling_params
from hoshikage.answer.schema.values import Stops, stops
from hoshikage.errors import InvalidRequest, ParameterUnsupported
from hoshikage.params import GenerationRequest, Prompt, TextPrompt, TokenPrompt
from hoshikage.registry import DEFAULT_STOPS, ModelSpec
from hoshikage.settings import Settings

MAX_PROMPTS: Final = 64

Name = Annotated[str, Meta(max_length=256)]
Texts = str | Annotated[list[str | int | list[int]], Meta(min_length=1)]
"""A text, tokens, or several of either."""


class RawFields(SamplingFields, frozen=True, kw_only=True):
    """None is absent."""

    stream: bool | None = None
    stop: Stops | None = None
    grammar: str | None = None
    json_schema: dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    cache_prompt: bool | None = None


def inputs_of(given: Texts, place: str) -> tuple[str | tuple[int, ...], ...]:
    """Each text as such, or its tokens. Raises InvalidRequest for a mixture."""
    if isinstance(given, str):
        return (given,)
    if isinstance(given[0], int):
        return (tuple(_all(given, int, place)),)
    if isinstance(given[0], str):
        found: tuple[str | tuple[int, ...], ...] = tuple(_all(given, str, place))
    else:
        found = tuple(tuple(tokens) for tokens in _all(given, list, place))
    return found


def prompts_of(given: Texts) -> tuple[Prompt, ...]:
    """Raises InvalidRequest."""
    found = inputs_of(given, "prompt")
    if len(found) > MAX_PROMPTS:
        raise InvalidRequest("http.wrong_length", param="prompt", place="prompt", relation=f"≤ {MAX_PROMPTS}")
    return tuple(TextPrompt(one) if isinstance(one, str) else TokenPrompt(one) for one in found)


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
    grammar = grammar_of(body.response_format, body.grammar, body.json_schema)
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
    )


def refuse_unknown_wishes(body: Struct, neutral: dict[str, tuple[Any, ...]]) -> None:
    """Raises ParameterUnsupported for a field whose value is not among those that ask for nothing."""
    for name, values in neutral.items():
        if getattr(body, name) not in values:
            raise ParameterUnsupported("http.unsupported_parameter", param=name, place=name)


def _all(given: list[Any], kind: type, place: str) -> list[Any]:
    names = {str: "string", int: "integer", list: "array"}
    for index, value in enumerate(given):
        if not isinstance(value, kind):
            where = f"{place}[{index}]"
            raise InvalidRequest(
                "http.wrong_type", param=where, place=where, expected=names[kind], got=names[type(value)]
            )
    return given
