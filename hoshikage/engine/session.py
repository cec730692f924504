"""One running request: its tokens, sampler, text and counters. Lives on the engine thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hoshikage import wire
from hoshikage.llama.context import Context
from hoshikage.llama.sampler import Sampler
from hoshikage.llama.text import TextAssembler
from hoshikage.llama.vocab import Vocab
from hoshikage.params import Timings


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt that fits the context, with what ends its answer."""

    tokens: Sequence[int]
    limit: int
    """Most tokens to generate, at least 1; prompt and answer together fit the context."""
    stop: tuple[str, ...]
    stop_tokens: frozenset[int]


class Session:
    """From a prompt to its end event. The scheduler feeds it to the batch and brings it sampled tokens."""

    def __init__(
        self,
        job: int,
        prompt: Prompt,
        sampler: Sampler,
        vocab: Vocab,
        emit: Callable[[wire.Event], None],
        begun: float,
    ) -> None:
        """`begun`: `time.perf_counter()` at the job's start, before its prompt was rendered."""
        self.job = job
        self.seq_id = 0
        self.batch_index: int | None = None
        """Where in the decoded batch this session's logits are; None while its prompt is not all in."""
        self._prompt = prompt
        self._sampler = sampler
        self._vocab = vocab
        self._emit = emit
        self._text = TextAssembler(prompt.stop)
        self._pending: Sequence[int] = prompt.tokens
        self._position = 0
        self._generated = 0
        self._begun = begun
        self._prompt_done = self._first_token = 0.0

    def fill(self, context: Context) -> None:
        """Puts the next pending tokens into the batch, as many as it has room for; logits only for the last of all."""
        batch = context.batch
        pending = self._pending
        taken = min(len(pending), context.n_batch - batch.n_tokens)
        whole = taken == len(pending)
        last = taken - 1
        self.batch_index = None
        for offset in range(taken):
            wanted = whole and offset == last
            index = batch.add(pending[offset], self._position + offset, self.seq_id, wanted)
            if wanted:
                self.batch_index = index
        self._position += taken
        self._pending = () if whole else pending[taken:]

    def prefilled(self) -> None:
        """A decode went through without this session's last prompt token: says how far it is."""
        self._emit(wire.Prefill(self.job, self._position))

    def advance(self) -> bool:
        """Samples from the decoded batch and emits what is certain. False when the session has ended."""
        assert self.batch_index is not None
        if not self._generated:
            self._prompt_done = time.perf_counter()
        token = self._sampler.sample(self.batch_index)
        self._generated += 1
        if self._generated == 1:
            self._first_token = time.perf_counter()
        if self._vocab.is_eog(token) or token in self._prompt.stop_tokens:
            return self._end("stop")
        text = self._text.feed(self._vocab.piece(token))
        if text:
            self._emit(wire.Token(self.job, text, self._generated))
        if self._text.stopped:
            return self._end("stop")
        if self._generated >= self._prompt.limit:
            return self._end("length")
        self._pending = (token,)
        return True

    def cancel(self) -> None:
        self._end("cancelled")

    def close(self) -> None:
        self._sampler.close()

    def _end(self, reason: wire.FinishReason) -> bool:
        if rest := self._text.finish():
            self._emit(wire.Token(self.job, rest, self._generated))
        now = time.perf_counter()
        prompt_done = self._prompt_done or now
        first_token = self._first_token or now
        timings = Timings(
            prompt_ms=(prompt_done - self._begun) * 1e3,
            first_token_ms=(first_token - self._begun) * 1e3,
            decode_ms=(now - first_token) * 1e3,
        )
        self._emit(wire.Finished(self.job, reason, len(self._prompt.tokens), self._generated, timings))
        return False
