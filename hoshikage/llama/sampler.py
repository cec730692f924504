"""Sampler: chooses the next token for one request. Used in the engine thread."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hoshikage._ffi.handles import Owner
from hoshikage.errors import InferenceFailed
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.params import SamplingParams


class Sampler(Owner):
    """Owns a sampler chain; it keeps its context alive. Sample only after a decode that returned True."""

    def __init__(self, context: Context, pointer: int, free: Callable[[int], Any], *, greedy: bool) -> None:
        super().__init__(pointer, free)
        api = context.model.library.api
        self._context = context
        self._accept = api.llama_sampler_accept
        self._sample = api.llama_sampler_sample
        self._greedy = greedy

    @classmethod
    def open(cls, model: Model, context: Context, params: SamplingParams) -> Sampler:
        """The chain for `params`: penalties, top_k, top_p, min_p, temperature, then the draw; neutral ones left out."""
        api = model.library.api
        chain: int = api.llama_sampler_chain_init(True)
        greedy = params.temperature == 0
        sampler = cls(context, chain, api.llama_sampler_free, greedy=greedy and not _has_penalties(params))
        if _has_penalties(params):
            last_n = context.n_ctx if params.repeat_last_n < 0 else params.repeat_last_n
            sampler._add(
                "penalties",
                model.library.init_penalties(
                    model.vocab.n_tokens,
                    last_n,
                    params.repeat_penalty,
                    params.frequency_penalty,
                    params.presence_penalty,
                ),
            )
        if greedy:
            sampler._add("greedy", api.llama_sampler_init_greedy())
            return sampler
        if params.top_k > 0:
            sampler._add("top_k", api.llama_sampler_init_top_k(params.top_k))
        if params.top_p < 1:
            sampler._add("top_p", api.llama_sampler_init_top_p(params.top_p, 1))
        if params.min_p > 0:
            sampler._add("min_p", api.llama_sampler_init_min_p(params.min_p, 1))
        sampler._add("temp", api.llama_sampler_init_temp(params.temperature))
        sampler._add("dist", api.llama_sampler_init_dist(params.seed))
        return sampler

    def accept(self, token: int) -> None:
        """Let the penalties count a token of the prompt."""
        if not self._greedy:
            self._accept(self.pointer, token)

    def sample(self, index: int) -> int:
        """Choose by the logits of batch index `index`, and count the token as accepted."""
        if self._greedy:
            # The first of equals, as the library's own greedy sampler; about a fifth of its time.
            logits = self._context.logits(index)
            token = int(logits.argmax())
            if math.isnan(logits[token]):  # argmax finds a NaN before any number
                raise InferenceFailed("engine.logits_invalid")
            return token
        return int(self._sample(self.pointer, self._context.pointer, index))

    def _add(self, name: str, pointer: int | None) -> None:
        """The chain owns what is added to it."""
        if pointer is None:
            raise InferenceFailed("engine.sampler_failed", name=name)
        self._context.model.library.api.llama_sampler_chain_add(self.pointer, pointer)


def _has_penalties(params: SamplingParams) -> bool:
    counts = params.repeat_penalty != 1 or params.frequency_penalty != 0 or params.presence_penalty != 0
    return counts and params.repeat_last_n != 0
