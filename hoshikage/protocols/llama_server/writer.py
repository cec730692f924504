"""llama-server's chunks of an answer, and the answer they add up to. Any thread; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from hoshikage import wire
from hoshikage.answer.output_parser import ParsedEnd
from hoshikage.answer.prepared import PreparedRequest
from hoshikage.answer.shapes import frame, logprobs_of, timings_of
from hoshikage.answer.stream import SSE, Warnings
from hoshikage.errors import HoshikageError
from hoshikage.http import error_response
from hoshikage.messages import Language
from hoshikage.params import GenerationRequest, TextPrompt
from hoshikage.tools import Content, Delta

STOP_TYPES: Final = {"length": "limit", "stop": "eos"}


class NativeWriter:
    """The Writer of /completion and /infill (answer.stream). Each prompt has one choice, of the same number."""

    content_type = SSE
    headers: Mapping[str, str] = {}

    def __init__(self, prepared: PreparedRequest) -> None:
        self._answers = [_Answer(index, job, prepared.spec.name) for index, job in enumerate(prepared.jobs)]
        self._whole: list[dict[str, Any]] = []

    def begin(self, prompt: int, prompt_tokens: int) -> bytes:
        self._answers[prompt].prompt_tokens = prompt_tokens
        return b""

    def say(
        self, choice: int, deltas: Sequence[Delta], logprobs: Sequence[wire.Chosen], completion_tokens: int
    ) -> bytes:
        text = "".join(delta.text for delta in deltas if isinstance(delta, Content))
        return frame(self._answers[choice].piece(text, logprobs, completion_tokens))

    def end(self, choice: int, end: ParsedEnd, warnings: Warnings, finished: wire.Finished | None) -> bytes:
        assert finished is not None
        self._whole.append(self._answers[choice].last(end, finished, whole=True))
        return frame(self._answers[choice].last(end, finished, whole=False))

    def close(self) -> bytes:
        return b""

    def fail(self, error: HoshikageError, language: Language) -> bytes:
        return frame(error_response.body(error, language))

    def whole(self) -> Any:
        return self._whole if len(self._whole) > 1 else self._whole[0]


class _Answer:
    """Gathers one prompt's answer."""

    def __init__(self, index: int, job: GenerationRequest, model: str) -> None:
        self.index = index
        self._job = job
        self._model = model
        self._texts: list[str] = []
        self._logprobs: list[wire.Chosen] = []
        self.prompt_tokens = 0

    def piece(self, text: str, logprobs: Sequence[wire.Chosen], completion_tokens: int) -> dict[str, Any]:
        """A piece of the stream."""
        self._texts.append(text)
        self._logprobs += logprobs
        shown = {
            "index": self.index,
            "content": text,
            "tokens": [],
            "stop": False,
            "id_slot": 0,
            "tokens_predicted": completion_tokens,
            "tokens_evaluated": self.prompt_tokens,
        }
        return {**shown, **_probabilities(logprobs)}

    def last(self, end: ParsedEnd, finished: wire.Finished, *, whole: bool) -> dict[str, Any]:
        """The end of the stream, or where `whole`, all of it."""
        text = "".join(self._texts)
        prompt = self._job.prompt
        shown = {
            "index": self.index,
            "content": text if whole else "",
            "tokens": [],
            "id_slot": 0,
            "stop": True,
            "model": self._model,
            "tokens_predicted": finished.completion_tokens,
            "tokens_evaluated": finished.prompt_tokens,
            "generation_settings": settings_of(self._job),
            "prompt": prompt.text if isinstance(prompt, TextPrompt) else "",
            "has_new_line": "\n" in text,
            "truncated": False,
            "stop_type": "word" if end.stop is not None else STOP_TYPES[end.reason],
            "stopping_word": end.stop or "",
            "tokens_cached": finished.prompt_tokens + finished.completion_tokens,
            "timings": timings_of(finished),
        }
        return {**shown, **(_probabilities(self._logprobs) if whole else {})}


def settings_of(job: GenerationRequest) -> dict[str, Any]:
    """As llama-server shows them, as far as they exist here."""
    sampling = asdict(job.sampling)
    return {
        **sampling,
        "logit_bias": [list(pair) for pair in job.sampling.logit_bias],
        "n_predict": -1 if job.max_tokens is None else job.max_tokens,
        "n_probs": job.logprobs or 0,
        "stop": list(job.stop),
        "grammar": "" if job.grammar is None else job.grammar.text,
    }


def _probabilities(logprobs: Sequence[wire.Chosen]) -> dict[str, Any]:
    return {"completion_probabilities": logprobs_of(logprobs)["content"]} if logprobs else {}
