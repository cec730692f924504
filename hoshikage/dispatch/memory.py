"""Memory that a process holds, where the system says it. Any thread."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hoshikage.dispatch.headroom import available_memory


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes; 0 where the process is gone or nobody tells."""

    resident_bytes: int
    vram_bytes: int


def in_use(runner: int) -> dict[str, int]:
    """Bytes that this process and the runner hold, and what the machine has left; 0 where nobody tells."""
    held = footprint(runner)
    return {
        "server_bytes": resident_bytes(os.getpid()),
        "runner_bytes": held.resident_bytes,
        "vram_bytes": held.vram_bytes,
        "available_bytes": available_memory(),
    }


def footprint(pid: int) -> Footprint:
    return Footprint(resident_bytes(pid), vram_bytes(pid)) if pid else Footprint(0, 0)


def resident_bytes(pid: int) -> int:
    """Physical memory mapped by that process (Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def vram_bytes(pid: int) -> int:
    """Memory of NVIDIA GPUs held by that process, where the package nvidia-ml-py (extra `nvidia`) is installed."""
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
