"""How many threads to compute with. Pure reading; any thread."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

TOPOLOGY: Final = "/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
CGROUP_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")


def physical_cores() -> int:
    """Physical cores that this process may use; hyperthreads of one core count once.

    Linux: the process's affinity, the cores' topology and a container's quota. Elsewhere: the system's processors.
    """
    if sys.platform != "linux":
        return os.cpu_count() or 1
    cpus = os.sched_getaffinity(0)
    cores = {_read(Path(TOPOLOGY.format(cpu=cpu))) or str(cpu) for cpu in cpus}
    quota, _, period = _read(CGROUP_QUOTA).partition(" ")
    allowed = int(quota) / int(period) if quota.isdigit() and period.isdigit() else len(cores)
    return max(1, min(len(cores), round(allowed)))


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""
