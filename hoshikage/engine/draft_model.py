"""Guesses tokens by a small model of the same vocabulary, which runs ahead of the large one. Engine thread.

One model and one context for all answers; each answer has a sequence of its own in it, kept in step with its text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from hoshikage._ffi.library import Library
from hoshikage.engine.costs import BatchCost
from hoshikage.engine.sequence_pool import common_prefix
from hoshikage.errors import InferenceFailed, KvMemoryFull, ModelLoadFailed
from hoshikage.llama.context import Context
from hoshikage.llama.kinds import require_served, writes
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import likeliest
from hoshikage.llama.vocab import Vocab
from hoshikage.params import LoadParams

MIN_CHANCE: Final = 0.5
"""Where the small model itself gives its best token less, the large one is as likely as not to choose another."""
LENGTHS: Final = (15, 7, 3, 1)
"""A guess has one of these numbers of tokens; with the one that is certain it fills a batch whose cost is soon
known."""
FIRST_CHANCE: Final = 0.8
"""A guessed token has this chance to be right, before any was judged."""
NEW_SHARE: Final = 0.08
"""The last guessed token has so much of a say in that chance."""
TRY_AGAIN: Final = 32
"""After so many tokens for which guessing did not pay, it is tried once more."""
PADDING: Final = 128
"""Two vocabularies may differ by so many unused tokens: sizes of one family are rounded differently."""
STRIDE: Final = 997
"""Each of so many tokens is compared."""


class DraftModel:
    """The draft is closed before the large model's context."""

    def __init__(self, model: Model, context: Context, n_vocab: int, cost: BatchCost) -> None:
        self._model = model
        self._n_vocab = n_vocab
        self._large = cost
        self._free = list(range(context.n_sequences))
        self.context = context
        self.cost = BatchCost(context.n_batch)
        """Learns what its own decodes cost, with the choice of a token behind each."""

    @classmethod
    def open(
        cls,
        library: Library,
        params: LoadParams,
        vocab: Vocab,
        cost: BatchCost,
        on_progress: Callable[[float], bool],
    ) -> DraftModel:
        """Loads params.draft_path beside the model that has `vocab`.

        Raises ModelLoadFailed, also where its vocabulary is another; OutOfMemory, NotSupported.
        """
        own = replace(params, model_path=params.draft_path, draft_path="", speculation="off")
        model = Model.load(library, own, on_progress)
        try:
            require_served(model, params.draft_path)
            if not writes(model):
                raise ModelLoadFailed("engine.draft_kind", draft=params.draft_path)
            if difference := _difference(vocab, model.vocab):
                raise ModelLoadFailed(
                    "engine.draft_vocabulary", draft=params.draft_path, path=params.model_path, difference=difference
                )
            return cls(model, Context.open(model, own), vocab.n_tokens, cost)
        except BaseException:
            model.close()
            raise

    def proposer(self) -> DraftModelProposer | None:
        """Makes a proposer for one text; returns None where as many texts have one as the context has sequences."""
        return DraftModelProposer(self, self._free.pop(), self._large) if self._free else None

    def run(self, tokens: Sequence[int], n_past: int, seq_id: int, maximum: int) -> tuple[list[int], int]:
        """Returns what comes behind `tokens`, of which the first `n_past` are in memory: at most `maximum` tokens, as
        long as the model is sure enough. Returns with it how many tokens, theirs and those found, are in memory then.

        Raises KvMemoryFull, InferenceFailed.
        """
        context, result = self.context, list[int]()
        for begin in range(n_past, len(tokens), context.n_batch):
            part = tokens[begin : begin + context.n_batch]
            context.batch.clear()
            context.batch.extend(part[:-1], begin, seq_id)
            index = context.batch.add(part[-1], begin + len(part) - 1, seq_id, begin + len(part) == len(tokens))
            begun = time.perf_counter()
            context.decode()
        held, width = len(tokens), len(part)
        while True:
            logits = context.logits(index)
            token = likeliest(logits, context)
            now = time.perf_counter()
            self.cost.took(width, 0, now - begun)
            begun, width = now, 1
            if float(np.exp(logits - logits[token]).sum()) * MIN_CHANCE > 1 or token >= self._n_vocab:
                return result, held
            result.append(token)
            if len(result) == maximum or self._model.vocab.is_eog(token):
                return result, held
            context.batch.clear()
            index = context.batch.add(token, held, seq_id, True)
            context.decode()
            held += 1

    def done(self, seq_id: int) -> None:
        """The sequence is free again."""
        self._free.append(seq_id)
        self.context.remove(seq_id)

    def close(self) -> None:
        self.context.close()
        self._model.close()


class DraftModelProposer:
    """This is a Proposer over one sequence of the draft's context."""

    def __init__(self, draft: DraftModel, seq_id: int, cost: BatchCost) -> None:
        self._draft: DraftModel | None = draft
        self._seq_id = seq_id
        self._large = cost
        self._held: list[int] = []
        """The draft's memory has this text."""
        self._chance = FIRST_CHANCE
        self._idle = 0

    def propose(self, tokens: Sequence[int], maximum: int) -> Sequence[int]:
        draft = self._draft
        longest = 0 if draft is None else draft.context.n_ctx - len(tokens)
        length = self._worthwhile(min(maximum, longest))
        if draft is None or not length:
            return ()
        same = common_prefix(self._held, tokens, len(tokens) - 1)
        if same < len(self._held) and not draft.context.cut(self._seq_id, same):
            same = 0
        try:
            result, held = draft.run(tokens, same, self._seq_id, length)
        except (KvMemoryFull, InferenceFailed):  # an answer needs no guesses
            draft.context.remove(self._seq_id)
            self._held = []
            self.verified(1, 0)
            return ()
        self._held = [*tokens, *result][:held]
        if not result:  # it was asked in vain, and that costs too
            self.verified(1, 0)
        return result

    def verified(self, guessed: int, accepted: int) -> None:
        for right in (True,) * accepted + (False,) * (accepted < guessed):
            self._chance += NEW_SHARE * (right - self._chance)

    def close(self) -> None:
        if self._draft is not None:
            self._draft.done(self._seq_id)
            self._draft = None

    def _worthwhile(self, maximum: int) -> int:
        """Returns the length that gains most by what is known; 0 where none gains, but for a try now and then."""
        best, gain = 0, 1.0
        one = self._large.seconds_of_one
        share = self._draft.cost.seconds_of_one / one if one and self._draft is not None else 0.0
        for length in LENGTHS:
            if length <= maximum:
                right = self._chance * (1 - self._chance**length) / max(1e-6, 1 - self._chance)
                worth = (1 + right) / (self._large.of(1 + length) + length * share)
                if worth > gain:
                    best, gain = length, worth
        self._idle = 0 if best else self._idle + 1
        return 1 if self._idle and self._idle % TRY_AGAIN == 0 and maximum else best


def _difference(vocab: Vocab, other: Vocab) -> str:
    """Tells the two vocabularies apart, in words; empty for nothing."""
    if abs(vocab.n_tokens - other.n_tokens) > PADDING:
        return f"{vocab.n_tokens} ≠ {other.n_tokens}"
    if (vocab.bos, vocab.eos) != (other.bos, other.eos):
        return f"BOS, EOS: {vocab.bos}, {vocab.eos} ≠ {other.bos}, {other.eos}"
    common = min(vocab.n_tokens, other.n_tokens) - PADDING
    for token in range(0, max(common, 1), STRIDE if common > STRIDE else 1):
        if vocab.text(token) != other.text(token):
            return f"{token}: {vocab.text(token)!r} ≠ {other.text(token)!r}"
    return ""
