"""Loads LoRA adapters and control vectors, and knows which of them a context computes with. Engine thread.

An adapter is loaded once for its model and freed with it. A change is made true on every release: those from b6122 on
go on with the graph of the batch before where the next has the same shape, and b6122 to b7698 do so in spite of another
adapter, up to b8390 in spite of another vector. A batch of another shape between the two makes them look again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from weakref import WeakSet

import numpy as np

from hoshikage import kv_file
from hoshikage._ffi.arrays import Pointers, floats
from hoshikage.errors import GgufInvalid, InferenceFailed, InvalidRequest, ModelLoadFailed, NotSupported
from hoshikage.gguf import control_vector, require_lora
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.params import AdapterSet, LoadParams, Scaled

Result = TypeVar("Result")
FIRST_WITH_ALORA: Final = "b8095"
"""This tested release is the first that changes adapters without emptying the memory."""


class Adapters:
    """These are all adapters of one model; `use` changes one of its contexts."""

    def __init__(self, model: Model, params: LoadParams) -> None:
        """Loads those that the model was given. Raises ModelLoadFailed, NotSupported."""
        self._model = model
        self._loaded: dict[str, int] = {}
        self._files: dict[str, str] = {}
        """Maps each of them to what it was read from."""
        self._states: dict[str, tuple[int, ...]] = {}
        """Tells one state of a request's file from another."""
        self._contexts: WeakSet[Context] = WeakSet()
        """These have been told what to compute with."""
        self._invocations: dict[str, tuple[int, ...]] = {}
        """An aLoRA is active from these tokens on."""
        self.usual = AdapterSet(params.lora, params.control_vectors)
        """Requests that name no adapters are computed with these."""
        for path, _ in params.lora:
            self._lora(path)

    def chosen(self, lora: tuple[Scaled, ...] | None, control_vectors: tuple[Scaled, ...] | None = None) -> AdapterSet:
        """Returns a request's adapters, and loads those that are not loaded yet; None is as usual. Raises
        ModelLoadFailed, NotSupported."""
        usual = self.usual
        for path, _ in (*(lora or ()), *(control_vectors or ())):
            self._renew(path)
        if lora is None or lora == usual.lora:
            lora = usual.lora
        else:
            for path, _ in lora:
                self._lora(path)
            lora = tuple(one for one in lora if one.scale)
        return AdapterSet(lora, usual.control_vectors if control_vectors is None else control_vectors)

    def woken(self, wanted: AdapterSet, tokens: Sequence[int]) -> tuple[AdapterSet, AdapterSet, int]:
        """Returns what a prompt is computed with, what its first tokens are, and how many these are: an aLoRA is active
        from its invocation on, where that comes last, and not at all where it does not come.

        Raises InvalidRequest for two of them with different places, NotSupported.
        """
        places = {one: _last(tokens, self._invocations[one.path]) for one in wanted.lora if self._invocations[one.path]}
        if not places:
            return wanted, wanted, 0
        active = {one: place for one, place in places.items() if place is not None}
        used = tuple(one for one in wanted.lora if places.get(one, 0) is not None)
        with_it = AdapterSet(used, wanted.control_vectors)
        if len({*active.values()}) > 1:
            raise InvalidRequest("engine.alora_several", param="lora")
        if not (place := next(iter(active.values()), 0)):
            return with_it, with_it, 0
        library = self._model.library
        if library.api.llama_set_adapters_lora is None:
            raise NotSupported(
                "library.feature_since", feature="alora", version=library.version, first=FIRST_WITH_ALORA
            )
        without = AdapterSet(tuple(one for one in used if one not in active), wanted.control_vectors)
        return with_it, without, place

    def scope(self, scope: str, wanted: AdapterSet) -> str:
        """Returns the scope of the memory of a prompt that is computed with these adapters: no other set's, and no
        other files'."""
        files = [self._files.get(path, "") for path, _ in wanted.lora]
        return scope if wanted == self.usual else f"{scope}\0{wanted}{files}"

    def keeps(self, context: Context, wanted: AdapterSet) -> bool:
        """Returns whether the context's memory may stay as it is when these come into use."""
        if not context.has_decoded:
            return True
        before = context.adapters
        same = before is not None and before.control_vectors == wanted.control_vectors
        return same and self._model.library.api.llama_set_adapters_lora is not None

    def use(self, context: Context, wanted: AdapterSet) -> None:
        """The context computes with these from its next decode on. Where they are others than before and the memory
        cannot stay (`keeps`), it is empty afterwards.

        Raises InferenceFailed, ModelLoadFailed, NotSupported.
        """
        before = context.adapters
        if before == wanted:
            return
        keeps = self.keeps(context, wanted)
        self._contexts.add(context)
        context.adapters = None  # until all is done
        if before is None or before.lora != wanted.lora:
            self._use_lora(context, wanted.lora)
        if before is None or before.control_vectors != wanted.control_vectors:
            self._use_vectors(context, wanted.control_vectors)
        context.adapters = wanted
        if not keeps:
            context.refresh()

    def _renew(self, path: str) -> None:
        """Forgets what was read of a file that is another by now: no context computes with that any more."""
        state = _state_of(path)
        if self._states.setdefault(path, state) == state or not state:
            return
        self._states[path] = state
        self._loaded.pop(path, None)
        for context in self._contexts:
            context.adapters = None

    def _use_lora(self, context: Context, wanted: Sequence[Scaled]) -> None:
        api = self._model.library.api
        handles = [self._lora(path) for path, _ in wanted]
        array = Pointers(handles)
        if api.llama_set_adapters_lora is not None:
            scales = floats([scale for _, scale in wanted])
            code = api.llama_set_adapters_lora(context.pointer, array.address, len(handles), scales)
            if code:
                raise InferenceFailed("engine.adapter_unused", code=code)
            return
        api.llama_clear_adapter_lora(context.pointer)
        for handle, (_, scale) in zip(handles, wanted, strict=True):
            if code := api.llama_set_adapter_lora(context.pointer, handle, scale):
                raise InferenceFailed("engine.adapter_unused", code=code)

    def _use_vectors(self, context: Context, wanted: Sequence[Scaled]) -> None:
        model = self._model
        model.library.require("control_vector")
        apply = model.library.api.llama_set_adapter_cvec
        n_embd: int = model.library.api.llama_model_n_embd(model.pointer)
        if not wanted:
            apply(context.pointer, None, 0, n_embd, 0, 0)
            return
        total = np.zeros((max(model.n_layers - 1, 0), n_embd), np.float32)  # from the second layer on
        for path, scale in wanted:
            for layer, direction in _require(partial(control_vector, Path(path))).items():
                if len(direction) != n_embd or layer > len(total):
                    raise ModelLoadFailed(
                        "engine.vector_unlike", path=path, size=len(direction), layer=layer, n_embd=n_embd
                    )
                total[layer - 1] += np.float32(scale) * np.frombuffer(direction, np.float32)
        values = np.ascontiguousarray(total).ravel()
        if code := apply(context.pointer, values.ctypes.data, values.size, n_embd, 1, model.n_layers):
            raise InferenceFailed("engine.adapter_unused", code=code)

    def _lora(self, path: str) -> int:
        handle = self._loaded.get(path)
        if handle is None:
            library = self._model.library
            library.require("lora")
            self._invocations[path] = _require(partial(require_lora, Path(path), self._model.architecture))
            library.log_lines.errors = []
            result: int | None = library.api.llama_adapter_lora_init(self._model.pointer, os.fsencode(path))
            if result is None:
                reason = " / ".join(library.log_lines.errors[-3:]) or "-"
                raise ModelLoadFailed("engine.adapter_refused", path=path, reason=reason)
            self._loaded[path], self._files[path] = result, kv_file.identity(Path(path))
            return result
        return handle


def _state_of(path: str) -> tuple[int, ...]:
    """Tells one state of a file from another; empty where there is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116  asked with every request
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _last(tokens: Sequence[int], sequence: tuple[int, ...]) -> int | None:
    """Returns where `sequence` begins in `tokens` for the last time; None where it does not come."""
    size = len(sequence)
    return next((at for at in range(len(tokens) - size, -1, -1) if tuple(tokens[at : at + size]) == sequence), None)


def _require(look: Callable[[], Result]) -> Result:
    """Returns what `look` finds in a file, before the library sees it. Raises ModelLoadFailed."""
    try:
        return look()
    except GgufInvalid as error:
        raise ModelLoadFailed.of(error.key, error.details) from None
