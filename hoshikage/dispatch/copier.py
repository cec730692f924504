"""Copies the model to the RAM disk behind its load, while nobody waits for anything. Event loop only; the copying
itself runs in a thread of its own, which pauses whenever somebody asks for something.

A load takes the copy where there is a current one, else the disk. A copy is begun once for each load from the disk, and
only where it can bring something.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from hoshikage.dispatch import copy_worth
from hoshikage.dispatch.copy_worth import DiskFacts, Verdict, verdict
from hoshikage.dispatch.ramdisk import CopyCancelled, HeldCopy, Notice, RamDisk
from hoshikage.frozen import Frozen
from hoshikage.messages import Language, text

T = TypeVar("T")
CopyPhase = Literal["off", "none", "waiting", "copying", "paused", "held", "unneeded", "failed"]
Measure = Callable[[Path, bool, Callable[[], bool]], DiskFacts]

logger = logging.getLogger("hoshikage.dispatch")

COPY_AFTER_S: Final = 1.0
"""Nobody may have asked for anything for this many seconds before the copying begins or goes on."""
NICE: Final = 10
"""The copying thread stands by this much behind everybody else's."""


class CopyStatus(Frozen, frozen=True):
    """This tells how it stands with the copy, for /v1/status."""

    state: CopyPhase = "off"
    why: str | None = None
    """`why` tells why there is one or none: a verdict's word, or that of the text that was logged."""
    progress: float | None = None
    read_mib_s: float | None = None
    """`read_mib_s` is what the model's disk gives, where that was measured."""


