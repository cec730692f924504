"""Owns one llama_context with its batch and KV memory. Used in the engine thread, but for its abort flag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from hoshikage._ffi.batch import Batch
from hoshikage._ffi.callbacks import AbortFlag
from hoshikage._ffi.handles import Owner
from hoshikage._ffi.kv import KvMemory
from hoshikage._ffi.memory import Logits, floats_at
from hoshikage._ffi.threadpool import Threadpool
from hoshikage.cores import is_busy, threads
from hoshikage.errors import InferenceFailed, KvMemoryFull, ModelLoadFailed, OutOfMemory
from hoshikage.llama.kinds import is_encoder
from hoshikage.llama.kv_types import require_blocks
from hoshikage.llama.load_fields import context_fields, keeps_windows, several_fields, window_fields
from hoshikage.llama.model import Model, memory_short
from hoshikage.params import NO_ADAPTERS, AdapterSet, LoadParams

LARGEST_UBATCH: Final = 512
NO_KV_SLOT: Final = 1
MAX_PROPOSED: Final = 15
"""So many tokens are guessed ahead of one decode at most; with the one that is certain they fill kernels made for
16."""


class Context(Owner):
    """Keeps its model alive. After a decode that was aborted or failed, `clear` before the next, or, where
    `keeps_order`, `cut` each of its sequences to what it had."""

    def __init__(
        self, model: Model, pointer: int, abort: AbortFlag, n_ctx: int, n_batch: int, n_cells: int | None = None
    ) -> None:
        api = model.library.api
        super().__init__(pointer, api.llama_free)
        self.model = model
        self.abort = abort
        self.params: LoadParams | None = None
        """The context was opened with `params`; None where it was by bare fields."""
        self.n_ctx: int = min(n_ctx, api.llama_n_ctx(pointer))  # newer releases round up to a multiple of 256
        """One sequence has so many tokens at most."""
        self.n_cells: int = self.n_ctx if n_cells is None else min(n_cells, api.llama_n_ctx(pointer))
        """All sequences together have so many tokens at most."""
        self.adapters: AdapterSet | None = NO_ADAPTERS
        """It computes with these beside its model; None where a change came to grief."""
        self.n_sequences = 1
        """It can hold so many texts side by side."""
        self.n_batch: int = min(n_batch, api.llama_n_batch(pointer))
        self.n_ubatch: int = api.llama_n_ubatch(pointer)
        self.batch = Batch(self.n_batch)
        self._decode = api.llama_encode if is_encoder(model) else api.llama_decode
        self._synchronize = api.llama_synchronize
        self._logits_ith = api.llama_get_logits_ith
        self._memory = KvMemory(api, pointer)
        self.cuts_anywhere = not model.keeps_state
        """`cuts_anywhere` tells whether a sequence can be cut anywhere; else only as `reaches_back` says."""
        self._logits_view: tuple[int, Logits] | None = None
        self.n_threads: int = api.llama_n_threads(pointer)
        self._threadpool = Threadpool.attach(api, pointer, self.n_threads, api.llama_n_threads_batch(pointer))

    @classmethod
    def open(cls, model: Model, params: LoadParams) -> Context:
        """Makes a context for params.n_parallel sequences, or for one where more would be computed wrongly.

        Raises OutOfMemory, ModelLoadFailed or NotSupported.
        """
        n_sequences = 1 if model.spoils_sequences else params.n_parallel
        n_threads = threads(params.n_threads, busy=is_busy() and not params.deterministic)
        n_ctx = params.fitting_ctx(model.n_ctx_train)
        n_cells = min(params.n_ctx, n_ctx * n_sequences)
        n_batch = max(params.n_batch, n_sequences)  # room for a token of each
        require_blocks(model, params)
        windows = window_fields(model.library, whole=model.n_swa > 0 and keeps_windows(model.library, params))
        context = cls.open_with(
            model,
            {
                "n_ctx": n_cells,
                "n_batch": n_batch,
                "n_ubatch": min(n_batch, params.n_ubatch or (n_batch if params.mmproj else LARGEST_UBATCH)),
                "n_seq_max": n_sequences,
                "n_threads": n_threads,
                "n_threads_batch": params.n_threads_batch or n_threads,
                **several_fields(model.library, replace(params, n_parallel=n_sequences), 1 + MAX_PROPOSED),
                **context_fields(model.library, params),
                **windows,
            },
            n_ctx,
        )
        context.params = params
        context.cuts_anywhere = context.cuts_anywhere and not (model.n_swa and windows.get("swa_full") == 0)
        return context

    @classmethod
    def open_with(cls, model: Model, fields: Mapping[str, int | float], longest: int | None = None) -> Context:
        """Makes a context with these fields of llama_context_params set, n_ctx and n_batch among them.

        `longest`: most tokens of one sequence, where that is less than n_ctx.
        """
        library, abort = model.library, AbortFlag()
        wiring = {"abort_callback": abort.callback_address, "abort_callback_data": abort.data_address}
        unsafe = not library.abort_is_safe and fields["n_threads_batch"] != 1
        if unsafe or model.spoils_sequences:  # b5590 ends the process where such a model's decode is aborted
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
        n_cells = int(fields["n_ctx"])
        context = cls(model, pointer, abort, n_cells if longest is None else longest, int(fields["n_batch"]), n_cells)
        context.n_sequences = int(fields.get("n_seq_max", 1))
        return context

    @property
    def has_decoded(self) -> bool:
        """Tells whether anything was computed since it was made."""
        return bool(self.batch.struct.n_tokens)

    def refresh(self) -> None:
        """Empties the KV memory, and computes a batch of another shape than the last one: a release that would go on
        with the graph of the batch before makes a new one. Raises InferenceFailed."""
        last: int = self.batch.struct.n_tokens
        self.clear()
        self.batch.clear()
        for position in range(2 if last == 1 else 1):
            self.batch.add(0, position, 0, position == 0)
        code = self.decode_code()
        self.synchronize()
        self.clear()
        self.batch.clear()
        if code:
            raise InferenceFailed("engine.decode_failed", code=code)

    @property
    def keeps_order(self) -> bool:
        """Tells whether the memory is sound after a decode that was aborted or failed."""
        return self.model.library.abort_is_safe

    def decode(self) -> bool:
        """Computes the batch, and returns True. False says that the abort flag is set, and there are no results to use.

        Not every release and backend ends the computation for the flag. Raises KvMemoryFull where the cells do not
        suffice, InferenceFailed where the library fails.
        """
        struct = self.batch.struct
        struct.n_tokens = self.batch.n_tokens
        return self.decoded(self._decode(self.pointer, struct))

    def decoded(self, code: int) -> bool:
        """Returns what `decode` says where llama_decode returned this."""
        # An abort is 2 today and a failure like any other on some backends; up to b3995 it is 0, with wrong results.
        if self.abort.is_set:
            return False
        if code == 0:
            return True
        if code == NO_KV_SLOT:
            raise KvMemoryFull("engine.no_kv_slot")
        raise InferenceFailed("engine.decode_failed", code=code)

    def decode_code(self) -> int:
        """Decodes the batch, and returns what llama_decode does."""
        struct = self.batch.struct
        struct.n_tokens = self.batch.n_tokens
        code: int = self._decode(self.pointer, struct)
        return code

    def synchronize(self) -> None:
        """Waits until the last decode is computed: some backends return from it before that."""
        if self._synchronize is not None:
            self._synchronize(self.pointer)

    def logits(self, index: int) -> Logits:
        """Returns the logits of batch index `index`, not copied; good until the next decode. Only after a good
        decode."""
        address: int | None = self._logits_ith(self.pointer, index)
        if address is None:
            raise InferenceFailed("engine.no_logits", index=index)
        if self._logits_view is None or self._logits_view[0] != address:
            self._logits_view = (address, floats_at(address, self.model.vocab.n_tokens))
        return self._logits_view[1]

    def not_numbers(self) -> InferenceFailed:
        """Makes the error for results that are none, with the settings that may have made them so."""
        params = self.params or LoadParams("")
        return InferenceFailed(
            "engine.logits_invalid", type_k=params.type_k, type_v=params.type_v, flash_attn=params.flash_attn
        )

    def clear(self) -> None:
        """Empties the KV memory, when what is being computed in it is done."""
        self.pointer  # noqa: B018 - asked for its check
        self.synchronize()
        self._memory.clear()

    def remove(self, seq_id: int) -> None:
        """Takes a sequence out of the KV memory."""
        if self.model.spoils_sequences:  # there is no other, and it would leave its state to the next text
            self._memory.clear()
        else:
            self._memory.remove(seq_id)

    def cut(self, seq_id: int, begin: int) -> bool:
        """Takes a sequence's tokens from position `begin` on out of the KV memory, or all of them; returns whether none
        but those went.

        False where the memory cannot (`reaches_back`). Then the whole sequence is out.
        """
        if begin and self.shorten(seq_id, begin):
            return True
        self.remove(seq_id)
        return begin == 0

    @property
    def can_cut(self) -> bool:
        """Tells whether `cut` may leave a part: a recurrent model knows its last state only. A window may have moved
        on."""
        return not self.model.keeps_state

    def last(self, seq_id: int) -> int | None:
        """Returns the place of a sequence's last token, -1 for none; None where the release does not say."""
        return self._memory.last(seq_id)

    def shorten(self, seq_id: int, begin: int) -> bool:
        """Cuts as `cut` does, with a `begin` above 0; but where the memory cannot, the sequence is as it was."""
        return self.reaches_back(seq_id, begin) and self._memory.remove(seq_id, begin)

    def share(self, source: int, target: int, end: int, amend: Callable[[], bool] | None = None) -> bool:
        """Let sequence `target` begin with the first `end` tokens of `source`, in the same cells.

        `amend` gives the target what cannot be shared, where that is needed: a state that two sequences have in common
        comes out wrong on b8390, where they are decoded together with guesses. False where the memory, or that, cannot;
        then `target` is empty.
        """
        if self.model.spoils_sequences:
            return False
        memory = self._memory
        memory.remove(target)
        memory.copy(source, target, end)
        if amend is None:
            done = self.can_cut and memory.last(target) in (end - 1, None) and self.reaches_back(target, end)
        else:
            done = amend()
        if done:
            return True
        memory.remove(target)
        return False

    def reaches_back(self, seq_id: int, end: int) -> bool:
        """Returns whether a sequence can go on behind its first `end` tokens: whether all that those behind them look
        at is there. Of a recurrent model there is the last state only, of one with windows what the window has not
        left. Where the release does not say what is there, it is taken for enough: cutting then shows it."""
        first = self._memory.first(seq_id)
        if first is None:
            return True
        if self.model.keeps_state:
            return self._memory.last(seq_id) == end - 1
        return 0 <= first <= (max(0, end - self.model.n_swa) if self.model.n_swa else 0)

    def close(self) -> None:
        self._logits_view = None
        super().close()
        threadpool: Threadpool | None = getattr(self, "_threadpool", None)
        if threadpool is not None:  # after the context that computes with it
            threadpool.close()
