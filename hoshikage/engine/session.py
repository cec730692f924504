"""This is one running answer: its tokens, sampler, text and counters. Lives on the engine thread.

Choosing tokens and telling them are two steps: a graphics card computes the next token while the text of the one before
is made, searched for stop strings, and sent.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from hoshikage import wire
from hoshikage._ffi.memory import Logits
from hoshikage.engine.logprob_buffer import LogprobBuffer
from hoshikage.engine.plan import Plan
from hoshikage.engine.prompt_logprobs import PromptLogprobs
from hoshikage.engine.proposer import Proposer
from hoshikage.engine.tally import Tally
from hoshikage.engine.thoughts import Thoughts
from hoshikage.errors import HoshikageError
from hoshikage.llama.constrained_sampler import ConstrainedSampler
from hoshikage.llama.context import MAX_PROPOSED
from hoshikage.llama.logprobs import Scored
from hoshikage.llama.sampler import Sampler
from hoshikage.llama.text import IndentedText, TextAssembler

GATHER_S: Final = 0.2
"""An answer whose reader waits for its end is emitted once in so many seconds: each piece wakes the server, which takes
a core from the decode, but a server that hears nothing takes the runner to be stuck."""


class Session:
    """A session goes from a prompt to its end event; the scheduler lets it sample from what a decode has brought."""

    rejoins = False
    """`rejoins` tells whether it goes on from what it has computed itself."""

    def __init__(self, plan: Plan, tally: Tally | None = None) -> None:
        """`tally` is that of the choices before this one."""
        self.job, self.plan = plan.job, plan
        self.tokens = list(plan.prompt.tokens)
        """`tokens` are the prompt and what has been generated."""
        self.asleep = plan.wakes > 0 and tally is None
        """`asleep` tells whether the tokens before `wakes` are still to be computed."""
        self._tally = Tally() if tally is None else tally
        self._choice = self._tally.started
        self._tally.started += 1
        self._prompt, self._n_prompt = plan.prompt, len(plan.prompt.tokens)
        self._sampler = plan.open_sampler(self._choice)
        self._thoughts = None if plan.prompt.thoughts is None else Thoughts(plan.prompt.thoughts)
        self._constrained = self._sampler if isinstance(self._sampler, ConstrainedSampler) else None
        self.proposer: Proposer | None = None
        """Proposes what may come next; None where nothing is to be guessed."""
        self.right = 0
        """So many of the last guesses were right."""
        self._vocab, self._emit = plan.vocab, plan.emit
        stop = plan.prompt.stop
        self._text = IndentedText(stop, plan.n_indent) if plan.n_indent > 0 else TextAssembler(stop)
        self._said = ""
        """This text is certain and not yet emitted."""
        self._gather_s = GATHER_S if plan.whole else 0.0
        self._emit_from = self._chosen_at = 0.0
        """Both times are told by `time.perf_counter()`."""
        self._told = self._n_prompt
        """So many of the tokens have been told, where they are."""
        self._chosen: list[int] = []
        """These tokens are not seen by `tell` yet, but for one that ends the answer."""
        self._rows: list[Logits | Scored] = []
        """Each of them was chosen by one of these, where log probabilities are asked for."""
        self._reason: wire.FinishReason | None = None
        """The answer ends with those for this reason; None where nothing but their text may end it."""
        self._last: int | None = None
        """With this token the answer came to its bound; nothing is computed behind it."""
        self._end_token: tuple[int, ...] = ()
        """This token ended the answer, if one did."""
        self._has_line = False
        self._ledger = None if plan.scorer is None else LogprobBuffer()
        self._echo: PromptLogprobs | None = None
        self._generated = 0
        self.flows = False
        """`flows` tells whether its reader has got a part of the answer and waits for the next."""
        try:
            self._echo = self._echoing()
            self.proposer = plan.open_proposer()
        except BaseException:
            self._sampler.close()
            raise
        self._album = plan.album and plan.album.held()

    @property
    def movable(self) -> Sampler | None:
        """Gives the sampler, where the device may choose in its place. It must come back before its sequence is
        another's."""
        is_plain = self._constrained is None and self.plan.scorer is None
        return self._sampler if is_plain and isinstance(self._sampler, Sampler) else None

    @property
    def longest(self) -> int:
        """Counts the tokens that its text can come to have at most."""
        return self._n_prompt + self._prompt.limit

    @property
    def is_scored(self) -> bool:
        """Tells whether its prompt must be computed token by token."""
        return self._echo is not None and self._echo.scores

    def attached(self, number: int, n_past: int) -> None:
        """Tells that the session has got the sequence of this number, with `n_past` tokens of its text in memory."""
        self._emit(wire.SlotTaken(self.job, number, self._choice))
        if not self._generated:
            self._echo = self._echoing()
            if not self._choice:
                self._tally.cached = self._tally.cached if self.rejoins else n_past
                self._emit(wire.Prefill(self.job, min(n_past, self._n_prompt)))

    def progressed(self, n_past: int, index: int) -> None:
        """Tells that so much of its prompt is computed. `index`: of the last token's logits, where it is scored."""
        if self._echo is not None and not self._generated:
            self._echo.score(index, n_past, self.tokens[n_past])
        self._emit(wire.Prefill(self.job, min(n_past, self._n_prompt)))

    def ran_out(self) -> bool:
        """Whether its prompt has had its time before it was computed: then it has ended without an answer."""
        maximum = self.plan.max_prompt_ms
        if maximum is None or self._generated or (time.perf_counter() - self.plan.begun) * 1e3 < maximum:
            return False
        self._end("length")
        return True

    def propose(self, room: int) -> Sequence[int]:
        """Returns what may come next, for at most `room` more tokens in the batch."""
        maximum = min(MAX_PROPOSED, room, self._prompt.limit - self._generated - 1)
        return self.proposer.propose(self.tokens, maximum) if maximum > 0 and self.proposer is not None else ()

    def choose(self, index: int, proposed: Sequence[int], *, later: bool = False) -> bool:
        """Takes the next tokens from the decoded batch, in which `proposed` stand behind the token at `index`. `tell`
        must follow: `later`, when the next decode has begun. False where nothing more is to be computed."""
        tally, started = self._tally, time.perf_counter()
        if not self._generated:
            if not self._choice:
                tally.prompt_ms = (started - self.plan.begun) * 1e3
            self._tell_prompt()
            if not self._prompt.limit:
                self._reason = "length"
                return False
        token = self._pick(index)
        now = self._chosen_at = time.perf_counter()
        tally.sampling_s += now - started
        if not tally.first_token_at:
            tally.first_token_at = now
        reason = self._take(token, index, later=later)
        if proposed:
            reason = self._compare(token, index, proposed, reason, later=later)
        if reason is None and self._constrained is not None:
            reason = self._take_forced(self._constrained)
        self._reason = reason
        return reason is None

    def tell(self) -> bool:
        """Makes text of the chosen tokens and emits what is certain. False when the session has ended: as `choose` has
        said, or because the text itself ends it, and then what was computed behind it is not the answer's."""
        tally, text, chosen = self._tally, self._text, self._chosen
        self._chosen = []
        for number, token in enumerate(chosen):
            tally.generated += 1
            piece = self._vocab.piece(token) or self._prompt.special.get(token, b"")
            if self._ledger is None:
                self._said += text.feed(piece)
            else:
                self._note(self._ledger, token, piece, text.feed(piece))
            if text.stop is not None or text.dedented:
                self._cut_back(len(chosen) - number)
                self._last = token if text.dedented else None
                return self._end("length" if text.dedented else "stop")
        if self._reason is not None:
            if self._end_token:
                tally.generated += 1
                tally.stop_token = self._end_token[0]
            return self._end(self._reason)
        if self.plan.max_answer_ms is not None and self._is_late(self._chosen_at):
            return self._end("length")
        if self._said and self._chosen_at >= self._emit_from:
            frame = wire.Token(self.job, self._said, tally.generated, self._choice)
            self._emit(self._with_tokens(frame) if self.plan.return_tokens else frame)
            self._said = ""
            self._emit_from = self._chosen_at + self._gather_s
        return True

    @property
    def has_more(self) -> bool:
        """Tells whether the job has choices that have not begun."""
        return not self._tally.cancelled and self._tally.started < self.plan.choices

    def follower(self) -> Session:
        """Opens the session of the job's next choice."""
        return Session(self.plan, self._tally)

    def stop_proposing(self) -> None:
        """The memory cannot take guesses back."""
        proposer, self.proposer = self.proposer, None
        if proposer is not None:
            proposer.close()

    def cancel(self) -> None:
        """Ends it as cancelled; the job's end is told with the last of its choices."""
        self._tally.cancelled = True
        if not self._chosen or self.tell():
            self._end("cancelled")

    def fail(self, error: HoshikageError) -> None:
        """Ends the whole job with this error, where its end has not been told. What is certain is told first."""
        if self._chosen and not self._tally.over:
            with suppress(Exception):  # one error is told, and it is the first
                self.tell()
        if not self._tally.over:
            self._emit(wire.Failed.of(error, self.job))
            self._tally.over = True

    def close(self) -> None:
        try:
            self._sampler.close()
        finally:
            self.stop_proposing()
            album, self._album = self._album, None
            if album is not None:
                album.let_go()

    def _echoing(self) -> PromptLogprobs | None:
        prompt = self._prompt
        if prompt.echo is None or self._choice:  # the choices share their prompt
            return None
        return PromptLogprobs(self.job, prompt.echo, self._n_prompt, self.plan.scorer, self._vocab)

    def _compare(
        self, token: int, index: int, proposed: Sequence[int], reason: wire.FinishReason | None, *, later: bool
    ) -> wire.FinishReason | None:
        """Samples tokens on behind each guess that was right. A guess is right where the sampler's own choice is the
        same, so that guessing changes nothing but the time: it is certain, and what is drawn is drawn from the same
        chances."""
        right, started = 0, time.perf_counter()
        for propose in proposed:
            if reason is not None or propose != token:
                break
            right += 1
            token = self._pick(index + right)
            reason = self._take(token, index + right, later=later)
        self._tally.sampling_s += time.perf_counter() - started
        self.right = right
        if self.proposer is not None:
            self.proposer.verified(len(proposed), right)
        self._tally.drafted += len(proposed)
        self._tally.accepted += right
        return reason

    def _pick(self, index: int) -> int:
        """Returns the next token: the sampler's, but where thoughts have come to their bound."""
        forced = None if self._thoughts is None else self._thoughts.next_forced()
        if forced is None:
            return self._sampler.sample(index)
        if self._constrained is None:
            self._sampler.accept(forced)
        else:
            self._constrained.put(forced)
        return forced

    def _take_forced(self, factory: ConstrainedSampler) -> wire.FinishReason | None:
        """Takes the tokens that the grammar leaves no choice of. They need no logits: it is decoded together with what
        comes next."""
        if self._ledger is not None:
            return None
        tokens = factory.forced(self._prompt.limit - self._generated)
        for left, token in zip(range(len(tokens) - 1, -1, -1), tokens, strict=True):
            reason = self._take(token, None, is_last=not left)
            if reason is not None:
                return reason
        return None

    def _take(
        self, token: int, index: int | None, *, is_last: bool = True, later: bool = False
    ) -> wire.FinishReason | None:
        """Takes the next token of the answer, and the last that the grammar has accepted. Returns why the answer ends
        with it; None where it goes on, unless its text ends it."""
        self._generated += 1
        self.flows = True
        if self._vocab.is_eog(token) or token in self._prompt.stop_tokens:
            self._end_token = (token,)
            return "stop"
        self._chosen.append(token)
        if self._thoughts is not None:
            self._thoughts.feed(self._vocab.piece(token) or self._prompt.special.get(token, b""))
        if self.plan.scorer is not None and index is not None:
            if self.plan.drawn:
                self._rows.append(self._sampler.chances(token, self.plan.scorer.top))
            else:
                row = self.plan.scorer.row(index)
                self._rows.append(row.copy() if later else row)  # the next decode writes where they are
        if is_last and self._constrained is not None and self._constrained.complete:
            return "stop"
        if self._generated >= self._prompt.limit:
            self._last = token
            return "length"
        self.tokens.append(token)
        return None

    def _cut_back(self, count: int) -> None:
        """The answer ends with the first of the last `count` chosen tokens, by its text: nothing goes on from there."""
        del self.tokens[self._n_prompt + self._generated - len(self._end_token) - count :]
        self._end_token = ()

    def _is_late(self, now: float) -> bool:
        """Whether the answer has had its time, and a line break to end behind."""
        self._has_line = self._has_line or "\n" in self._said or self._ledger is not None
        return self._has_line and (now - self._tally.first_token_at) * 1e3 >= (self.plan.max_answer_ms or 0)

    def _with_tokens(self, said: wire.Token, last: tuple[int, ...] = ()) -> wire.Token:
        """Returns the event with the tokens that came since the last one."""
        tokens = (*self.tokens[self._told :], *last)
        self._told = len(self.tokens)
        return msgspec.structs.replace(said, tokens=tokens)

    def _untold(self, last: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the tokens that came with no text; with log probabilities each token has been told beside its own."""
        return self._end_token if self._ledger is not None else (*self.tokens[self._told :], *last, *self._end_token)

    def _tell_prompt(self) -> None:
        echo, self._echo = self._echo, None
        if echo is not None:
            for frame in echo.frames():
                self._emit(frame)

    def _note(self, ledger: LogprobBuffer, token: int, piece: bytes, text: str) -> None:
        """Sends the token with its log probabilities, or what has become certain of those before it."""
        assert self.plan.scorer is not None
        row = self._rows.pop(0)
        logprob, top = row if isinstance(row, tuple) else self.plan.scorer.score(row, token)
        ledger.add(piece, logprob, [(self._vocab.piece(other), value, other) for other, value in top], token)
        text, logprobs = ledger.release(text)
        if text:
            self._emit(wire.Token(self.job, text, self._tally.generated, self._choice, logprobs))

    def _end(self, reason: wire.FinishReason) -> bool:
        rest, logprobs = self._said + self._text.finish(), None
        if self._ledger is not None:
            rest, logprobs = self._ledger.finish(rest)
        tally = self._tally
        last = () if self._last is None else (self._last,)
        if rest:
            said = wire.Token(self.job, rest, tally.generated, self._choice, logprobs)
            self._emit(self._with_tokens(said, last) if self.plan.return_tokens and not logprobs else said)
            last = ()
        tally.ended += 1
        stop = self._text.stop
        if tally.ended == (tally.started if tally.cancelled else self.plan.choices):
            ending = self._vocab.text(tally.stop_token) if reason == "stop" and self._text.stop is None else ""
            timings = tally.timings(self.plan.begun, ending)
            left = self._untold(last) if self.plan.return_tokens else ()
            self._emit(
                wire.Finished(self.job, reason, self._n_prompt, tally.generated, timings, stop, self._choice, left)
            )
            tally.over = True
        elif not tally.cancelled:
            self._emit(wire.ChoiceEnd(self.job, self._choice, reason, stop))
        return False
