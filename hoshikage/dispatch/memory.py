"""Measures the memory that a process holds, where the system says it. Any thread."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import field

from hoshikage.dispatch.headroom import available_memory
from hoshikage.frozen import Frozen


class Footprint(Frozen, frozen=True):
    """These are bytes of one process; 0 where the process is gone or nobody tells."""

    resident_bytes: int
    vram_bytes: int
    at: float = field(default_factory=time.monotonic)
    """It was measured at this time, by the clock of time.monotonic."""


class MemoryInUse(Frozen, frozen=True):
    """These are the bytes that this process and the runners hold, and what the machine has left; 0 where nobody
    tells."""

    server_bytes: int = 0
    runner_bytes: int = 0
    vram_bytes: int = 0
    available_bytes: int = 0


def in_use(runners: Iterable[int]) -> MemoryInUse:
    held = [*map(footprint, runners)]
    return MemoryInUse(
        server_bytes=resident_bytes(os.getpid()),
        runner_bytes=sum(one.resident_bytes for one in held),
        vram_bytes=sum(one.vram_bytes for one in held),
        available_bytes=available_memory(),
    )


def footprint(pid: int) -> Footprint:
    return Footprint(resident_bytes(pid), vram_bytes(pid)) if pid else Footprint(0, 0)


def resident_bytes(pid: int) -> int:
    """Returns the bytes of physical memory mapped by that process (Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def own_bytes(pid: int) -> int:
    """Counts the bytes that the process holds and nobody else could have: not what it maps of files on a disk
    (Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def free_vram() -> int:
    """Returns the free bytes of all NVIDIA GPUs, where the package nvidia-ml-py (extra `nvidia`) is installed; 0 where
    it is not told. 0: not told."""
    try:
        nvml: Any = import_module("pynvml")
    except ImportError:
        return 0
    free = 0
    with suppress(nvml.NVMLError):
        nvml.nvmlInit()
        try:
            for index in range(nvml.nvmlDeviceGetCount()):
                free += nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByIndex(index)).free
        finally:
            nvml.nvmlShutdown()
    return free


def vram_bytes(pid: int) -> int:
    """Returns the bytes of NVIDIA GPUs' memory held by that process, where the package nvidia-ml-py (extra `nvidia`) is
    installed."""
    try:
        nvml: Any = import_module("pynvml")
    except ImportError:
        return 0
    total = 0
    with suppress(nvml.NVMLError):  # no driver, or a device that does not tell
        nvml.nvmlInit()
        try:
            for index in range(nvml.nvmlDeviceGetCount()):
                device = nvml.nvmlDeviceGetHandleByIndex(index)
                for process in nvml.nvmlDeviceGetComputeRunningProcesses(device):
                    if process.pid == pid:
                        total += process.usedGpuMemory or 0
        finally:
            nvml.nvmlShutdown()
    return total
