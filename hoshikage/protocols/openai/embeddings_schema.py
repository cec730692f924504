"""The bodies of POST /v1/embeddings and /v1/rerank. Any thread; pure."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct

from hoshikage.answer.schema.raw import Name, Texts, inputs_of
from hoshikage.answer.schema.validation import convert
from hoshikage.errors import InvalidRequest
from hoshikage.params import Embedding, Ranking

MAX_INPUTS: Final = 2048
Encoding = Literal["float", "base64"]
CHOICES: Final = {"encoding_format": get_args(Encoding)}
WITHOUT_EFFECT: Final = {"user": "tells OpenAI's abuse watch who asks"}
"""Field -> why a local server may accept it without doing anything for it."""


class EmbeddingsBody(Struct, frozen=True, kw_only=True):
    """None is absent."""

    model: Name | None = None
    input: Texts
    encoding_format: Encoding | None = None
    dimensions: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    user: str | None = None

    @property
    def task(self) -> Embedding:
        """What the body asks of the engine."""
        return Embedding(inputs_of(self.input, "input"), self.dimensions)


class Document(Struct, frozen=True):
    text: str


class RerankBody(Struct, frozen=True, kw_only=True):
    """None is absent."""

    model: Name | None = None
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | Document], Meta(min_length=1, max_length=MAX_INPUTS)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(one if isinstance(one, str) else one.text for one in self.documents)

    @property
    def task(self) -> Ranking:
        """What the body asks of the engine."""
        return Ranking(self.query, self.texts)


def parse_embeddings(tree: Any) -> EmbeddingsBody:
    """The typed body. Raises InvalidRequest."""
    body = convert(tree, EmbeddingsBody, CHOICES)
    inputs = inputs_of(body.input, "input")
    if len(inputs) > MAX_INPUTS:
        raise InvalidRequest("http.wrong_length", param="input", place="input", relation=f"≤ {MAX_INPUTS}")
    for index, text in enumerate(inputs):
        if not text:
            place = "input" if len(inputs) == 1 else f"input[{index}]"
            raise InvalidRequest("http.wrong_length", param=place, place=place, relation="≥ 1")
    return body


def parse_rerank(tree: Any) -> RerankBody:
    """The typed body. Raises InvalidRequest."""
    return convert(tree, RerankBody, {})
