"""Decides when what `hoshikage tune` chose holds: for the library, the machine and the file that were measured. Any
thread."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from hoshikage.cores import physical_cores
from hoshikage.infos import DeviceInfo
from hoshikage.params import LoadParams
from hoshikage.registry.options import OwnOptions
from hoshikage.registry.tuned import Tuned, free

if TYPE_CHECKING:
    from hoshikage.library.selection import SelectedLibrary

CPUS: Final = Path("/proc/cpuinfo")


def usable(tuned: Tuned | None, general: LoadParams, options: OwnOptions, state: os.stat_result) -> Tuned | None:
    """Returns what of it may be used for a file of that state, beside what people set; None for nothing."""
    if tuned is None or (tuned.size, tuned.mtime_ns) != (state.st_size, state.st_mtime_ns):
        return None
    allowed = free(general, options)
    values = tuple((name, value) for name, value in tuned.values if name in allowed)
    return replace(tuned, values=values) if values else None


def applied(params: LoadParams, tuned: Tuned, choice: SelectedLibrary) -> LoadParams:
    """Returns the parameters for a load with this library, on this machine. Blocks on the disk for a moment."""
    if tuned.library != choice.fingerprint or tuned.machine != machine(choice.devices):
        return params
    return replace(params, **tuned.loading())


def machine(devices: Iterable[DeviceInfo], cpus: Path = CPUS) -> str:
    """Names this machine: the name is another one for another processor, another number of its cores that may be used,
    or other graphics cards."""
    name = platform.processor()
    try:
        for line in cpus.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:  # Linux alone has that file
        pass
    cards = [(device.name, device.description) for device in devices if device.kind != "cpu"]
    facts = repr((platform.system(), platform.machine(), name, physical_cores(), cards))
    return hashlib.sha256(facts.encode()).hexdigest()[:16]
