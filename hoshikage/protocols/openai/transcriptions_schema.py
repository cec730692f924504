"""Defines the form of POST /v1/audio/transcriptions, and the chat that it stands for. Any thread; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct

from hoshikage.answer.schema.chat import ChatBody
from hoshikage.answer.schema.media import ContentPart, PlacedPart
from hoshikage.answer.schema.memory import MemoryFields
from hoshikage.answer.schema.request_body import RequestBody
from hoshikage.answer.schema.turns import ChatMessage
from hoshikage.answer.schema.validation import convert
from hoshikage.errors import InvalidRequest, ParameterUnsupported

Form = Literal["json", "text", "verbose_json"]
CHOICES: Final = {"response_format": get_args(Form)}
TIMED: Final = ("srt", "vtt", "diarized_json")
"""These forms tell when each word was said, or by whom, which no model here does."""
GRANULARITIES: Final = ("timestamp_granularities[]", "timestamp_granularities")
"""The SDK writes it with brackets."""
NUMBERS: Final = ("temperature",)
TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False, "": False}
NO_MEMORY: Final = MemoryFields(summary=False, recall=False, store=False)


class TranscriptionForm(Struct, frozen=True, kw_only=True):
    """One request as it came, types and bounds checked. None is absent."""

    file: bytes
    model: Annotated[str, Meta(max_length=256)] | None = None
    language: Annotated[str, Meta(max_length=64)] | None = None
    prompt: Annotated[str, Meta(max_length=8192)] | None = None
    response_format: Form | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    stream: bool | None = None


BODY: Final = RequestBody(TranscriptionForm)


def parse(fields: Mapping[str, bytes]) -> TranscriptionForm:
    """Makes the typed form. Raises InvalidRequest, ParameterUnsupported."""
    tree: dict[str, Any] = {"file": fields["file"]} if "file" in fields else {}
    for name, raw in fields.items():
        if name != "file" and name in TranscriptionForm.__struct_fields__:
            tree[name] = _value(name, raw)
    if tree.get("response_format") in TIMED:
        raise ParameterUnsupported("media.untimed", param="response_format", place="response_format")
    for name in GRANULARITIES:
        if b"word" in fields.get(name, b""):
            place = "timestamp_granularities"
            raise ParameterUnsupported("media.untimed", param=place, place=place)
    form = convert(tree, TranscriptionForm, CHOICES)
    if form.stream and form.response_format == "verbose_json":
        raise InvalidRequest("http.formats_conflict", param="stream", names="stream, response_format: verbose_json")
    return form


def to_chat(form: TranscriptionForm) -> ChatBody:
    """Makes the chat that is asked for."""
    words = ["Transcribe this recording word for word, and write nothing else."]
    if form.language:
        words.append(f"It is in this language: {form.language}.")
    if form.prompt:
        words.append(f"What was said before, or words that may occur: {form.prompt}")
    content: list[ContentPart] = [
        PlacedPart("input_audio", place="file", is_asked=True, file=form.file),
        ContentPart("text", " ".join(words)),
    ]
    return ChatBody(
        model=form.model,
        messages=[ChatMessage("user", content)],
        temperature=0.0 if form.temperature is None else form.temperature,
        enable_thinking=False,
        memory=NO_MEMORY,
    )


def rename(place: str) -> str:
    """Returns a chat body's field as this form calls it."""
    return "file" if place.startswith(("file", "messages")) else place


def _number(text: str) -> float:
    """Raises ValueError for what is no number, infinities included."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _value(name: str, raw: bytes) -> Any:
    try:
        text = raw.decode()
        if name in NUMBERS:
            return _number(text)
    except ValueError:
        raise InvalidRequest("http.invalid_value", param=name, place=name) from None
    if name == "stream":
        if text.lower() not in TRUTHS:
            raise InvalidRequest("http.invalid_value", param=name, place=name)
        return TRUTHS[text.lower()]
    return text or None
