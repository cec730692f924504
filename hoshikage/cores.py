"""Counts the cores to compute with, and tells whether others want them. Pure reading; any thread."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

TOPOLOGY: Final = "/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
CGROUP_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
PRESSURE: Final = Path("/proc/pressure/cpu")
WAITING: Final = re.compile(r"some avg10=([0-9.]+)")
BUSY_PRESSURE: Final = 30.0
"""This is the share, in percent of the last ten seconds, in which something has waited for a core. A model that
computes alone stays far below."""
BUSY_LOAD: Final = 1.5
"""So many programs want to run, for each core: where the system tells no pressure."""


def physical_cores() -> int:
    """Counts the physical cores that this process may use; hyperthreads of one core count once.

    Linux: the process's affinity, the cores' topology and a container's quota. Elsewhere: the system's processors.
    """
    if sys.platform != "linux":
        return os.cpu_count() or 1
    cpus = os.sched_getaffinity(0)
    cores = {_read(Path(TOPOLOGY.format(cpu=cpu))) or str(cpu) for cpu in cpus}
    quota, _, period = _read(CGROUP_QUOTA).partition(" ")
    allowed = int(quota) / int(period) if quota.isdigit() and period.isdigit() else len(cores)
    return max(1, min(len(cores), round(allowed)))


def is_busy(pressure: Path = PRESSURE) -> bool:
    """Returns whether other programs compute on this machine. Threads that wait for each other by spinning are then
    many times slower than one: each holds its core while another has none."""
    if (met := WAITING.search(_read(pressure))) is not None:
        return float(met[1]) >= BUSY_PRESSURE
    try:
        return os.getloadavg()[0] >= BUSY_LOAD * physical_cores()
    except (AttributeError, OSError):  # Windows has none
        return False


def threads(wanted: int, *, busy: bool) -> int:
    """Returns how many threads to compute with: so many, or for 0 one for each core, of which one stays free where it
    is busy."""
    cores = physical_cores()
    return wanted or (max(1, cores - 1) if busy else cores)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""
