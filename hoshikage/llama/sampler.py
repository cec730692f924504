"""Chooses the next token for one request. Used in the engine thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hoshikage._ffi import dry
from hoshikage._ffi.candidates import Candidates
from hoshikage._ffi.features import first_with
from hoshikage._ffi.handles import Owner
from hoshikage._ffi.memory import Logits
from hoshikage.errors import InferenceFailed, NotSupported
from hoshikage.llama.context import Context
from hoshikage.llama.device_chain import DeviceChain, Steps, kind_of
from hoshikage.llama.drawing import STEPS, Drawing
from hoshikage.llama.logprobs import drawn
from hoshikage.llama.model import Model
from hoshikage.llama.vocab import NO_TOKEN
from hoshikage.params import SamplingParams

MIROSTAT_M: Final = 100
"""Mirostat 1 estimates from so many tokens, as in llama.cpp and its paper."""

COLDEST: Final = 1e-30
"""Below it the likeliest token is taken: logits divided by such a temperature leave the range of a float."""
CUTTING: Final = ("top_n_sigma", "top_k", "typical_p", "top_p", "min_p", "xtc")
"""Mirostat takes the place of these samplers."""
LIKELIEST_MOVES: Final = frozenset({"penalties", "dry", "infill"})
"""These samplers may make another token the likeliest."""

Make = Callable[[Context, SamplingParams], "int | None"]
"""Makes one sampler of a chain; None where the library cannot."""


class Sampler(Owner):
    """Owns a sampler chain; it keeps its context alive. Sample only after a decode that returned True."""

    def __init__(self, context: Context, pointer: int, free: Callable[[int], Any], *, greedy: bool) -> None:
        super().__init__(pointer, free)
        api = context.model.library.api
        self._context = context
        self._accept = api.llama_sampler_accept
        self._sample = api.llama_sampler_sample
        self._greedy = greedy
        self._drawing: Drawing | None = None
        """Draws in the chain's place."""
        self._candidates: Candidates | None = None
        self._every: NDArray[np.intp] | None = None
        """These are all tokens, where it shall be told what was left to draw from."""
        self._left: tuple[NDArray[np.int32], Logits] | None = None
        self._checked = False
        """Whether what it samples from was seen to be numbers. The library's samplers draw from NaN, too."""
        self.device_kind: str | None = None
        """`device_kind` is what device_chain.kind_of says of these samplers: the device can take their place from the
        second token on, and cannot where it is None."""
        self._steps: Steps | None = None
        self._device: DeviceChain | None = None

    @classmethod
    def open(cls, model: Model, context: Context, params: SamplingParams, *, tells: bool = False) -> Sampler:
        """Opens the chain for `params`, neutral samplers left out. Raises NotSupported for what the release has not.

        `tells`: `chances` is asked for.
        """
        if params.temperature < COLDEST:
            params = replace(params, temperature=0.0)
        api = model.library.api
        chain: int = api.llama_sampler_chain_init(True)
        wanted = [name for name in _order(params) if ROWS[name][0](params)]
        if "infill" in wanted and not _can_infill(context):
            wanted.remove("infill")
        greedy = params.temperature == 0
        if greedy:
            wanted = [name for name in wanted if name in LIKELIEST_MOVES]
        sampler = cls(context, chain, api.llama_sampler_free, greedy=greedy and not wanted)
        if not greedy and not tells and (steps := _steps(params, wanted)) is not None:
            sampler._drawing = Drawing(steps, params.min_keep, params.seed)
            sampler._steps, sampler.device_kind = steps, kind_of(context, params, steps)
            return sampler
        if sampler._greedy:
            sampler.device_kind = kind_of(context, params, None)
        try:
            for name in wanted:
                sampler._add(name, ROWS[name][1](context, params))
            if api.has_old_model_load and not greedy:  # b3889's dist draws by probabilities that it does not compute
                sampler._add("softmax", _made(context, "softmax"))
            sampler._add("greedy" if greedy else "draw", _last(context, params))
        except BaseException:
            sampler.close()
            raise
        if tells and not greedy:
            sampler._every = np.arange(model.vocab.n_tokens)
        return sampler

    def accept(self, token: int) -> None:
        """Lets the penalties count a token of the prompt, or one that was chosen elsewhere."""
        self._left = None
        if not self._greedy and self._drawing is None:
            self._accept(self.pointer, token)

    def sample(self, index: int) -> int:
        """Chooses by the logits of batch index `index`, and counts the token as accepted."""
        if self._device is not None:
            return self._device.sample(index)
        if self._greedy:
            # The first of equals, as the library's own greedy sampler; about a fifth of its time.
            return likeliest(self._context.logits(index), self._context)
        if not self._checked:
            self._check(index)
        if self._drawing is not None:
            return self._drawn(self._drawing, self._context.logits(index))
        if self._every is not None:
            return self.choose(self._every, self._context.logits(index))
        return int(self._sample(self.pointer, self._context.pointer, index))

    def choose(self, ids: NDArray[np.intp] | None, logits: Logits) -> int:
        """Chooses among these tokens, or all, by these logits alone, and counts the token as accepted."""
        if self._greedy or self._drawing is not None:
            at = likeliest(logits, self._context) if self._drawing is None else self._drawn(self._drawing, logits)
            return at if ids is None else int(ids[at])
        if self._candidates is None:
            self._candidates = Candidates(self._context.model.library.api, self._context.model.vocab.n_tokens)
        every = np.arange(len(logits)) if ids is None else ids
        token = self._candidates.choose(self.pointer, every, logits)
        if token is None:
            raise self._context.not_numbers()
        if self._every is not None:
            self._left = self._candidates.left()
        self._accept(self.pointer, token)
        return token

    def go_over(self, number: int) -> bool:
        """Lets the device choose for the sequence of this number, from the next decode on; no logits of that sequence
        can be had then. False where it cannot. Only where there is a `device_kind`."""
        if self._device is None:
            self._device = DeviceChain.attach(self._context, number, self._steps)
        return self._device is not None

    def come_back(self) -> None:
        """Python chooses again from the next decode on."""
        device, self._device = self._device, None
        if device is not None:
            device.close()

    @property
    def is_over(self) -> bool:
        """Tells whether the device chooses."""
        return self._device is not None

    def close(self) -> None:
        self.come_back()
        super().close()

    def chances(self, token: int, top: int) -> tuple[float, list[tuple[int, float]]]:
        """Returns the logarithm of the chance by which the last token was drawn, and the likeliest in its place with
        theirs."""
        if self._left is None:  # it was certain
            return 0.0, [(token, 0.0)][:top]
        ids, logits = self._left
        return drawn(ids, logits, token, top)

    def _drawn(self, drawing: Drawing, logits: Logits) -> int:
        place = drawing.draw(logits)
        if place is None:
            raise self._context.not_numbers()
        return place

    def _check(self, index: int) -> None:
        """Checks the logits once an answer: settings that do not suit the model spoil the first result as they do all
        others."""
        if np.isnan(self._context.logits(index)).any():
            raise self._context.not_numbers()
        self._checked = True

    def _add(self, name: str, pointer: int | None) -> None:
        """The chain owns what is added to it."""
        if pointer is None:
            raise InferenceFailed("engine.sampler_failed", name=name)
        self._context.model.library.api.llama_sampler_chain_add(self.pointer, pointer)


