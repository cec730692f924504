"""Kills whoever keeps or forgets, at one moment after the other, and prints what is left each time: WAY FOLDER.

Each moment has a process of its own, forked from this one, which has imported Chroma once and opened no store.
`keep`: the system's alarm ends the process in the midst of it. `forget`: it ends itself at one step.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from hoshikage.keeper import frames
from hoshikage.keeper.store import Store
from tests.killed import die_at

MOMENTS: Final = 20
EACH: Final = 30
"""So many records are kept at once."""
MAX_STEPS: Final = 500
FORGOTTEN: Final = f"{0:032x}"


def record(number: int) -> frames.Record:
    vector = np.random.default_rng(number).normal(size=16).astype("<f4")
    return frames.Record(f"{number:032x}", "user", f"Text {number}.", float(number), "c", vector.tobytes())


def apart(work: Callable[[], Any]) -> tuple[Any, int]:
    """Returns what a process of its own does, None where it was killed; and how it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        told = json.dumps(work()).encode()
        os.write(writing, told)
        os._exit(0)
    os.close(writing)
    told = b""
    while part := os.read(reading, 2**16):
        told += part
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return (json.loads(told) if status == 0 else None), status


def left(folder: Path) -> list[int]:
    """The numbers of what a store has, as a new keeper finds it; each of them can be recalled, too."""
    store = Store(str(folder), "")
    entries, _ = store.browse(frames.Browse(0, ""))
    numbers = sorted(int(one.time) for one in entries)
    if numbers:
        found = store.recall(frames.Recall(0, "s", "m", record(numbers[-1]).vector, most=1))
        assert [one.text for one in found] == [f"Text {numbers[-1]}."]
    return numbers


def kept(folder: Path, batch: int, delay_s: float) -> float:
    """Keeps some records, and is killed so long after it began; 0 lets it be. The seconds that it took."""
    store = Store(str(folder), "")
    records = tuple(record(number) for number in range(batch * EACH, (batch + 1) * EACH))
    signal.setitimer(signal.ITIMER_REAL, delay_s)
    began = time.perf_counter()
    store.remember(frames.Remember(0, "s", "m", records))
    took = time.perf_counter() - began
    signal.setitimer(signal.ITIMER_REAL, 0)
    return took


def forgot(folder: Path, step: int) -> int:
    """Forgets one record, and is gone at that step."""
    store = Store(str(folder), "")
    die_at(step)
    return store.forget(frames.Forget(0, "s", (FORGOTTEN,)))


def keep(folder: Path) -> None:
    apart(lambda: kept(folder, 0, 0))
    took, _ = apart(lambda: kept(folder, 1, 0))
    for moment in range(MOMENTS):
        delay = took * (moment + 1) / MOMENTS
        batch = moment + 2
        _, status = apart(partial(kept, folder, batch, delay))
        print(json.dumps({"batch": batch, "status": status, "left": apart(lambda: left(folder))[0]}))


def forget(folder: Path) -> None:
    whole = folder / "whole"
    apart(lambda: kept(whole, 0, 0))
    for step in range(MAX_STEPS):
        copy = folder / f"{step}"
        shutil.copytree(whole, copy)
        _, status = apart(partial(forgot, copy, step))
        found, _ = apart(partial(left, copy))
        print(json.dumps({"status": status, "left": found, "stores": len(list(copy.glob("store-*")))}))
        shutil.rmtree(copy)
        if status == 0:
            return


if __name__ == "__main__":
    importlib.import_module("chromadb")  # once for all
    {"keep": keep, "forget": forget}[sys.argv[1]](Path(sys.argv[2]))
