"""Serves POST /v1/audio/transcriptions: what a recording says, by a model that reads sound. Event loop thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from hoshikage import wire
from hoshikage.answer.choice import model_for
from hoshikage.answer.output_parser import ParsedEnd
from hoshikage.answer.prepared import prepare
from hoshikage.answer.schema.formats import duration_of
from hoshikage.answer.senses import senses_for
from hoshikage.answer.shapes import frame
from hoshikage.answer.stream import SSE, Warnings, respond
from hoshikage.errors import HoshikageError, ParameterUnsupported
from hoshikage.http import error_response
from hoshikage.http.form import read_form
from hoshikage.http.ignored import look
from hoshikage.messages import Language
from hoshikage.protocols.openai import transcriptions_schema as schema
from hoshikage.tools import Content, Delta

PLAIN: Final = "text/plain"


async def transcriptions(request: web.Request) -> web.StreamResponse:
    fields = await read_form(request)
    form = schema.parse(fields)
    obeyed = schema.GRANULARITIES if form.response_format == "verbose_json" else ()
    look({name: raw for name, raw in fields.items() if name not in obeyed}, schema.TranscriptionForm, {})
    spec = await model_for(request, form.model, "text")
    senses = await senses_for(request, spec)
    if not senses.audio:
        raise ParameterUnsupported("media.no_audio", param="model", place=spec.name)
    prepared = await prepare(request, spec, schema.to_chat(form), schema.rename)
    writer = TranscriptWriter(form)
    answer = await respond(request, prepared, writer, stream=bool(form.stream))
    if form.stream or form.response_format != "text":
        return answer
    return web.Response(text=writer.text + "\n", content_type=PLAIN)


class TranscriptWriter:
    """This is the Writer of transcriptions (answer.stream)."""

    content_type = SSE
    headers: Mapping[str, str] = {}

    def __init__(self, form: schema.TranscriptionForm) -> None:
        self._form = form
        self._said: list[str] = []
        self._usage: dict[str, Any] = {}

    @property
    def text(self) -> str:
        return "".join(self._said).strip()

    def begin(self, _prompt: int, _prompt_tokens: int) -> bytes:
        return b""

    def say(
        self, _choice: int, deltas: Sequence[Delta], _logprobs: Sequence[wire.Chosen], _completion_tokens: int
    ) -> bytes:
        said = "".join(delta.text for delta in deltas if isinstance(delta, Content))
        self._said.append(said)
        return frame({"type": "transcript.text.delta", "delta": said}) if said else b""

    def end(self, _choice: int, _end: ParsedEnd, _warnings: Warnings, finished: wire.Finished | None) -> bytes:
        if finished is not None:
            taken, made = finished.prompt_tokens, finished.completion_tokens
            self._usage = {
                "type": "tokens",
                "input_tokens": taken,
                "output_tokens": made,
                "total_tokens": taken + made,
            }
        return b""

    def close(self) -> bytes:
        return frame({"type": "transcript.text.done", "text": self.text, "usage": self._usage})

    def fail(self, error: HoshikageError, language: Language) -> bytes:
        return frame(error_response.body(error, language))

    def whole(self) -> dict[str, Any]:
        if self._form.response_format != "verbose_json":
            return {"text": self.text, "usage": self._usage}
        seconds = round(duration_of(self._form.file), 3)
        segment = {"id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": self.text}
        return {
            "task": "transcribe",
            "language": self._form.language or "",
            "duration": seconds,
            "text": self.text,
            "segments": [segment],
            "usage": self._usage,
        }