def likeliest(logits: Logits, context: Context) -> int:
    """Returns the index of the greatest number. Raises InferenceFailed where there is one that is none; `context` is
    theirs."""
    index = int(logits.argmax())
    if math.isnan(logits[index]):  # argmax finds a NaN before any number
        raise context.not_numbers()
    return index


def prompt_window(params: SamplingParams, n_ctx: int) -> int:
    """How many last tokens of the prompt the chain for `params` must accept."""
    windows = {"penalties": params.repeat_last_n, "dry": params.dry_penalty_last_n}
    used = [last_n for name, last_n in windows.items() if name in params.samplers and ROWS[name][0](params)]
    return max((n_ctx if last_n < 0 else last_n for last_n in used), default=0)


def _steps(params: SamplingParams, wanted: list[str]) -> list[tuple[str, float]] | None:
    """Returns what `drawing` does of a chain of these samplers; None where it cannot do all of it."""
    if params.mirostat or params.adaptive_target >= 0 or params.dynatemp_range > 0 or not STEPS.keys() >= set(wanted):
        return None
    return [(name, getattr(params, name)) for name in wanted]


def _order(params: SamplingParams) -> tuple[str, ...]:
    if not params.mirostat:
        return params.samplers
    return tuple(name for name in params.samplers if name not in CUTTING)


def _last(context: Context, params: SamplingParams) -> int | None:
    """Makes the sampler that makes the choice."""
    if params.temperature == 0:
        return _made(context, "greedy")
    if params.mirostat == 1:
        tau, eta = params.mirostat_tau, params.mirostat_eta
        return _made(context, "mirostat", context.model.vocab.n_tokens, params.seed, tau, eta, MIROSTAT_M)
    if params.mirostat == 2:
        return _made(context, "mirostat_v2", params.seed, params.mirostat_tau, params.mirostat_eta)
    if params.adaptive_target >= 0:
        return _made(context, "adaptive_p", params.adaptive_target, params.adaptive_decay, params.seed)
    return _made(context, "dist", params.seed)


