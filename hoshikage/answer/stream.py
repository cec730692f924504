"""Brings every answer to its client, whatever the protocol: notes in, a writer's frames out. Event loop thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import cache
from typing import Any, Final, Protocol, cast, runtime_checkable

import msgspec
from aiohttp import web

from hoshikage import wire
from hoshikage.answer.output_parser import OutputParser, ParsedEnd
from hoshikage.answer.prepared import PreparedRequest, renamed
from hoshikage.answer.remembering import CONDENSED_HEADER, RECALLED_HEADER, keep_said
from hoshikage.answer.shapes import REPAIR_HEADER, SHIFTED_HEADER, Progress
from hoshikage.answer.submit import keep, kept_s, submit
from hoshikage.dispatch.client import Note, Waiting
from hoshikage.dispatch.tries import Answering
from hoshikage.errors import HoshikageError, InferenceFailed, InvalidRequest
from hoshikage.http import error_response, ignored
from hoshikage.http.json_response import json_response
from hoshikage.http.keys import LIBRARY, STREAM_TIMEOUTS
from hoshikage.http.sse import Comment, EventStream, queued
from hoshikage.messages import Language, text
from hoshikage.tools import Content, Delta

SSE: Final = "text/event-stream; charset=utf-8"
SPACE: Final = b" "
"""Fills the silence of streams that are a JSON value a line: readers skip it in front of the value."""
KEYWORDS: Final = frozenset(
    (
        "type", "enum", "const", "$ref", "$dynamicRef", "properties", "patternProperties", "additionalProperties",
        "unevaluatedProperties", "required", "propertyNames", "minProperties", "maxProperties", "dependentRequired",
        "dependentSchemas", "dependencies", "items", "prefixItems", "contains", "additionalItems",
        "unevaluatedItems", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minLength",
        "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
        "multipleOf", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
    )
)  # fmt: skip
"""These are words of JSON Schema, which the log may have."""

log: Final = logging.getLogger("hoshikage.server")
Warnings = list[dict[str, str]]


class Writer(Protocol):
    """Makes one protocol's frames of an answer as it comes, and keeps the whole of it. Pure.

    Choices are numbered through all prompts; those that are computed together come mixed.
    """

    content_type: str
    """`content_type` is that of the stream."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Returns the headers that the answer has of its own."""
        ...

    def begin(self, prompt: int, prompt_tokens: int) -> bytes:
        """A prompt's answer begins; this comes before its first frames."""
        ...

    def say(
        self, choice: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int
    ) -> bytes:
        """Frames a piece of a choice, with the log probabilities of its tokens.

        `completion_tokens` have come so far in all choices of its prompt; 0 where the prompt itself is told back.
        """
        ...

    def end(self, choice: int, end: ParsedEnd, warnings: Warnings, finished: wire.Finished | None) -> bytes:
        """A choice has ended; what `end` held back has been said. `finished`: with it, its prompt's answer."""
        ...

    def close(self) -> bytes:
        """Returns the last frames, once all has been answered."""
        ...

    def fail(self, error: HoshikageError, language: Language) -> bytes:
        """The answer breaks off; this comes in place of what is left."""
        ...

    def whole(self) -> Any:
        """Returns the answer as one value, after `close`."""
        ...


@runtime_checkable
class TakesTokens(Protocol):
    """Such a writer is told the tokens of the next text to be said."""

    def take_tokens(self, choice: int, tokens: Sequence[int]) -> None: ...


@runtime_checkable
class TakesPrompt(Protocol):
    """Such a writer is told the prompt's tokens, before those of its answer."""

    def take_prompt(self, tokens: Sequence[int]) -> None: ...


@runtime_checkable
class NamesLibrary(Protocol):
    """Such a writer puts the name of the library that computes into its frames. It is told before the first of them."""

    def take_library(self, library: str) -> None: ...


@runtime_checkable
class TakesSlot(Protocol):
    """Such a writer is told the number of the sequence that a choice has."""

    def take_slot(self, choice: int, slot: int) -> None: ...


@runtime_checkable
class TakesForbidden(Protocol):
    """Such a writer is told which tokens `ignore_eos` forbids."""

    def take_forbidden(self, tokens: Sequence[int]) -> None: ...


@runtime_checkable
class TellsProgress(Protocol):
    """Such a writer may tell how far a prompt is computed, before its answer begins."""

    def progress(self, prompt: int, progress: Progress) -> bytes: ...


async def respond(
    request: web.Request,
    prepared: PreparedRequest,
    writer: Writer,
    *,
    stream: bool,
    ttl: float | None = None,
    ended: Callable[[], None] | None = None,
) -> web.StreamResponse:
    """Sends the answer, streamed or whole. `ended` is called once it is complete, before the client is told so. The
    model then stays for `ttl` seconds, where they are given.

    Raises what the engine raises, as long as the status can still be told.
    """
    pump = _Pump(request, prepared, writer, kept_s(prepared.spec, ttl, "ttl"), ended)
    try:
        if stream:
            return await _streamed(request, pump, writer)
        await pump.run(None)
    except InvalidRequest as error:
        raise renamed(error, prepared.rename) from None
    return json_response(writer.whole(), pump.headers)


