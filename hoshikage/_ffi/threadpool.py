"""Makes a persistent ggml threadpool for one context. Used in the context's thread.

A ggml built without OpenMP makes new threads for every decode, and they spin while they wait; under a server that
needs a core for itself, decoding can fall to a tenth. A pool that is kept, and sleeps instead of polling, does not.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Final

from hoshikage._ffi.types import c_void_p

PARAMS_BYTES: Final = 1024
N_THREADS_AT: Final = 512
POLL_AT: Final = 520
"""ggml_threadpool_params has bool cpumask[512], int n_threads, enum prio, and at this byte uint32_t poll, bool
strict_cpu, bool paused."""
DEFAULT_POLL: Final = 50
NORMAL_PRIORITY: Final = 0


class Threadpool:
    """A pool is freed after the context that it is attached to."""

    def __init__(self, pools: Sequence[int], free: Callable[[int], Any]) -> None:
        self._pools = pools
        self._free = free

    @classmethod
    def attach(cls, api: SimpleNamespace, context: int, n_threads: int, n_threads_batch: int) -> Threadpool | None:
        """Attaches a pool to the context, and a second where prompts have another number of threads; None where the
        library does not offer one that can be trusted."""
        new = cpu_function(api, b"ggml_threadpool_new", c_void_p, c_void_p)
        free = cpu_function(api, b"ggml_threadpool_free", None, c_void_p)
        if new is None or free is None or api.llama_attach_threadpool is None:
            return None
        pools: list[int] = []
        for count in dict.fromkeys((n_threads, n_threads_batch)):
            params = pool_params(api, count)
            pointer = new(params) if params is not None else None
            if pointer is None:
                cls(pools, free).close()
                return None
            pools.append(pointer)
        api.llama_attach_threadpool(context, pools[0], pools[1] if pools[1:] else None)
        return cls(pools, free)

    def close(self) -> None:
        pools, self._pools = self._pools, ()
        for pointer in pools:
            self._free(pointer)


def cpu_function(api: SimpleNamespace, name: bytes, result: Any, *arguments: Any) -> Callable[..., Any] | None:
    """Finds a function of the CPU backend, which may be a file of its own, by the backend's own directory of
    functions."""
    if api.ggml_backend_reg_by_name is None or api.ggml_backend_reg_get_proc_address is None:
        return None
    backend = api.ggml_backend_reg_by_name(b"CPU")
    address = api.ggml_backend_reg_get_proc_address(backend, name) if backend else None
    return ctypes.CFUNCTYPE(result, *arguments)(address) if address else None


def pool_params(api: SimpleNamespace, n_threads: int) -> ctypes.Array[ctypes.c_char] | None:
    """Returns the library's own default threadpool params, not polling; None where they do not look as expected."""
    if api.ggml_threadpool_params_init is None:
        return None
    params = ctypes.create_string_buffer(PARAMS_BYTES)
    api.ggml_threadpool_params_init(params, n_threads)
    if struct.unpack_from("=iiI", params, N_THREADS_AT) != (n_threads, NORMAL_PRIORITY, DEFAULT_POLL):
        return None
    struct.pack_into("=I", params, POLL_AT, 0)
    return params
