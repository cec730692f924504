"""One running answer: its tokens, sampler, text and counters. Lives on the engine thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hoshikage import wire
from hoshikage._ffi.batch import Batch
from hoshikage.engine.echo import Echoing
from hoshikage.engine.guess import Guesser
from hoshikage.engine.ledger import Ledger
from hoshikage.engine.seats import Seat
from hoshikage.llama.choice import Choice
from hoshikage.llama.context import MOST_GUESSED
from hoshikage.llama.logprobs import Scorer
from hoshikage.llama.sampler import Sampler
from hoshikage.llama.text import TextAssembler
from hoshikage.llama.vocab import Vocab
from hoshikage.params import Timings

GATHER_S: Final = 0.2
"""An answer that nobody reads before its end is emitted so often: each piece wakes the server, which takes a core from
the decode, but a server that hears nothing takes the runner to be stuck."""


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
    """One job as it shall run."""

    job: int
    prompt: Prompt
    choices: int
    """They share the prompt: each begins where its last token has been computed."""
    open_sampler: Callable[[int], Sampler | Choice]
    """Given the choice's number."""
    open_guesser: Callable[[], Guesser | None]
    scorer: Scorer | None
    """Where log probabilities are asked for."""
    vocab: Vocab
    emit: Callable[[wire.Event], None]
    begun: float
    """`time.perf_counter()` at the job's start, before its prompt was rendered."""
    reuse: bool
    """Whether KV memory of earlier prompts may be used, and this one's kept."""
    scope: str
    whole: bool
    """Both as in GenerationRequest."""


@dataclass(slots=True)
class Tally:
    """What the choices of one job share while they run."""

    started: int = 0
    """Choices that have begun; the next one's number."""
    ended: int = 0
    cancelled: bool = False
    generated: int = 0
    prompt_ms: float = 0.0
    first_token_at: float = 0.0
    """By `time.perf_counter()`; 0 where there is none."""
    sampling_s: float = 0.0
    cached: int = 0
    drafted: int = 0
    accepted: int = 0