def _made(context: Context, name: str, *arguments: float) -> int | None:
    """Returns what llama_sampler_init_`name` returns. Raises NotSupported where the release has no such function."""
    init = getattr(context.model.library.api, f"llama_sampler_init_{name}")
    if init is None:
        raise _unsupported(context, name)
    pointer: int | None = init(*arguments)
    return pointer


def _unsupported(context: Context, name: str, feature: str = "") -> NotSupported:
    """Makes the refusal; `feature` is its name in `features`, where that is another."""
    version, first = context.model.library.info().version, first_with(feature or name)
    return NotSupported("engine.sampler_absent", name=name, version=version, first=first)


def _penalties(context: Context, params: SamplingParams) -> int | None:
    return context.model.library.init_penalties(
        context.model.vocab.n_tokens,
        context.n_ctx if params.repeat_last_n < 0 else params.repeat_last_n,
        params.repeat_penalty,
        params.frequency_penalty,
        params.presence_penalty,
    )


def _has_penalties(params: SamplingParams) -> bool:
    counts = params.repeat_penalty != 1 or params.frequency_penalty != 0 or params.presence_penalty != 0
    return counts and params.repeat_last_n != 0


def _dry(context: Context, params: SamplingParams) -> int | None:
    model = context.model
    vocab = model.library.vocab_of(model.pointer)
    init = dry.bind(model.library.api, vocab)
    if init is None:
        raise _unsupported(context, "dry")
    # Tokens that begin with a part of a breaker are tokenized without it; bytes that are no UTF-8 make b3995 to b4529
    # abort(). The releases from b5590 on, which have another layout, replace them.
    if not all(map(str.isascii, params.dry_sequence_breakers)) and "logits_all" in _fields_of(context):
        raise _unsupported(context, "dry_sequence_breakers (not ASCII)", "dry_breakers")
    return init(
        vocab,
        context.n_ctx,
        params.dry_multiplier,
        params.dry_base,
        params.dry_allowed_length,
        context.n_ctx if params.dry_penalty_last_n < 0 else params.dry_penalty_last_n,
        [breaker.encode() for breaker in params.dry_sequence_breakers],
    )


def _fields_of(context: Context) -> Container[str]:
    return context.model.library.context_layout.offsets()


def _can_infill(context: Context) -> bool:
    """Returns whether the release has the sampler for gaps, and the model an end that it may choose: without one, it
    ends the process."""
    model = context.model
    return model.library.api.llama_sampler_init_infill is not None and model.vocab.eos != NO_TOKEN


def _kept(params: SamplingParams) -> int:
    return max(1, params.min_keep)


def _has_dry(params: SamplingParams) -> bool:
    return params.dry_multiplier > 0 and params.dry_base >= 1 and params.dry_penalty_last_n != 0


def _temperature(context: Context, params: SamplingParams) -> int | None:
    if params.dynatemp_range > 0:
        return _made(context, "temp_ext", params.temperature, params.dynatemp_range, params.dynatemp_exponent)
    return _made(context, "temp", params.temperature)


ROWS: Final[dict[str, tuple[Callable[[SamplingParams], bool], Make]]] = {
    "penalties": (_has_penalties, _penalties),
    "dry": (_has_dry, _dry),
    "top_n_sigma": (lambda p: p.top_n_sigma > 0, lambda c, p: _made(c, "top_n_sigma", p.top_n_sigma)),
    "top_k": (lambda p: p.top_k > 0, lambda c, p: _made(c, "top_k", p.top_k)),
    "typical_p": (lambda p: p.typical_p < 1, lambda c, p: _made(c, "typical", p.typical_p, _kept(p))),
    "top_p": (lambda p: p.top_p < 1, lambda c, p: _made(c, "top_p", p.top_p, _kept(p))),
    "min_p": (lambda p: p.min_p > 0, lambda c, p: _made(c, "min_p", p.min_p, _kept(p))),
    "xtc": (
        lambda p: p.xtc_probability > 0 and p.xtc_threshold <= 0.5,
        lambda c, p: _made(c, "xtc", p.xtc_probability, p.xtc_threshold, _kept(p), p.seed),
    ),
    "temperature": (lambda _: True, _temperature),
    "infill": (lambda _: True, lambda c, _: _made(c, "infill", c.model.library.vocab_of(c.model.pointer))),
}
"""A sampler's name, as in params.SAMPLERS, leads here to whether it is on, and how it is made."""
