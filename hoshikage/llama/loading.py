"""Opens model and context together, with as many layers on the GPU as fit where that is asked for. Engine thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from hoshikage._ffi import rpc
from hoshikage._ffi.library import Library
from hoshikage.errors import HoshikageError, InferenceFailed, KvMemoryFull, OutOfMemory, Unavailable
from hoshikage.llama.context import Context
from hoshikage.llama.exactness import require_deterministic
from hoshikage.llama.kinds import require_served, writes
from hoshikage.llama.load_fields import ALL_LAYERS, free_vram, sees_gpu
from hoshikage.llama.model import Model
from hoshikage.params import AUTO_LAYERS, LoadParams

Opened = TypeVar("Opened")
_STEPS: Final = 8
_ROOM: Final = 0.9
"""The weights may take this share of the GPU's free memory: the KV memory and the computation need the rest."""


def open_model(
    library: Library,
    params: LoadParams,
    on_progress: Callable[[float], bool],
    on_trial: Callable[[int], None] = lambda _layers: None,
) -> tuple[Model, Context]:
    """Opens the model and its context. `Model.n_gpu_layers` tells how many layers are on the GPU.

    `on_trial` is told so many before a first decode is tried with them, as a graphics card that has room for a model
    and its context may have none to compute with, and some libraries end the process then.

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

    def tried_at(layers: int) -> tuple[Model, Context]:
        model, context = open_at(layers)
        if layers and writes(model):
            on_trial(_counted(model, layers))
            try:
                _first_decode(context)
            except BaseException:
                context.close()
                model.close()
                raise
        return model, context

    before = free_vram(library) if with_gpu and params.n_gpu_layers else 0
    if params.n_gpu_layers == AUTO_LAYERS and with_gpu:
        (model, context), layers = fitting(
            tried_at,
            lambda: tries(*_estimate(library, params), minimum=int(params.require_gpu), below=params.fewer_layers_than),
            all_of_them=params.fewer_layers_than is None,
        )
    else:
        layers = max(params.n_gpu_layers, -1)
        model, context = open_at(layers)
    model.n_gpu_layers = _counted(model, layers) if with_gpu else 0
    model.vram_bytes = max(0, before - free_vram(library)) if before else 0
    return model, context


def _counted(model: Model, layers: int) -> int:
    """Returns how many layers these are; the output counts as one more."""
    top = (model.n_layers or ALL_LAYERS - 1) + 1
    return top if layers < 0 else min(layers, top)


def _first_decode(context: Context) -> None:
    """Computes as much as a prompt's largest part, so that a lack of memory shows here. Raises OutOfMemory."""
    batch, count = context.batch, min(context.n_batch, context.n_ctx - 1)
    batch.clear()
    batch.extend([0] * (count - 1), 0, 0)
    batch.add(0, count - 1, 0, True)
    try:
        context.decode()
        context.synchronize()
    except (InferenceFailed, KvMemoryFull) as error:
        raise OutOfMemory("engine.context_failed", n_ctx=context.n_cells, reason=error.key) from None
    context.clear()


def fitting(
    open_at: Callable[[int], Opened], fewer: Callable[[], Iterator[int]], *, all_of_them: bool = True
) -> tuple[Opened, int]:
    """Opens with the most layers that fit: all (-1), but not where they have failed before, then those of `fewer`.
    Raises OutOfMemory where none fits."""
    last: OutOfMemory | None = None
    for layers in _all_then(fewer) if all_of_them else fewer():
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


def tries(n_layers: int, fit: int, *, minimum: int, below: int | None = None) -> Iterator[int]:
    """Yields numbers of layers to try: from the guess `fit` down to `minimum`, in about eighths of the model. `below`:
    so many were too many."""
    step = max(1, n_layers // _STEPS)
    layers = min(fit, n_layers if below is None else below - step)
    while layers > minimum:
        yield layers
        layers -= step
    yield minimum


def _estimate(library: Library, params: LoadParams) -> tuple[int, int]:
    """Returns the model's layers, and how many of them the GPUs' free memory should hold."""
    n_layers = _layers(library, params.model_path)
    free = free_vram(library)
    try:
        per_layer = Path(params.model_path).stat().st_size / (n_layers + 1)
    except OSError:
        return n_layers, n_layers
    return n_layers, int(free * _ROOM / per_layer) if per_layer else n_layers


def _layers(library: Library, path: str) -> int:
    """Returns how many layers the metadata tell, which a load of the vocabulary alone brings; 32 where they cannot be
    had."""
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
