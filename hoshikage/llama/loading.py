"""Opens model and context together, with as many layers on the GPU as fit where that is asked for. Engine thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from hoshikage._ffi import rpc
from hoshikage._ffi.library import Library
from hoshikage.errors import HoshikageError, OutOfMemory, Unavailable
from hoshikage.llama.context import Context
from hoshikage.llama.exactness import require_deterministic
from hoshikage.llama.kinds import require_served
from hoshikage.llama.load_fields import ALL_LAYERS, free_vram, sees_gpu
from hoshikage.llama.model import Model
from hoshikage.params import AUTO_LAYERS, LoadParams

Opened = TypeVar("Opened")
_STEPS: Final = 8
_ROOM: Final = 0.9
"""The share of the GPU's free memory that the weights may take: the KV memory and the computation need the rest."""


def open_model(library: Library, params: LoadParams, on_progress: Callable[[float], bool]) -> tuple[Model, Context]:
    """A loaded model and its context. `Model.n_gpu_layers` tells how many layers are on the GPU.

    Raises ModelLoadFailed, OutOfMemory, NotSupported, and Unavailable where a GPU or a server of another machine is
    asked for and there is none.
    """
    rpc.connect(library.api, params.rpc_servers)
    with_gpu = sees_gpu(library)
    if params.require_gpu:
        _require_gpu(library, params, with_gpu)

    def open_at(layers: int) -> tuple[Model, Context]:
        model = Model.load(library, params, on_progress, layers)
        try:
            require_served(model, params.model_path)
            require_deterministic(model, params)
            return model, Context.open(model, params)
        except BaseException:
            model.close()
            raise

    before = free_vram(library) if with_gpu and params.n_gpu_layers else 0
    if params.n_gpu_layers == AUTO_LAYERS and with_gpu:
        (model, context), layers = fitting(
            open_at, lambda: tries(*_estimate(library, params), minimum=int(params.require_gpu))
        )
    else:
        layers = max(params.n_gpu_layers, -1)
        model, context = open_at(layers)
    top = (model.n_layers or ALL_LAYERS - 1) + 1  # the output counts as one more layer
    model.n_gpu_layers = 0 if not with_gpu else top if layers < 0 else min(layers, top)
    model.vram_bytes = max(0, before - free_vram(library)) if before else 0
    return model, context


def fitting(open_at: Callable[[int], Opened], fewer: Callable[[], Iterator[int]]) -> tuple[Opened, int]:
    """What opens with the most layers: all (-1), then those of `fewer`. Raises OutOfMemory where none fits."""
    last: OutOfMemory | None = None
    for layers in _all_then(fewer):
        outcome = _attempt(open_at, layers)
        if not isinstance(outcome, OutOfMemory):
            return outcome, layers
        last = outcome
    assert last is not None
    raise last


def _all_then(fewer: Callable[[], Iterator[int]]) -> Iterator[int]:
    """`fewer` is asked only when all layers have turned out to be too many."""
    yield -1
    yield from fewer()


def _attempt(open_at: Callable[[int], Opened], layers: int) -> Opened | OutOfMemory:
    try:
        return open_at(layers)
    except OutOfMemory as error:
        return error


def tries(n_layers: int, fit: int, *, minimum: int) -> Iterator[int]:
    """Numbers of layers to try: from the guess `fit` down to `minimum`, in about eighths of the model."""
    step = max(1, n_layers // _STEPS)
    layers = min(fit, n_layers)
    while layers > minimum:
        yield layers
        layers -= step
    yield minimum


def _estimate(library: Library, params: LoadParams) -> tuple[int, int]:
    """The model's layers, and how many of them the GPUs' free memory should hold."""
    n_layers = _layers(library, params.model_path)
    free = free_vram(library)
    try:
        per_layer = Path(params.model_path).stat().st_size / (n_layers + 1)
    except OSError:
        return n_layers, n_layers
    return n_layers, int(free * _ROOM / per_layer) if per_layer else n_layers


def _layers(library: Library, path: str) -> int:
    """By the metadata, which a load of the vocabulary alone brings; 32 where it cannot be had."""
    try:
        model = Model.load_vocabulary(library, path)
    except HoshikageError:
        return 32
    try:
        return model.n_layers or 32
    finally:
        model.close()


def _require_gpu(library: Library, params: LoadParams, with_gpu: bool) -> None:
    if params.n_gpu_layers == 0:
        raise Unavailable("engine.gpu_unused")
    if not with_gpu:
        devices = ", ".join(device.name for device in library.devices()) or "-"
        reason = " / ".join(library.log_lines.errors[-3:]) or "-"
        raise Unavailable("engine.gpu_required", devices=devices, reason=reason)
