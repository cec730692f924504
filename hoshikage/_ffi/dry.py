"""Binds llama_sampler_init_dry, whose arguments changed twice under the same name. One thread."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from types import SimpleNamespace

from hoshikage._ffi.types import c_char_p, c_float, c_int32, c_size_t, c_void_p

Dry = Callable[[int, int, float, float, int, int, Sequence[bytes]], int | None]
"""A Dry makes a sampler of vocab, n_ctx_train, multiplier, base, allowed length, last_n, and sequence breakers."""

TAIL = (c_float, c_float, c_int32, c_int32, c_void_p, c_size_t)


def bind(api: SimpleNamespace, vocab: int) -> Dry | None:
    """Makes one call for all three forms; None where the release has none. `vocab` is as Library.vocab_of gives it.

    - 7 arguments, a model in front, up to b4435, before llama_model_get_vocab existed;
    - 8 arguments (vocab, n_ctx_train, ...) until about b10229;
    - 7 arguments (vocab, ...) from about b10361. Only there llama_sampler_copy exists, and a call in the form of 8
      with n_ctx_train 64 and an allowed length of 0 is read as one with last_n 0: a sampler that does nothing and says
      so by its name, "?dry".
    """
    function = api.llama_sampler_init_dry
    if function is None:
        return None
    long = [c_void_p, c_int32, *TAIL]
    short = [c_void_p, *TAIL]
    if api.llama_model_get_vocab is None:
        function.argtypes = short
    else:
        function.argtypes = long
        if api.llama_sampler_copy is not None:
            probe = function(vocab, 64, 1.0, 1.75, 0, 64, None, 0)
            empty = api.llama_sampler_name(probe).startswith(b"?")
            api.llama_sampler_free(probe)
            if empty:
                function.argtypes = short
    takes_n_ctx_train = len(function.argtypes) == len(long)

    def init(
        vocab: int,
        n_ctx_train: int,
        multiplier: float,
        base: float,
        allowed: int,
        last_n: int,
        breakers: Sequence[bytes],
    ) -> int | None:
        texts = (c_char_p * len(breakers))(*breakers)
        tail = (multiplier, base, allowed, last_n, ctypes.addressof(texts), len(breakers))
        made: int | None = function(vocab, n_ctx_train, *tail) if takes_n_ctx_train else function(vocab, *tail)
        return made

    return init