async def _streamed(request: web.Request, pump: _Pump, writer: Writer) -> web.StreamResponse:
    """The first piece, or an end without one, decides the status; so does a long silence where comments fill it."""
    filler = None if writer.content_type == SSE else SPACE
    async with EventStream(request, request.app[STREAM_TIMEOUTS], filler) as stream:
        stream.response.headers["Content-Type"] = writer.content_type
        try:
            last = await pump.run(stream)
        except ConnectionError:
            return stream.response
        except Exception as error:
            if not stream.committed:
                raise
            last = pump.failed(error_response.record(error), error_response.language(request))
        with suppress(ConnectionError):
            await stream.finish(last)
        return stream.response


def _warning(code: str, language: Language) -> dict[str, str]:
    return {"code": code, "message": text(language, f"http.{code}")}


class _Pump:
    """Feeds the notes of all jobs to a writer."""

    def __init__(
        self,
        request: web.Request,
        prepared: PreparedRequest,
        writer: Writer,
        ttl: float | None,
        ended: Callable[[], None] | None,
    ) -> None:
        language = error_response.language(request)
        self._unparsed = [_warning("tool_call_unparsed", language)]
        self._left_out = [_warning("content_left_out", language)]
        self._request = request
        self._prepared = prepared
        self._writer = writer
        self._on_end = ended
        self._ttl = ttl
        self._prompt = 0
        self._first = 0
        """The current prompt's first choice has this number."""
        self._parsers: dict[int, OutputParser] = {}
        self._started: wire.Started | None = None
        self._begun = False
        self._prefill: tuple[int, float] | None = None
        """This is how much of the prompt was computed when its progress was first told, and when that was."""
        self._finished = False
        self.headers: dict[str, str] = dict(writer.headers)
        """`headers` are what has become known for the answer's headers."""
        if prepared.memory.condensed:
            self.headers[CONDENSED_HEADER] = str(prepared.memory.condensed)
        if prepared.memory.recalled:
            self.headers[RECALLED_HEADER] = str(prepared.memory.recalled)
        self._heard: list[str] | None = None if prepared.memory.kept is None else []
        """This gathers what the first choice has said, where it is to be kept."""
        self.comment: Comment = "waiting"
        """A silent stream says this."""

    async def run(self, stream: EventStream | None) -> bytes:
        """Sends all but the last frames, which it returns. Raises what the engine raises, ConnectionError, and
        InferenceFailed for an answer without a good end."""
        last = b""
        for prompt, job in enumerate(self._prepared.jobs):
            if last and stream is not None:
                await stream.send(last)
            self._prompt, self._first = prompt, prompt * job.choices
            self._parsers, self._started, self._begun, self._finished, last = {}, None, False, False, b""
            self._prefill = None
            async with aclosing(submit(self._request, self._prepared.spec, job, whole=stream is None)) as notes:
                async for note in notes:
                    frames = self._take(note, job.choices)
                    if self._finished:
                        last += frames  # it goes out when the engine is free of the job
                    elif stream is not None:
                        if frames:
                            await stream.send(frames)
                        elif not stream.committed:
                            stream.response.headers.update(self.headers)
                        stream.comment = self.comment
            if not self._finished:
                raise InferenceFailed("http.answer_cut")
        last += self._writer.close()
        if self._prepared.memory.kept is not None:
            keep_said(self._request, self._prepared.memory.kept, "".join(self._heard or ()))
        if self._on_end is not None:
            self._on_end()
        keep(self._request, self._prepared.spec, self._ttl)
        return last

    def failed(self, error: HoshikageError, language: Language) -> bytes:
        """Returns the last frames of an answer that breaks off."""
        return self._lead() + self._writer.fail(error, language)

    def _take(self, note: Note, choices: int) -> bytes:
        """Returns the frames to send now. Raises InferenceFailed for an end that is none."""
        if isinstance(note, wire.Token):
            if note.tokens and _offers(type(self._writer), TakesTokens):
                cast("TakesTokens", self._writer).take_tokens(self._first + note.choice, note.tokens)
            deltas = self._parser(note.choice).feed(note.text)
            return self._say(note.choice, deltas, note.logprobs or (), note.completion_tokens)
        if isinstance(note, wire.ChoiceEnd):
            return self._end(note.choice, note.reason, note.stop, None)
        if isinstance(note, wire.Finished):
            if note.reason == "cancelled":
                raise InferenceFailed("http.answer_cut")
            self._finished = True
            if self._prepared.memory.condensed:
                note = msgspec.structs.replace(note, condensed_turns=self._prepared.memory.condensed)
            return self._end(note.choice, note.reason, note.stop, note)
        if isinstance(note, wire.Echo):
            frames = [self._say(one, (Content(note.text),), note.logprobs or (), 0) for one in range(choices)]
            return b"".join(frames)
        self._progress(note)
        if isinstance(note, wire.Prefill) and _offers(type(self._writer), TellsProgress):
            return self._lead() + cast("TellsProgress", self._writer).progress(self._prompt, self._computed(note.done))
        return b""

    def _computed(self, done: int) -> Progress:
        """What was there when the first of the prompt's progress came was in memory already."""
        now = time.monotonic()
        if self._prefill is None:
            self._prefill = (done, now)
        cached, began = self._prefill
        return Progress(self._started.prompt_tokens if self._started else 0, cached, done, (now - began) * 1e3)

    def _parser(self, choice: int) -> OutputParser:
        parser = self._parsers.get(choice)
        if parser is None:
            tail = self._started.tail if self._started else ""
            parser = self._parsers[choice] = OutputParser(self._prepared.parsing, tail)
        return parser

    def _lead(self) -> bytes:
        """Returns what begins the current prompt's answer, once; then nothing."""
        if self._begun:
            return b""
        self._begun = True
        return self._writer.begin(self._prompt, self._started.prompt_tokens if self._started else 0)

    def _say(
        self, choice: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int
    ) -> bytes:
        if self._heard is not None and choice == 0:
            self._heard += [delta.text for delta in deltas if isinstance(delta, Content)]
        lead = self._lead() if deltas and not self._begun else b""  # first, as writers number their frames
        return lead + self._writer.say(self._first + choice, deltas, logprobs, completion_tokens)

    def _end(self, choice: int, reason: wire.FinishReason, stop: str | None, finished: wire.Finished | None) -> bytes:
        end = self._parser(choice).finish(reason, stop)
        lead = self._lead()
        said = self._say(choice, end.deltas, (), finished.completion_tokens if finished else 0) if end.deltas else b""
        unparsed = [] if end.parsed else self._unparsed
        left_out = self._left_out if ignored.lacks_content() else []
        warnings = [*self._prepared.memory.warnings, *left_out, *unparsed]
        return lead + said + self._writer.end(self._first + choice, end, warnings, finished)

    def _progress(self, note: Note) -> None:
        if isinstance(note, wire.Started):
            self._starts(note)
        elif isinstance(note, wire.Prefill):
            total = self._started.prompt_tokens if self._started else 0
            self.comment = f"prefill {100 * note.done // max(total, 1)}%"
        elif isinstance(note, wire.SlotTaken):
            if _offers(type(self._writer), TakesSlot):
                cast("TakesSlot", self._writer).take_slot(self._first + note.choice, note.slot)
        elif isinstance(note, wire.Loading):
            self.comment = f"loading {int(100 * note.progress)}%"
        elif isinstance(note, Waiting):
            self.comment = queued(note)
        elif isinstance(note, Answering):
            self._request[LIBRARY] = note.library
            if _offers(type(self._writer), NamesLibrary):
                cast("NamesLibrary", self._writer).take_library(note.library)

    def _starts(self, note: wire.Started) -> None:
        """The prompt is ready: what was made of it is told in the headers."""
        self._started = note
        if note.repairs:
            self.headers[REPAIR_HEADER] = ", ".join(note.repairs)
        if note.shifted:
            self.headers[SHIFTED_HEADER] = str(note.shifted)
        if note.cut:
            ignored.current().add(f"context[0:{note.cut}]")
        for place in note.left_out:
            ignored.note(place, is_content=True)
        if note.forbidden and _offers(type(self._writer), TakesForbidden):
            cast("TakesForbidden", self._writer).take_forbidden(note.forbidden)
        if note.dropped:
            ignored.current().update(note.dropped)
            log.warning("not enforced: %s", _keywords(note.dropped))
        if note.tokens and _offers(type(self._writer), TakesPrompt):
            cast("TakesPrompt", self._writer).take_prompt(note.tokens)
        self.comment = "prefill 0%"


@cache
def _offers(kind: type[Writer], ability: Hashable) -> bool:
    """Returns whether writers of that kind have what the protocol `ability` asks for. isinstance alone would go through
    its members each time: some 20 µs, several times an answer."""
    return issubclass(kind, cast("type", ability))


def _keywords(places: Sequence[str]) -> str:
    """Leaves out the request's own words, which do not belong into the log: a place may end with a name."""
    words = {place.rpartition(".")[2].partition("=")[0].partition("[")[0] for place in places}
    return ", ".join(sorted({word if word in KEYWORDS else "schema" for word in words}))
