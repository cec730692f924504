"""Writes llama-server's chunks of an answer, and the answer that they add up to. Any thread; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from hoshikage import wire
from hoshikage.answer.output_parser import ParsedEnd
from hoshikage.answer.prepared import PreparedRequest
from hoshikage.answer.schema.media import in_words
from hoshikage.answer.shapes import Pacing, Progress, frame, logprobs_of, timings_of
from hoshikage.answer.stream import SSE, Warnings
from hoshikage.errors import HoshikageError
from hoshikage.http import error_response
from hoshikage.messages import Language
from hoshikage.params import FORBIDDEN, GenerationRequest, TextPrompt
from hoshikage.protocols.llama_server.native_schema import NativeFields
from hoshikage.tools import Content, Delta

MISSING: Final = object()
STOP_TYPES: Final = {"length": "limit", "stop": "eos"}


class NativeWriter:
    """This is the Writer of /completion and /infill (answer.stream)."""

    content_type = SSE
    headers: Mapping[str, str] = {}

    def __init__(self, prepared: PreparedRequest, body: NativeFields) -> None:
        jobs = [job for job in prepared.jobs for _ in range(job.choices)]
        self._answers = [_Answer(index, job, prepared.spec.name, body) for index, job in enumerate(jobs)]
        self._choices = body.choices
        self._ended: list[tuple[int, ParsedEnd]] = []
        """Choices of the prompt whose last frames wait for what is known when all of them have ended."""
        self._whole: dict[int, dict[str, Any]] = {}
        self._progresses = bool(body.return_progress)

    def begin(self, prompt: int, prompt_tokens: int) -> bytes:
        for answer in self._answers[prompt * self._choices :][: self._choices]:
            answer.prompt_tokens = prompt_tokens
        return b""

    def take_tokens(self, choice: int, tokens: Sequence[int]) -> None:
        """Takes the tokens of the next text to be said."""
        self._answers[choice].tokens += tokens

    def take_slot(self, choice: int, slot: int) -> None:
        """The choice has the sequence of this number."""
        self._answers[choice].slot = slot

    def take_forbidden(self, tokens: Sequence[int]) -> None:
        """Takes the tokens that `ignore_eos` forbids."""
        for answer in self._answers:
            answer.forbidden = tuple(tokens)

    def progress(self, prompt: int, progress: Progress) -> bytes:
        """So much of the prompt is computed."""
        if not self._progresses:
            return b""
        first = prompt * self._choices
        shown = {
            "index": first,
            "content": "",
            "tokens": [],
            "stop": False,
            "id_slot": self._answers[first].slot,
        }
        return frame({**shown, "prompt_progress": progress.shown()})

    def say(
        self, choice: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int
    ) -> bytes:
        text = "".join(delta.text for delta in deltas if isinstance(delta, Content))
        return frame(self._answers[choice].piece(text, logprobs, completion_tokens))

    def end(self, choice: int, end: ParsedEnd, warnings: Warnings, finished: wire.Finished | None) -> bytes:
        self._ended.append((choice, end))
        if finished is None:
            return b""
        ended, self._ended = self._ended, []
        for number, one in ended:
            self._whole[number] = self._answers[number].last(one, finished, whole=True)
        return b"".join(frame(self._answers[number].last(one, finished, whole=False)) for number, one in ended)

    def close(self) -> bytes:
        return b""

    def fail(self, error: HoshikageError, language: Language) -> bytes:
        return frame(error_response.body(error, language))

    def whole(self) -> Any:
        shown = [answer for _, answer in sorted(self._whole.items())]
        return shown if len(shown) > 1 else shown[0]


class _Answer:
    """Gathers one prompt's answer."""

    def __init__(self, index: int, job: GenerationRequest, model: str, body: NativeFields) -> None:
        self.index = index
        self.tokens: list[int] = []
        """The text of these tokens has not been said yet."""
        self.forbidden: tuple[int, ...] = ()
        self.slot = job.slot or 0
        """`slot` is the number of the sequence that it has; before it has one, that which it asked for."""
        self._job = job
        self._model = model
        self._body = body
        self._said: list[int] = []
        self._pace = Pacing()
        self._texts: list[str] = []
        self._logprobs: list[wire.Chosen] = []
        self.prompt_tokens = 0

    def piece(self, text: str, logprobs: Sequence[wire.Chosen], completion_tokens: int) -> dict[str, Any]:
        """Makes a piece of the stream."""
        self._texts.append(text)
        self._logprobs += logprobs
        tokens = [one.token.id for one in logprobs] or self.tokens
        self._said += tokens
        self.tokens = []
        shown: dict[str, Any] = {
            "index": self.index,
            "content": text,
            "tokens": tokens,
            "stop": False,
            "id_slot": self.slot,
            "tokens_predicted": completion_tokens,
            "tokens_evaluated": self.prompt_tokens,
        }
        if self._body.timings_per_token:
            shown["timings"] = self._pace.timings(self.prompt_tokens, completion_tokens)
        return {**shown, **_probabilities(logprobs, drawn=self._job.drawn)}

    def last(self, end: ParsedEnd, finished: wire.Finished, *, whole: bool) -> dict[str, Any]:
        """Makes the end of the stream, or where `whole`, all of it."""
        text = "".join(self._texts)
        prompt = self._job.prompt
        count = finished.completion_tokens
        if self._job.choices > 1:  # the end counts those of all
            count = len(self._said) + (end.reason == "stop" and end.stop is None)
        shown = {
            "index": self.index,
            "content": text if whole else "",
            "tokens": self._said if whole and self._body.return_tokens else [],
            "id_slot": self.slot,
            "stop": True,
            "model": self._model,
            "tokens_predicted": count,
            "tokens_evaluated": finished.prompt_tokens,
            "generation_settings": settings_of(self._job, self.forbidden),
            "prompt": in_words(prompt.text, prompt.media) if isinstance(prompt, TextPrompt) else "",
            "has_new_line": "\n" in text,
            "truncated": self._is_truncated(text, end, finished, count),
            "stop_type": "word" if end.stop is not None else STOP_TYPES[end.reason],
            "stopping_word": end.stop or "",
            "tokens_cached": finished.prompt_tokens + count,
            "timings": timings_of(finished),
        }
        likely = _probabilities(self._logprobs, drawn=self._job.drawn) if whole else {}
        return _selected({**shown, **likely}, self._body.response_fields)

    def _is_truncated(self, text: str, end: ParsedEnd, finished: wire.Finished, count: int) -> bool:
        """Whether the context was full, and no bound of the request was met."""
        job, timings = self._job, finished.timings
        bounded = job.max_tokens is not None and count >= job.max_tokens
        late = job.max_answer_ms is not None and timings.decode_ms >= job.max_answer_ms
        never = job.max_prompt_ms is not None and not count
        dedented = job.n_indent > 0 and "\n" in text and not text.rpartition("\n")[2].strip(" \t")
        return end.reason == "length" and end.stop is None and not (bounded or late or never or dedented)


