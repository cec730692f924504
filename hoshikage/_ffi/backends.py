"""Loads ggml's backends: loaded from libllama's folder where none is built in, and the devices they bring. One
thread."""

from __future__ import annotations

import os
from ctypes import addressof
from pathlib import Path
from types import SimpleNamespace
from typing import Final

from hoshikage._ffi.types import c_size_t
from hoshikage.errors import NoBackend
from hoshikage.infos import DeviceInfo

KINDS: Final = {0: "cpu", 1: "gpu", 2: "igpu", 3: "accel"}
KINDS_BY_NAME: Final = {"CPU": "cpu", "BLAS": "accel", "AMX": "accel"}
"""The numbers of the types changed (b3889 calls the CPU 2, b6301 an accelerator 2); these names did not."""


BACKENDS: Final = "ggml/backends*"
"""Debian's ggml has its backends here, below the folder of libllama."""


def load_backends(api: SimpleNamespace, path: Path) -> None:
    """Makes sure that there is a backend. Raises LibraryUnavailable.

    A libllama without backends fails to load any model, and b4435 dies of it. ggml_backend_load_all looks beside the
    executable, which is Python; only the function with a path finds the folder.
    """
    if api.ggml_backend_reg_count is None:
        return  # a release from before backends were files
    for folder in (path.parent, *sorted(path.resolve().parent.glob(BACKENDS))):
        if api.ggml_backend_reg_count() == 0 and api.ggml_backend_load_all_from_path is not None:
            api.ggml_backend_load_all_from_path(os.fsencode(folder))
    if api.ggml_backend_reg_count() == 0:
        raise NoBackend("library.no_backend", file=str(path), folder=str(path.parent))


def devices(api: SimpleNamespace, *, memory: bool) -> tuple[DeviceInfo, ...]:
    """Lists what the loaded backends can compute on; empty where the release has no such functions.

    Asking for `memory` makes a CUDA context, which takes half a gigabyte of the card; names and kinds take nothing.
    """
    return tuple(_device(api, device, memory=memory) for device in handles(api))


def handles(api: SimpleNamespace) -> tuple[int, ...]:
    """Lists ggml's own pointers to the devices, in the order of `devices`."""
    if api.ggml_backend_dev_count is None or api.ggml_backend_dev_get is None:
        return ()
    return tuple(api.ggml_backend_dev_get(index) for index in range(api.ggml_backend_dev_count()))


def buffer_types(api: SimpleNamespace, *, but: tuple[str, ...] = ()) -> dict[str, int]:
    """The devices' own buffer types by their names, without those of some kinds of devices."""
    result = {}
    for device, info in zip(handles(api), devices(api, memory=False), strict=True):
        if info.kind not in but and (kind := api.ggml_backend_dev_buffer_type(device)):
            result[_text(api.ggml_backend_buft_name(kind))] = kind
    return result


def _device(api: SimpleNamespace, device: int, *, memory: bool) -> DeviceInfo:
    free, total = c_size_t(0), c_size_t(0)
    if memory:
        api.ggml_backend_dev_memory(device, addressof(free), addressof(total))
    name = _text(api.ggml_backend_dev_name(device))
    kind = KINDS_BY_NAME.get(name) or KINDS.get(api.ggml_backend_dev_type(device), "other")
    return DeviceInfo(name, _text(api.ggml_backend_dev_description(device)), kind, free.value, total.value)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace").strip()
