"""Shows a model's state at one moment, as /v1/status does. Any thread; frozen."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from hoshikage.dispatch.copier import CopyStatus
from hoshikage.dispatch.memory import Footprint
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.ramdisk import HeldCopy
from hoshikage.frozen import Frozen
from hoshikage.infos import LibraryInfo, ModelInfo

if TYPE_CHECKING:
    from hoshikage.library.selection import SelectedLibrary


class Snapshot(Frozen, frozen=True):
    """This is the state of one lane."""

    state: ModelState
    label: str | None
    model: ModelInfo | None
    library: LibraryInfo | None
    choice: SelectedLibrary | None
    """People know that library by `choice`."""
    pid: int | None
    ahead: int | None
    """`ahead` is the process id of the runner that was started ahead."""
    resident_bytes: int
    """`resident_bytes` is the runner's memory; 0 where the system does not tell."""
    returned: Footprint | None
    """`returned` is what the end of the last runner gave back to the system."""
    in_memory: HeldCopy | None
    copy: CopyStatus
    """`copy` tells how it stands with the copy in memory."""
    loads: int
    crashes: int
    """Loads and crashes are counted from the start of the server."""
    progress: float | None
    """`progress` says how much of the load is done, of 1; None where nothing is loading."""
    ends_in: float | None
    """The runner ends for want of requests after so many seconds; None where no clock runs."""
    freed_in: float | None
    """The copy in memory goes after so many seconds; None where no clock runs or there is none."""


def left(timer: asyncio.TimerHandle | None) -> float | None:
    """Returns the seconds until the timer fires. Event loops count by time.monotonic, which any thread may read."""
    return None if timer is None else round(max(0.0, timer.when() - time.monotonic()), 1)
