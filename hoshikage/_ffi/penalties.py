"""Binds llama_sampler_init_penalties, whose arguments changed twice under the same name. One thread."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from hoshikage._ffi.types import c_bool, c_float, c_int32

Penalties = Callable[[int, int, float, float, float], int]
"""A Penalties makes a sampler of n_vocab, last_n, repeat, frequency, and presence."""

NO_TOKEN = -1


def bind(api: SimpleNamespace) -> Penalties:
    """Makes one call for all three forms. The wrong form would not fail, it would compute with garbage.

    - 9 arguments up to b4291, before llama_model_load_from_file existed;
    - 4 arguments from b4435 (last_n, repeat, frequency, presence);
    - 5 arguments from about b10361 (n_vocab in front). Only there llama_sampler_copy exists, and a sampler made in
      that form with last_n 0 does nothing and says so by its name, "?penalties". In the four-argument form the same
      call asks for last_n 64 and is no empty sampler.
    """
    function = api.llama_sampler_init_penalties
    if api.has_old_model_load:
        function.argtypes = [c_int32] * 4 + [c_float] * 3 + [c_bool] * 2
        return lambda n_vocab, last_n, repeat, frequency, presence: function(
            n_vocab, NO_TOKEN, NO_TOKEN, last_n, repeat, frequency, presence, True, False
        )
    five = [c_int32, c_int32, c_float, c_float, c_float]
    if api.llama_sampler_copy is not None:
        function.argtypes = five
        probe = function(64, 0, 1.5, 0.0, 0.0)
        empty = api.llama_sampler_name(probe).startswith(b"?")
        api.llama_sampler_free(probe)
        if empty:
            return lambda *arguments: function(*arguments)
    function.argtypes = five[1:]
    return lambda _n_vocab, *rest: function(*rest)