class Session:
    """From a prompt to its end event. The scheduler feeds it to the batch and lets it sample from what came out."""

    def __init__(self, plan: Plan, tally: Tally | None = None) -> None:
        """`tally`: of the choices before this one."""
        self.job = plan.job
        self.plan = plan
        self.seat: Seat | None = None
        """Its sequence; None while it waits for one."""
        self.batch_index: int | None = None
        """Where in the decoded batch this session's logits are; None while its text is not all in."""
        self.tokens = list(plan.prompt.tokens)
        """The prompt and what has been generated."""
        self._tally = Tally() if tally is None else tally
        self._choice = self._tally.started
        self._tally.started += 1
        self._prompt = plan.prompt
        self._n_prompt = len(plan.prompt.tokens)
        self._sampler = plan.open_sampler(self._choice)
        self._conditions = self._sampler if isinstance(self._sampler, Choice) else None
        self._guesser = plan.open_guesser()
        self._guesses: Sequence[int] = ()
        self.is_loose = False
        """Whether guesses that came to nothing stand in memory behind `seat.n_past`."""
        self._vocab = plan.vocab
        self._emit = plan.emit
        self._text = TextAssembler(plan.prompt.stop)
        self._said = ""
        """What is certain and not yet emitted."""
        self._gather_s = GATHER_S if plan.whole else 0.0
        self._emit_from = 0.0
        """By `time.perf_counter()`."""
        self._ledger = None if plan.scorer is None else Ledger()
        self._echo = self._echoing()
        self._last_index = 0
        self._generated = 0

    @property
    def pending(self) -> int:
        """Tokens that are still to be computed."""
        return len(self.tokens) - (0 if self.seat is None else self.seat.n_past)

    @property
    def longest(self) -> int:
        """Most tokens that its text can come to have."""
        return self._n_prompt + self._prompt.limit

    @property
    def flows(self) -> bool:
        """Whether its reader has got a part of the answer and waits for the next."""
        return self._generated > 0

    @property
    def is_scored(self) -> bool:
        """Whether its prompt must be computed token by token."""
        return self._echo is not None and self._echo.scores

    def sit(self, seat: Seat) -> None:
        """It has got a sequence, with a part of its text in memory."""
        self.seat = seat
        if not self._generated:
            self._echo = self._echoing()
            if not self._choice:
                self._tally.cached = seat.n_past

    def fill(self, batch: Batch, room: int) -> int:
        """Puts pending tokens into the batch, `room` at most; logits only behind the last of all. How many they are.

        Where a prompt's tokens are scored, it is one: not every release gives one sequence the logits of several.
        """
        seat = self.seat
        assert seat is not None
        n_past = seat.n_past
        pending = len(self.tokens) - n_past
        self.batch_index = None
        self._guesses = ()  # those of a decode that came to nothing are not in this one
        if pending == 1:
            self._last_index = self.batch_index = batch.add(self.tokens[-1], n_past, seat.number, True)
            return 1 if self._guesser is None else 1 + self._guess(batch, room - 1)
        if self.is_scored:
            self._last_index = batch.add(self.tokens[n_past], n_past, seat.number, True)
            return 1
        if pending > room:
            batch.extend(self.tokens[n_past : n_past + room], n_past, seat.number)
            return room
        batch.extend(self.tokens[n_past:-1], n_past, seat.number)
        self._last_index = self.batch_index = batch.add(self.tokens[-1], n_past + pending - 1, seat.number, True)
        return pending if self._guesser is None else pending + self._guess(batch, room - pending)

    def computed(self, count: int) -> bool:
        """So many of its tokens were decoded. Whether it can sample now, and has not only more of its prompt in."""
        seat = self.seat
        assert seat is not None
        seat.n_past += count - len(self._guesses)
        if self.batch_index is not None:
            return True
        if self._echo is not None and not self._generated:
            self._echo.score(self._last_index, seat.n_past, self.tokens[seat.n_past])
        self._emit(wire.Prefill(self.job, min(seat.n_past, self._n_prompt)))
        return False

    def advance(self) -> bool:
        """Samples from the decoded batch and emits what is certain. False when the session has ended."""
        index = self.batch_index
        assert index is not None
        tally, started = self._tally, time.perf_counter()
        if not self._generated:
            if not self._choice:
                tally.prompt_ms = (started - self.plan.begun) * 1e3
            self._tell_prompt()
            if not self._prompt.limit:
                return self._end("length")
        token = self._sampler.sample(index)
        now = time.perf_counter()
        tally.sampling_s += now - started
        if not tally.generated:
            tally.first_token_at = now
        reason = self._take(token, index)
        if self._guesses:
            reason = self._compare(token, index, reason)
        if reason is None and self._conditions is not None:
            reason = self._take_forced(self._conditions)
        if reason is not None:
            return self._end(reason)
        if self._said and now >= self._emit_from:
            self._emit(wire.Token(self.job, self._said, tally.generated, self._choice))
            self._said = ""
            self._emit_from = now + self._gather_s
        return True

    @property
    def has_more(self) -> bool:
        """Whether the job has choices that have not begun."""
        return not self._tally.cancelled and self._tally.started < self.plan.choices

    def follower(self) -> Session:
        """The session of the job's next choice."""
        return Session(self.plan, self._tally)

    def begin_with(self, other: Session) -> None:
        """Its prompt has just been computed, as that of another choice: sample from the same logits."""
        self.batch_index = other.batch_index

    def stop_guessing(self) -> None:
        """The memory cannot take guesses back."""
        if self._guesser is not None:
            self._guesser.close()
            self._guesser = None

    def cancel(self) -> None:
        self._tally.cancelled = True
        self._end("cancelled")

    def close(self) -> None:
        self._sampler.close()
        self.stop_guessing()

    def _echoing(self) -> Echoing | None:
        prompt = self._prompt
        if prompt.echo is None or self._choice:  # the choices share their prompt
            return None
        return Echoing(self.job, prompt.echo, self._n_prompt, self.plan.scorer, self._vocab)

    def _guess(self, batch: Batch, room: int) -> int:
        """Puts what may come next behind the last token. How many tokens it is."""
        seat, guesser = self.seat, self._guesser
        assert seat is not None
        assert guesser is not None
        most = min(MOST_GUESSED, room, self._prompt.limit - self._generated - 1)
        self._guesses = guesser.guess(self.tokens, most) if most > 0 else ()
        position = len(self.tokens)
        for offset, token in enumerate(self._guesses):
            batch.add(token, position + offset, seat.number, True)
        return len(self._guesses)

    def _compare(self, token: int, index: int, reason: wire.FinishReason | None) -> wire.FinishReason | None:
        """Samples on behind each guess that was right. A guess is right where the sampler's own choice is the same, so
        that guessing changes nothing but the time: it is certain, and what is drawn is drawn from the same chances."""
        seat, guesses = self.seat, self._guesses
        assert seat is not None
        assert self._guesser is not None
        right, started = 0, time.perf_counter()
        for guess in guesses:
            if reason is not None or guess != token:
                break
            right += 1
            token = self._sampler.sample(index + right)
            reason = self._take(token, index + right)
        self._tally.sampling_s += time.perf_counter() - started
        self.is_loose = right < len(guesses)
        self._guesses = ()
        self._guesser.judged(len(guesses), right)
        self._tally.drafted += len(guesses)
        self._tally.accepted += right
        seat.n_past += right
        return reason

    def _take_forced(self, conditions: Choice) -> wire.FinishReason | None:
        """What the grammar leaves no choice of needs no logits: it is decoded together with what comes next."""
        if self._ledger is not None:
            return None
        tokens = conditions.forced(self._prompt.limit - self._generated)
        for left, token in zip(range(len(tokens) - 1, -1, -1), tokens, strict=True):
            reason = self._take(token, None, is_last=not left)
            if reason is not None:
                return reason
        return None

    def _take(self, token: int, index: int | None, *, is_last: bool = True) -> wire.FinishReason | None:
        """The next token of the answer, and the last that the grammar has accepted. Why the answer ends with it; None
        where it goes on."""
        self._generated += 1
        self._tally.generated += 1
        if self._vocab.is_eog(token) or token in self._prompt.stop_tokens:
            return "stop"
        piece = self._vocab.piece(token) or self._prompt.special.get(token, b"")
        text = self._text.feed(piece)
        if self._ledger is not None and index is not None:
            self._note(self._ledger, token, index, piece, text)
        else:
            self._said += text
        if self._text.stop is not None or (is_last and self._conditions is not None and self._conditions.complete):
            return "stop"
        if self._generated >= self._prompt.limit:
            return "length"
        self.tokens.append(token)
        return None

    def _tell_prompt(self) -> None:
        echo, self._echo = self._echo, None
        if echo is not None:
            for frame in echo.frames():
                self._emit(frame)

    def _note(self, ledger: Ledger, token: int, index: int, piece: bytes, text: str) -> None:
        """Sends the token with its log probabilities, or what has become certain of those before it."""
        assert self.plan.scorer is not None
        logprob, top = self.plan.scorer.score(index, token)
        ledger.add(piece, logprob, [(self._vocab.piece(other), value) for other, value in top])
        text, logprobs = ledger.release(text)
        if text:
            self._emit(wire.Token(self.job, text, self._tally.generated, self._choice, logprobs))

    def _end(self, reason: wire.FinishReason) -> bool:
        rest, logprobs = self._said + self._text.finish(), None
        if self._ledger is not None:
            rest, logprobs = self._ledger.finish(rest)
        tally = self._tally
        if rest:
            self._emit(wire.Token(self.job, rest, tally.generated, self._choice, logprobs))
        tally.ended += 1
        stop = self._text.stop
        if tally.ended == (tally.started if tally.cancelled else self.plan.choices):
            timings = self._timings(tally)
            self._emit(wire.Finished(self.job, reason, self._n_prompt, tally.generated, timings, stop, self._choice))
        elif not tally.cancelled:
            self._emit(wire.ChoiceEnd(self.job, self._choice, reason, stop))
        return False

    def _timings(self, tally: Tally) -> Timings:
        begun, now = self.plan.begun, time.perf_counter()
        first_token = tally.first_token_at or now
        return Timings(
            prompt_ms=tally.prompt_ms or (now - begun) * 1e3,
            first_token_ms=(first_token - begun) * 1e3,
            decode_ms=(now - first_token) * 1e3,
            sampling_ms=tally.sampling_s * 1e3,
            cached_tokens=tally.cached,
            drafted=tally.drafted,
            accepted=tally.accepted,
        )
