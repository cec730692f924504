"""Chooses tokens under conditions: a bias on tokens, tokens that are forbidden, a grammar. Used in the engine thread.

Only a request that asks for one of these goes this way. Where tokens are forbidden, the chain is given those that are
left: several samplers of the library compute NaN from tokens of probability 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hoshikage.errors import InvalidRequest
from hoshikage.llama.context import Context
from hoshikage.llama.sampler import Sampler
from hoshikage.llama.vocab import Vocab
from hoshikage.params import FORBIDDEN, SamplingParams

FORCED_AT_ONCE: Final = 64
"""So many tokens without a choice are looked ahead for at once."""


class Hold(Protocol):
    """An answer is held to this, at its present place: `llama.grammar.Matcher`, or one that holds parts of it."""

    @property
    def param(self) -> str:
        """Names the request's field, for refusals."""

    @property
    def complete(self) -> bool:
        """Tells whether nothing but the end may come."""

    def due(self) -> int | None:
        """Returns a token that must come next, whatever else is forbidden; it counts as accepted."""

    def mask(self) -> NDArray[np.bool_] | None:
        """Returns which tokens may come next, good until the next call; None where all may."""

    def takes(self, token: int) -> bool:
        """Returns whether this token may come, of those that the mask lets through."""

    def accept(self, token: int) -> int:
        """Goes on behind a token that may come, or behind the one that comes in its place, which is returned."""

    def forced(self, maximum: int) -> list[int]:
        """Goes on behind the tokens that are left no choice of, at most `maximum`, and returns them."""


class ConstrainedSampler:
    """Owns a sampler, and takes its place. Sample only after a decode that returned True."""

    def __init__(
        self, sampler: Sampler, context: Context, params: SamplingParams, matcher: Hold | None, ends: Iterable[int]
    ) -> None:
        """`params.ignore_eos` forbids the tokens of `ends`. Raises InvalidRequest for a bias on an unknown token."""
        n_tokens = context.model.vocab.n_tokens
        self._sampler = sampler
        self._context = context
        self._matcher = matcher
        self._param = "logit_bias" if matcher is None else matcher.param
        biases = _by_token(params, context.model.vocab)
        finite = {token: bias for token, bias in biases.items() if bias > FORBIDDEN}
        self._biased = np.fromiter(finite, np.intp, len(finite))
        self._biases = np.fromiter(finite.values(), np.float32, len(finite))
        self._allowed: NDArray[np.bool_] | None = None
        forbidden = [token for token, bias in biases.items() if bias <= FORBIDDEN]
        forbidden += ends if params.ignore_eos else ()
        for token in biases:
            if not 0 <= token < n_tokens:
                raise InvalidRequest("engine.bias_token", param="logit_bias", token=token, n_tokens=n_tokens)
        if forbidden:
            self._allowed = np.ones(n_tokens, np.bool_)
            self._allowed[forbidden] = False
        self._left = None if self._allowed is None else np.flatnonzero(self._allowed)
        self._ahead: deque[int] = deque()
        """These tokens without a choice are accepted by the grammar, and nobody has taken them yet."""
        self._looked = False
        """This tells whether it is known that the next token is one that has a choice."""

    @property
    def complete(self) -> bool:
        """The grammar takes nothing more: the answer is whole."""
        return self._matcher is not None and not self._ahead and self._matcher.complete

    def accept(self, token: int) -> None:
        """Lets the penalties count a token, as Sampler.accept does."""
        self._sampler.accept(token)

    def put(self, token: int) -> None:
        """The answer goes on with a token that was chosen elsewhere."""
        self._sampler.accept(token)
        self._looked = False
        if self._matcher is not None:
            self._matcher.accept(token)

    def chances(self, token: int, top: int) -> tuple[float, list[tuple[int, float]]]:
        """Returns the last token's log probability, and the likeliest in its place with theirs, as Sampler.chances
        does."""
        return self._sampler.chances(token, top)

    def sample(self, index: int) -> int:
        """Chooses, by the logits of batch index `index`, a token that may come. Raises InvalidRequest where the grammar
        has become too complex to go on with.

        A token without a choice is not drawn: the same seed draws the same, whether such tokens are sampled, because
        somebody wants their chances or has guessed them, or taken by `forced`.
        """
        if self._matcher is None and self._left is None:
            return self._sample_biased(index)
        if forced := self.forced(1):
            return forced[0]
        self._looked = False
        logits = self._context.logits(index)
        if len(self._biased):
            logits = logits.copy()
            logits[self._biased] += self._biases
        if self._matcher is None:
            return self._choose(self._left, logits)
        left, mask = self._left, self._matcher.mask()
        if mask is not None:
            left = np.flatnonzero(mask if self._allowed is None else mask & self._allowed)
        while not self._matcher.takes(token := self._choose(left, logits)):
            left = np.arange(len(logits)) if left is None else left
            left = left[left != token]
        return self._matcher.accept(token)

    def _choose(self, left: NDArray[np.intp] | None, logits: NDArray[np.float32]) -> int:
        """Chooses one of the tokens that are left; None for all."""
        if left is None:
            return self._sampler.choose(None, logits)
        if not len(left):  # what the grammar asks for is forbidden, or the vocabulary cannot write it
            raise InvalidRequest("engine.nothing_allowed", param=self._param)
        return self._sampler.choose(left, logits[left])

    def forced(self, maximum: int) -> list[int]:
        """Returns the tokens that come next whatever the logits are, at most `maximum` of them; they count as
        accepted."""
        if self._matcher is None:
            return []
        if not self._ahead and (due := self._matcher.due()) is not None:
            self._sampler.accept(due)
            return [due]
        if self._left is not None:
            return []
        if not self._ahead and not self._looked:
            self._ahead.extend(self._matcher.forced(FORCED_AT_ONCE))
            self._looked = not self._ahead
        tokens = [self._ahead.popleft() for _ in range(min(maximum, len(self._ahead)))]
        for token in tokens:
            self._sampler.accept(token)
        return tokens

    def _sample_biased(self, index: int) -> int:
        """Samples a token from all, with nothing but biases; afterwards the logits are the model's again."""
        logits = self._context.logits(index)
        kept = logits[self._biased]
        logits[self._biased] += self._biases
        token = self._sampler.sample(index)
        logits[self._biased] = kept
        return token

    def close(self) -> None:
        self._sampler.close()


def _by_token(params: SamplingParams, vocab: Vocab) -> dict[int, float]:
    """Returns the biases by token; that of a text is one of each of its tokens."""
    result: dict[int, float] = {}
    for key, bias in params.logit_bias:
        for token in [key] if isinstance(key, int) else vocab.tokenize(key, parse_special=False):
            result[token] = bias
    return result


def is_conditioned(params: SamplingParams) -> bool:
    """Returns whether sampling by `params` needs a Choice even without a grammar."""
    return bool(params.logit_bias) or params.ignore_eos


def forbids(params: SamplingParams) -> bool:
    """Returns whether there are tokens that must not be chosen, whatever else is asked for."""
    return params.ignore_eos or any(bias <= FORBIDDEN for _, bias in params.logit_bias)


def ends_of(vocab: Vocab, stop_tokens: Iterable[int]) -> tuple[int, ...]:
    """Returns all tokens that end an answer. One pass over the vocabulary."""
    return tuple({*stop_tokens, *vocab.end_tokens})
