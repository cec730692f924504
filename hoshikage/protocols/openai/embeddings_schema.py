"""Defines the bodies of POST /v1/embeddings and /v1/rerank. Any thread; pure."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct

from hoshikage.answer.schema.raw import Name, Texts, embedded, inputs_of
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.validation import convert
from hoshikage.answer.schema.values import Ttl
from hoshikage.errors import InvalidRequest
from hoshikage.params import Embedding, Ranking

MAX_INPUTS: Final = 2048
Encoding = Literal["float", "base64"]
Direction = Literal["right", "left", "Right", "Left"]
CHOICES: Final = {"encoding_format": get_args(Encoding)}
WITHOUT_EFFECT: Final = {"user": "tells OpenAI's abuse watch who asks"}
"""Maps a field to the reason why a local server may accept it without doing anything for it."""


class EmbeddingsBody(Struct, frozen=True, kw_only=True):
    """A field that is None was absent."""

    model: Name | None = None
    input: Texts
    encoding_format: Encoding | None = None
    dimensions: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    ttl: Ttl | None = None
    user: str | None = None

    @property
    def task(self) -> Embedding:
        """Makes what the body asks of the engine."""
        return Embedding(embedded(self.input, "input"), self.dimensions)


class Document(Struct, frozen=True):
    """This is one of the texts that are ranked."""

    text: str


class RerankBody(Struct, frozen=True, kw_only=True):
    """A field that is None was absent."""

    model: Name | None = None
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | Document], Meta(min_length=1, max_length=MAX_INPUTS)] | None = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None
    texts: Annotated[list[str], Meta(min_length=1, max_length=MAX_INPUTS)] | None = None
    """Documents may come under this name, as text-embeddings-inference has it; the answer then is in its form, too."""
    raw_scores: bool | None = None
    return_text: bool | None = None
    truncate: bool | None = None
    truncation_direction: Direction | None = None
    ttl: Ttl | None = None

    @property
    def contents(self) -> tuple[str, ...]:
        """Gives the documents' texts."""
        return tuple(one if isinstance(one, str) else one.text for one in self.documents or self.texts or ())

    @property
    def task(self) -> Ranking:
        """Makes what the body asks of the engine."""
        cut: Literal["", "right", "left"] = "left" if self.truncation_direction in ("left", "Left") else "right"
        param = "documents" if self.texts is None else "texts"
        return Ranking(self.query, self.contents, cut if self.truncate else "", param)


EMBEDDINGS: Final = RequestBody(EmbeddingsBody, WITHOUT_EFFECT)
RERANK: Final = RequestBody(RerankBody)


def parse_embeddings(tree: Any) -> EmbeddingsBody:
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
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
    """Makes the typed body of parsed JSON. Raises InvalidRequest."""
    body = convert(tree, RerankBody, {"truncation_direction": get_args(Direction)})
    if body.documents is None and body.texts is None:
        raise InvalidRequest("http.field_missing", param="documents", place="documents")
    if body.documents is not None and body.texts is not None:
        raise InvalidRequest("http.formats_conflict", param="texts", names="documents, texts")
    return body
