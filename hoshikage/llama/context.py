"""Context: owns one llama_context with its batch and KV memory. Used in the engine thread, but for its abort flag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from hoshikage._ffi.batch import Batch
from hoshikage._ffi.callbacks import AbortFlag
from hoshikage._ffi.handles import Owner
from hoshikage._ffi.memory import Logits, floats_at
from hoshikage._ffi.threadpool import Threadpool
from hoshikage.errors import InferenceFailed, ModelLoadFailed, OutOfMemory
from hoshikage.llama.cores import physical_cores
from hoshikage.llama.load_fields import context_fields
from hoshikage.llama.model import Model, memory_short
from hoshikage.params import LoadParams

LARGEST_UBATCH: Final = 512
NO_KV_SLOT: Final = 1


class Context(Owner):
    """Keeps its model alive. After a decode that was aborted or failed, `clear` before the next."""

    def __init__(self, model: Model, pointer: int, abort: AbortFlag, n_ctx: int, n_batch: int) -> None:
        api = model.library.api
        super().__init__(pointer, api.llama_free)
        self.model = model
        self.abort = abort
        self.n_ctx = min(n_ctx, api.llama_n_ctx(pointer))  # newer releases round up to a multiple of 256
        self.n_batch: int = min(n_batch, api.llama_n_batch(pointer))
        self.batch = Batch(self.n_batch)
        self._decode = api.llama_decode
        self._logits_ith = api.llama_get_logits_ith
        self._clear = _memory_clear(api, pointer)
        self._logits_view: tuple[int, Logits] | None = None
        self._threadpool = Threadpool.attach(api, pointer, api.llama_n_threads(pointer))

    @classmethod
    def open(cls, model: Model, params: LoadParams) -> Context:
        """Make a context for one sequence. Raises OutOfMemory, ModelLoadFailed or NotSupported."""
        n_threads = params.n_threads or physical_cores()
        n_ctx = min(params.n_ctx, model.n_ctx_train) if model.n_ctx_train > 0 else params.n_ctx
        return cls.open_with(
            model,
            {
                "n_ctx": n_ctx,
                "n_batch": params.n_batch,
                "n_ubatch": min(params.n_batch, LARGEST_UBATCH),
                "n_seq_max": 1,
                "n_threads": n_threads,
                "n_threads_batch": n_threads,
                **context_fields(model.library, params),
            },
        )

    @classmethod
    def open_with(cls, model: Model, fields: Mapping[str, int | float]) -> Context:
        """Make a context with these fields of llama_context_params set, n_ctx and n_batch among them."""
        library, abort = model.library, AbortFlag()
        wiring = {"abort_callback": abort.callback_address, "abort_callback_data": abort.data_address}
        if not library.abort_is_safe and fields["n_threads_batch"] != 1:
            wiring = {}  # the flag then only tells the caller's loop, between two decodes
        image = library.context_params({**wiring, **fields})
        library.log_lines.errors = []
        pointer: int | None = library.api.llama_init_from_model(model.pointer, image)
        if pointer is None:
            errors = library.log_lines.errors
            reason = " / ".join(errors[-3:]) or "-"
            if errors and not memory_short(errors):
                raise ModelLoadFailed("engine.context_refused", reason=reason)
            raise OutOfMemory("engine.context_failed", n_ctx=int(fields["n_ctx"]), reason=reason)
        return cls(model, pointer, abort, int(fields["n_ctx"]), int(fields["n_batch"]))

    def decode(self) -> bool:
        """Compute the batch. False: the abort flag is set, and there are no results to use.

        Not every release and backend ends the computation for the flag. Raises InferenceFailed where the library fails.
        """
        code = self.decode_code()
        # An abort is 2 today and a failure like any other on some backends; up to b3995 it is 0, with wrong results.
        if self.abort.is_set:
            return False
        if code == 0:
            return True
        if code == NO_KV_SLOT:
            raise InferenceFailed("engine.no_kv_slot")
        raise InferenceFailed("engine.decode_failed", code=code)

    def decode_code(self) -> int:
        """What llama_decode returns for the batch."""
        struct = self.batch.struct
        struct.n_tokens = self.batch.n_tokens
        code: int = self._decode(self.pointer, struct)
        return code

    def logits(self, index: int) -> Logits:
        """The logits of batch index `index`, not copied; good until the next decode. Only after a good decode."""
        address: int | None = self._logits_ith(self.pointer, index)
        if address is None:
            raise InferenceFailed("engine.no_logits", index=index)
        if self._logits_view is None or self._logits_view[0] != address:
            self._logits_view = (address, floats_at(address, self.model.vocab.n_tokens))
        return self._logits_view[1]

    def clear(self) -> None:
        """Empty the KV memory."""
        self._clear(self.pointer)

    def close(self) -> None:
        self._logits_view = None
        super().close()
        threadpool: Threadpool | None = getattr(self, "_threadpool", None)
        if threadpool is not None:  # after the context that computes with it
            threadpool.close()


def _memory_clear(api: SimpleNamespace, pointer: int) -> Callable[[int], Any]:
    """The release's way to empty the KV memory, newest first."""
    if api.llama_memory_clear is not None and api.llama_get_memory is not None:
        memory = api.llama_get_memory(pointer)
        return lambda _context: api.llama_memory_clear(memory, True)
    return partial(api.llama_kv_self_clear or api.llama_kv_cache_clear)
