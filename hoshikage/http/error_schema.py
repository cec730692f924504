"""Gives the shapes of error answers, for the document that describes them. Any thread; pure."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType


class ProblemDetail(Struct, frozen=True, kw_only=True):
    """`n_prompt_tokens` and `n_ctx` tell by how much a prompt is too long; a 5xx has the request's id."""

    message: str
    type: str
    param: str | None
    code: str
    n_prompt_tokens: Any | UnsetType = UNSET
    n_ctx: Any | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


class Problem(Struct, frozen=True):
    """A Problem is the body of an error as OpenAI's clients know it."""

    error: ProblemDetail


class AnthropicDetail(Struct, frozen=True):
    """The detail says what is wrong, as Anthropic's clients expect it."""

    type: str
    message: str


class AnthropicProblem(Struct, frozen=True):
    """An AnthropicProblem is the body of an error as Anthropic's clients know it."""

    type: Literal["error"]
    error: AnthropicDetail
    request_id: str


class OllamaProblem(Struct, frozen=True):
    """An OllamaProblem is the body of an error as Ollama's clients know it."""

    error: str
