"""Looks at the NVIDIA cards of this machine and what their driver is made for, by NVML. Any thread; blocking.

The package nvidia-ml-py (extra `nvidia`) asks it; without it nothing is known, and nothing is made of that.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

from hoshikage.library.card_code import Card


def seen() -> tuple[tuple[Card, ...], tuple[int, int] | None]:
    """Returns the cards, and the driver's version of CUDA."""
    try:
        nvml: Any = import_module("pynvml")
    except ImportError:
        return (), None
    cards: list[Card] = []
    cuda: tuple[int, int] | None = None
    with suppress(nvml.NVMLError):  # no driver
        nvml.nvmlInit()
        try:
            number = nvml.nvmlSystemGetCudaDriverVersion_v2()
            cuda = (number // 1000, number % 1000 // 10)
            for index in range(nvml.nvmlDeviceGetCount()):
                device = nvml.nvmlDeviceGetHandleByIndex(index)
                major, minor = nvml.nvmlDeviceGetCudaComputeCapability(device)
                name = nvml.nvmlDeviceGetName(device)
                cards.append(Card(name.decode() if isinstance(name, bytes) else str(name), 10 * major + minor))
        finally:
            nvml.nvmlShutdown()
    return tuple(cards), cuda
