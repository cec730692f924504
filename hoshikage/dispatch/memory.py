"""Memory that a process holds, where the system says it. Any thread."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes; 0 where the process is gone or nobody tells."""

    resident_bytes: int
    vram_bytes: int


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