class _Gate:
    """The copying thread asks here whether it may go on. Any thread."""

    def __init__(self) -> None:
        self.share = 0.0
        self.is_open = True
        self._ended = False
        self._changed = threading.Condition()

    def passes(self, share: float = 0.0) -> bool:
        """Waits while the gate is closed; False where the copy is no longer wanted."""
        self.share = share
        with self._changed:
            self._changed.wait_for(lambda: self.is_open or self._ended)
            return not self._ended

    def set(self, *, is_open: bool) -> None:
        with self._changed:
            self.is_open = is_open
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class _Copying:
    """This is one copy that is being made."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.gate = _Gate()
        self.task: asyncio.Task[None] | None = None


class Copier:
    """All lanes that share the RAM disk have one of these."""

    def __init__(
        self, ramdisk: RamDisk, language: Language, *, always: bool = False, measure: Measure = copy_worth.facts_of
    ) -> None:
        """With `always`, every model is copied, whatever that brings. `measure` may block."""
        self.may_run: Callable[[], bool] = lambda: True
        """`may_run` tells whether nobody waits for an answer; whoever knows of all lanes sets it."""
        self._ramdisk = ramdisk
        self._language = language
        self._always = always
        self._measure = measure
        self._wish: Path | None = None
        """This was loaded from the disk, and is to be looked at when nobody waits."""
        self._job: _Copying | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._verdict: Verdict | None = None
        """The verdict is on the model that was loaded last."""
        self._failure: str | None = None
        self._came_cold: dict[Path, bool] = {}
        """These files were loaded from the disk, so that the page cache had them; each leads to whether the last load
        found it gone from there."""

    @property
    def held(self) -> HeldCopy | None:
        return self._ramdisk.held

    def status(self) -> CopyStatus:
        word, rate = (None, None) if self._verdict is None else (self._verdict.why, self._verdict.rate)
        read = None if rate is None else round(rate / 2**20, 1)
        if not self._ramdisk.is_on:
            return CopyStatus()
        if self._job is not None:
            gate = self._job.gate
            return CopyStatus("copying" if gate.is_open else "paused", word, round(gate.share, 3), read)
        if self._wish is not None:
            return CopyStatus("waiting")
        if self.held is not None:
            return CopyStatus("held", word, None, read)
        if self._failure is not None:
            return CopyStatus("failed", self._failure, None, read)
        if self._verdict is not None and not self._verdict.wanted:
            return CopyStatus("unneeded", word, None, read)
        return CopyStatus("none")

    def kept_state(self) -> dict[str, Any]:
        """Returns, as plain values, what the status goes on telling of the model that was loaded last."""
        return {"verdict": None if self._verdict is None else asdict(self._verdict), "failure": self._failure}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Has the status go on from that."""
        self._verdict = None if kept["verdict"] is None else Verdict(**kept["verdict"])
        self._failure = kept["failure"]

    # Loads

    async def find(self, file: Path) -> Path:
        """Returns the file to load the model from now. A copy of another model that is being made is given up, and not
        waited for."""
        self._wish = None
        if self._job is not None and self._job.file != file:
            self._give_up(self._job)
        notice, place = await asyncio.to_thread(self._look, file)
        self._tell(notice)
        if self._ramdisk.has_leaving:
            self._clearing = asyncio.create_task(_in_thread(self._ramdisk.clear_away))
        return place

    def loaded(self, file: Path) -> None:
        """The model is loaded; where it came from the disk, a copy of it may be worth making."""
        held = self.held
        if not self._ramdisk.is_on or (held is not None and held.source == file):
            return
        self._came_cold.setdefault(file, False)
        if self._job is None or self._job.file != file:
            self._wish, self._verdict, self._failure = file, None, None

    # When nobody waits

    def hold(self) -> None:
        """Somebody asks for something: the copying pauses."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._job is not None:
            self._job.gate.set(is_open=False)

    def rest(self, stays: Path | None = None) -> None:
        """A lane rests. `stays`: its model, which is not unloaded before somebody asks for that, so that a copy of it
        would wait for nothing."""
        if stays is not None and stays == self._wish and not self._always:
            self._wish, self._verdict = None, Verdict(False, "stays")
        if self._timer is None and (self._job is not None or self._wish is not None):
            # In a context of its own: what it logs is not the last request's doing.
            self._timer = asyncio.get_running_loop().call_later(COPY_AFTER_S, self._go_on, context=Context())

    async def release(self, last: Path | None) -> None:
        """Ends a copy that is being made, and removes the one that is there; unless they are another lane's. `last` is
        the model that the lane had last, None for any."""
        if self._job is not None and last in (None, self._job.file):
            task = self._job.task
            self._give_up(self._job)
            if task is not None:
                await asyncio.wait((task,))
        if self._clearing is not None:
            await asyncio.wait((self._clearing,))
        if last in (None, self._wish):
            self._wish = None
        if self._job is None and (self.held is None or last in (None, self.held.source)):
            self._tell((await asyncio.to_thread(self._ramdisk.release)).notice)

    def _go_on(self) -> None:
        self._timer = None
        if not self.may_run():
            return  # whoever is busy will rest, too
        if self._job is not None:
            self._job.gate.set(is_open=True)
        elif self._wish is not None:
            job = self._job = _Copying(self._wish)
            self._wish = None
            job.task = asyncio.create_task(self._run(job))

    def _give_up(self, job: _Copying) -> None:
        job.gate.end()
        self._job = None

    async def _run(self, job: _Copying) -> None:
        try:
            if self._always:
                result = Verdict(True, "asked")
            else:
                came_cold = self._came_cold[job.file]
                result = verdict(await _in_thread(lambda: self._measure(job.file, came_cold, job.gate.passes)))
            if self._job is not job:
                return
            self._verdict = result
            if not result.wanted:
                logger.debug("no copy of %s in memory: %s", job.file, result)
                return
            placed = await _in_thread(lambda: self._ramdisk.place(job.file, job.gate.passes))
            self._tell(placed.notice)
            if not placed.in_memory and placed.notice is not None:
                self._failure = placed.notice.key.rpartition(".ramdisk_")[2]
        except CopyCancelled:
            pass
        except (OSError, ValueError) as error:  # the file went, or is a set with a part missing
            logger.debug("no copy of %s in memory: %s", job.file, error)
            self._failure = "failed"
        finally:
            if self._job is job:
                self._job = None

    def _look(self, file: Path) -> tuple[Notice | None, Path]:
        placed = self._ramdisk.find(file)
        if self._ramdisk.is_on and not placed.in_memory and file in self._came_cold:
            self._came_cold[file] = copy_worth.kept_share(file) < copy_worth.KEPT / 2
        return placed.notice, placed.file

    def _tell(self, notice: Notice | None) -> None:
        if notice is not None:
            logger.log(notice.level, text(self._language, notice.key, **notice.details))


async def _in_thread(work: Callable[[], T]) -> T:
    """Returns the work's result, from a thread of its own behind everybody else's: a paused one must keep neither a
    place among the shared threads nor the process."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if result.done():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]  # None only beside an error

    def run() -> None:
        if sys.platform == "linux":
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        value, error = None, None
        try:
            value = work()
        except BaseException as raised:  # noqa: BLE001 - it is raised where the work is waited for
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name="hoshikage-copy", daemon=True).start()
    return await result
