"""This is a sampler chain that runs on the device, behind the model's output and in one computation with it. Engine
thread.

Where it runs, Python neither waits for the logits nor looks at them. Releases whose contexts say how many outputs a
sequence may have (`n_outputs_max_per_seq`) can do so; older ones try, and allow one output a decode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoshikage._ffi.handles import Owner
from hoshikage.errors import InferenceFailed
from hoshikage.llama.context import Context
from hoshikage.llama.load_fields import least_free_vram
from hoshikage.params import RANDOM_SEED, SamplingParams

LARGEST_TOP_K: Final = 1024
"""The library ends the process for a top-k of more tokens than there are, and many are slow to sort on a device."""
GREEDY: Final = "greedy"
ROOM_BYTES: Final = 128 * 2**20
"""A GPU with less free memory is left alone: the library ends the process where its new plan finds no room."""

Steps = Sequence[tuple[str, float]]
"""Samplers of `drawing.STEPS` stand here with their values, in order."""


class DeviceChain(Owner):
    """Owns a chain that chooses for one sequence of a context, from the next decode on until it is closed."""

    def __init__(self, context: Context, number: int, pointer: int) -> None:
        api = context.model.library.api
        super().__init__(pointer, api.llama_sampler_free)
        self._context = context
        self._number = number
        self._sample = api.llama_sampler_sample
        self._set = api.llama_set_sampler

    @classmethod
    def attach(cls, context: Context, number: int, steps: Steps | None) -> DeviceChain | None:
        """Attaches the chain of these steps with a draw behind them, or of the likeliest token for None. Returns None
        where the library cannot let a device sample for this model, or memory is short."""
        api = context.model.library.api
        if context.model.n_gpu_layers and least_free_vram(context.model.library) < ROOM_BYTES:
            return None
        chain = cls(context, number, api.llama_sampler_chain_init(True))
        try:
            for pointer in _samplers(context, steps):
                if pointer is None:
                    raise InferenceFailed("engine.sampler_failed", name="device")
                api.llama_sampler_chain_add(chain.pointer, pointer)
            if chain._set(context.pointer, number, chain.pointer):
                return chain
        except BaseException:
            chain.close()
            raise
        chain.close()
        return None

    def sample(self, index: int) -> int:
        """Returns the token that was chosen for batch index `index`. What the device cannot do of the chain is done
        here."""
        return int(self._sample(self.pointer, self._context.pointer, index))

    def close(self) -> None:
        if self._pointer is not None:
            self._set(self._context.pointer, self._number, None)  # the context does not own it
        super().close()


def kind_of(context: Context, params: SamplingParams, steps: Steps | None) -> str | None:
    """Returns what chains that take equally long on a device have in common; None where the device cannot choose as
    Python does. A request with a seed is drawn by Python alone: which of the two is quicker must not change its
    answer."""
    library, load = context.model.library, context.params
    if "n_outputs_max_per_seq" not in library.fields or library.api.llama_set_sampler is None:
        return None
    if load is not None and (load.deterministic or load.rpc_servers):  # what another machine can do is not known here
        return None
    if steps is None:
        return GREEDY
    if params.seed != RANDOM_SEED or params.min_keep > 1:
        return None
    if any(name == "top_k" and value > min(LARGEST_TOP_K, context.model.vocab.n_tokens) for name, value in steps):
        return None
    return ",".join(name for name, _ in steps)


def _samplers(context: Context, steps: Steps | None) -> list[int | None]:
    api = context.model.library.api
    if steps is None:
        return [api.llama_sampler_init_greedy()]
    makers = {
        "top_k": lambda value: api.llama_sampler_init_top_k(int(value)),
        "top_p": lambda value: api.llama_sampler_init_top_p(value, 1),
        "min_p": lambda value: api.llama_sampler_init_min_p(value, 1),
        "temperature": api.llama_sampler_init_temp,
    }
    return [*(makers[name](value) for name, value in steps), api.llama_sampler_init_dist(RANDOM_SEED)]
