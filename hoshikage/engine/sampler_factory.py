"""Makes ready what one job asks of sampling, for each of its choices. Engine thread."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from hoshikage.engine.held_parts import BehindThoughts, InCalls
from hoshikage.engine.prompt import Prompt
from hoshikage.llama.constrained_sampler import ConstrainedSampler, Hold, ends_of, forbids, is_conditioned
from hoshikage.llama.context import Context
from hoshikage.llama.grammar import Grammars, Matcher
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import Sampler, prompt_window
from hoshikage.params import RANDOM_SEED, GenerationRequest, SamplingParams


class SamplerFactory:
    """Compiles the job's grammars once and opens a sampler for each choice."""

    def __init__(
        self,
        model: Model,
        context: Context,
        request: GenerationRequest,
        prompt: Prompt,
        grammars: Callable[[], Grammars],
    ) -> None:
        """`grammars` is called only for a request with a grammar. Raises InvalidRequest, NotSupported."""
        self._model = model
        self._context = context
        self._params = request.sampling
        self._tells = request.drawn
        if request.grammar is not None or request.calls is not None or forbids(request.sampling):
            self._params = _without_infill(self._params)
        self._prompt = prompt
        self.ends: tuple[int, ...] = ()
        """`ends` are the tokens that may not come before the answer may end; empty where nothing holds it."""
        self._matcher: Matcher | None = None
        self._calls: dict[str, Matcher] = {}
        held = request.grammar is not None or request.calls is not None
        self._conditioned = is_conditioned(request.sampling) or held
        if request.sampling.ignore_eos or held:
            self.ends = ends_of(model.vocab, prompt.stop_tokens)
        if request.grammar is not None:
            self._matcher = grammars().compile(
                request.grammar, self.ends, led=prompt.held is not None, special=prompt.special
            )
        if request.calls is not None:
            self._header = re.compile(request.calls.header.encode())
            for name, grammar in request.calls.grammars:
                self._calls[name] = grammars().compile(grammar, self.ends, led=True, special=prompt.special)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Returns the places of what the request's schemas ask for and nobody enforces, for wire.Started."""
        matchers = (*self._calls.values(), *(() if self._matcher is None else (self._matcher,)))
        return tuple(place for matcher in matchers for place in matcher.dropped)

    def open_sampler(self, choice: int) -> Sampler | ConstrainedSampler:
        """Makes the sampler of the choice of this number; it has accepted the prompt."""
        params = seeded(self._params, choice)
        sampler: Sampler | ConstrainedSampler = Sampler.open(self._model, self._context, params, tells=self._tells)
        if self._conditioned:
            assert isinstance(sampler, Sampler)
            try:
                sampler = ConstrainedSampler(sampler, self._context, params, self._hold(), self.ends)
            except BaseException:
                sampler.close()
                raise
        if window := prompt_window(params, self._context.n_ctx):
            for token in self._prompt.tokens[-window:]:
                if token >= 0:  # no part of a picture or sound
                    sampler.accept(token)
        return sampler

    def _hold(self) -> Hold | None:
        """Returns what holds the answer, at its beginning; None where nothing does."""
        limit = self._prompt.held
        if self._calls:
            return InCalls(self._header, self._calls, limit, self._text_of)
        if self._matcher is None:
            return None
        matcher = self._matcher.again()
        return matcher if limit is None else BehindThoughts(matcher, limit, self._text_of, frozenset(self.ends))

    def _text_of(self, token: int) -> bytes:
        return self._model.vocab.piece(token) or self._prompt.special.get(token, b"")


def _without_infill(params: SamplingParams) -> SamplingParams:
    """Takes the infill sampler out, since it may end an answer by a token of its own, allowed or not."""
    return replace(params, samplers=tuple(name for name in params.samplers if name != "infill"))


def seeded(params: SamplingParams, choice: int) -> SamplingParams:
    """Choice i is drawn with seed + i; chance stays chance."""
    if not choice or params.seed == RANDOM_SEED:
        return params
    return replace(params, seed=(params.seed + choice) % RANDOM_SEED)
