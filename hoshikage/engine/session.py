"""One running answer: its tokens, sampler, text and counters. Lives on the engine thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hoshikage import wire
from hoshikage.engine.echo import Echoing
from hoshikage.engine.ledger import Ledger
from hoshikage.llama.choice import Choice
from hoshikage.llama.context import Context
from hoshikage.llama.logprobs import Scorer
from hoshikage.llama.sampler import Sampler
from hoshikage.llama.text import TextAssembler
from hoshikage.llama.vocab import Vocab
from hoshikage.params import Timings


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt that fits the context, with what ends its answer."""

    tokens: Sequence[int]
    limit: int
    """Most tokens to generate; prompt and answer together fit the context."""
    stop: tuple[str, ...]
    stop_tokens: frozenset[int]
    special: Mapping[int, bytes]
    """Control tokens that have a text in this answer."""
    repairs: tuple[str, ...]
    tail: str
    """As in wire.Started."""
    echo: tuple[bytes, ...] | None = None
    """The bytes of the tokens that are told back; None for nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One job as it shall run: its choices come one after the other, each from an empty KV memory."""

    job: int
    prompt: Prompt
    choices: int
    open_sampler: Callable[[int], Sampler | Choice]
    """Given the choice's number."""
    scorer: Scorer | None
    """Where log probabilities are asked for."""
    vocab: Vocab
    emit: Callable[[wire.Event], None]
    begun: float
    """`time.perf_counter()` at the job's start, before its prompt was rendered."""


@dataclass(slots=True)
class Tally:
    """What the choices of one job have taken together."""

    generated: int = 0
    prompt_ms: float = 0.0
    first_token_ms: float = 0.0
    decode_ms: float = 0.0


class Session:
    """From a prompt to its end event. The scheduler feeds it to the batch and brings it sampled tokens."""

    def __init__(self, plan: Plan, choice: int = 0, tally: Tally | None = None) -> None:
        """`tally`: of the choices before this one."""
        self.job = plan.job
        self.seq_id = 0
        self.batch_index: int | None = None
        """Where in the decoded batch this session's logits are; None while its prompt is not all in."""
        self._plan = plan
        self._choice = choice
        self._tally = Tally() if tally is None else tally
        self._prompt = plan.prompt
        self._sampler = plan.open_sampler(choice)
        self._conditions = self._sampler if isinstance(self._sampler, Choice) else None
        self._vocab = plan.vocab
        self._emit = plan.emit
        self._text = TextAssembler(plan.prompt.stop)
        self._ledger = None if plan.scorer is None else Ledger()
        self._echo = (
            None
            if plan.prompt.echo is None or choice  # the choices share their prompt
            else Echoing(plan.job, plan.prompt.echo, len(plan.prompt.tokens), plan.scorer, plan.vocab)
        )
        self._last_index = 0
        self._pending: Sequence[int] = plan.prompt.tokens
        self._position = 0
        self._before = self._generated = self._tally.generated
        self._limit = self._before + plan.prompt.limit
        self._begun = time.perf_counter() if choice else plan.begun
        self._prompt_done = self._first_token = 0.0
        self._cancelled = False

    def fill(self, context: Context) -> None:
        """Puts the next pending tokens into the batch, as many as it has room for; logits only for the last of all.

        Where a prompt's tokens are scored, it is one: not every release gives one sequence the logits of several.
        """
        batch = context.batch
        pending = self._pending
        scored = self._echo is not None and self._echo.scores
        taken = 1 if scored else min(len(pending), context.n_batch - batch.n_tokens)
        whole = taken == len(pending)
        last = taken - 1
        self.batch_index = None
        for offset in range(taken):
            wanted = whole and offset == last
            index = batch.add(pending[offset], self._position + offset, self.seq_id, wanted or scored)
            self._last_index = index
            if wanted:
                self.batch_index = index
        self._position += taken
        self._pending = () if whole else pending[taken:]

    def prefilled(self) -> None:
        """A decode went through without this session's last prompt token: says how far it is."""
        if self._echo is not None:
            self._echo.score(self._last_index, self._position, self._pending[0])
        self._emit(wire.Prefill(self.job, self._position))

    def advance(self) -> bool:
        """Samples from the decoded batch and emits what is certain. False when the session has ended."""
        assert self.batch_index is not None
        first = self._generated == self._before
        if first:
            self._prompt_done = time.perf_counter()
            self._tell_prompt()
            if not self._prompt.limit:
                return self._end("length")
        token = self._sampler.sample(self.batch_index)
        self._generated += 1
        if first:
            self._first_token = time.perf_counter()
        if self._vocab.is_eog(token) or token in self._prompt.stop_tokens:
            return self._end("stop")
        piece = self._vocab.piece(token) or self._prompt.special.get(token, b"")
        text = self._text.feed(piece)
        if self._ledger is not None:
            self._note(self._ledger, token, piece, text)
        elif text:
            self._emit(wire.Token(self.job, text, self._generated, self._choice))
        if self._text.stop is not None or (self._conditions is not None and self._conditions.complete):
            return self._end("stop")
        if self._generated >= self._limit:
            return self._end("length")
        self._pending = (token,)
        return True

    def follower(self) -> Session | None:
        """The session of the job's next choice, where this one has ended by itself and was not the last."""
        if self._cancelled or self._choice + 1 == self._plan.choices:
            return None
        return Session(self._plan, self._choice + 1, self._tally)

    def cancel(self) -> None:
        self._cancelled = True
        self._end("cancelled")

    def close(self) -> None:
        self._sampler.close()

    def _tell_prompt(self) -> None:
        echo, self._echo = self._echo, None
        if echo is not None:
            for frame in echo.frames():
                self._emit(frame)

    def _note(self, ledger: Ledger, token: int, piece: bytes, text: str) -> None:
        """Sends the token with its log probabilities, or what has become certain of those before it."""
        assert self._plan.scorer is not None
        assert self.batch_index is not None
        logprob, top = self._plan.scorer.score(self.batch_index, token)
        ledger.add(piece, logprob, [(self._vocab.piece(other), value) for other, value in top])
        text, logprobs = ledger.release(text)
        if text:
            self._emit(wire.Token(self.job, text, self._generated, self._choice, logprobs))

    def _end(self, reason: wire.FinishReason) -> bool:
        rest, logprobs = self._text.finish(), None
        if self._ledger is not None:
            rest, logprobs = self._ledger.finish(rest)
        if rest:
            self._emit(wire.Token(self.job, rest, self._generated, self._choice, logprobs))
        now = time.perf_counter()
        prompt_done = self._prompt_done or now
        first_token = self._first_token or now
        tally = self._tally
        tally.generated = self._generated
        tally.prompt_ms += (prompt_done - self._begun) * 1e3
        tally.decode_ms += (now - first_token) * 1e3
        if not self._choice:
            tally.first_token_ms = (first_token - self._begun) * 1e3
        if self._cancelled or self._choice + 1 == self._plan.choices:
            timings = Timings(tally.prompt_ms, tally.first_token_ms, tally.decode_ms)
            stop = self._text.stop
            self._emit(wire.Finished(self.job, reason, len(self._prompt.tokens), self._generated, timings, stop))
        else:
            self._emit(wire.ChoiceEnd(self.job, self._choice, reason, self._text.stop))
        return False