def _selected(shown: dict[str, Any], paths: Sequence[str] | None) -> dict[str, Any]:
    """Returns only what the paths name, such as `timings/prompt_n`, each under its whole path; all where there are
    none."""
    if not paths:
        return shown
    result: dict[str, Any] = {}
    for path in paths:
        value: Any = shown
        for name in path.split("/"):
            value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
        if value is not MISSING:
            result[path] = value
    return result


def settings_of(job: GenerationRequest, forbidden: Sequence[int] = ()) -> dict[str, Any]:
    """Returns them as llama-server shows them, as far as they exist here. `forbidden`: what `ignore_eos` forbids."""
    sampling = asdict(job.sampling)
    return {
        **sampling,
        "logit_bias": [*map(list, job.sampling.logit_bias), *([token, FORBIDDEN] for token in forbidden)],
        "n_predict": -1 if job.max_tokens is None else job.max_tokens,
        "n_probs": job.logprobs or 0,
        "stop": list(job.stop),
        "grammar": "" if job.grammar is None else job.grammar.text,
    }


def _probabilities(logprobs: Sequence[wire.Chosen], *, drawn: bool) -> dict[str, Any]:
    """Returns probabilities as in a chat, and each token with its number; `drawn`: as chances, under names of their
    own."""
    rows = logprobs_of(logprobs)["content"]
    for shown, one in zip(rows, logprobs, strict=True):
        shown["id"] = one.token.id
        for other, likely in zip(shown["top_logprobs"], one.top, strict=True):
            other["id"] = likely.id
        if drawn:
            shown["top_probs"] = [_as_chance(other) for other in shown.pop("top_logprobs")]
            _as_chance(shown)
    return {"completion_probabilities": rows} if rows else {}


def _as_chance(shown: dict[str, Any]) -> dict[str, Any]:
    shown["prob"] = math.exp(shown.pop("logprob"))
    return shown
