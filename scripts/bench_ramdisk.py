"""Measures what the RAM disk brings: from unloaded to the first text, by turns over the ways a load can go. Main
thread; Linux.

A load from a cold disk is one whose file the system has dropped from its page cache; on a virtual machine the host may
still hold it, so a real cold disk is slower than what is seen here.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench_client import ask
from bench_models import SHAPES, write
from bench_sections import Row
from screen import ROOT
from serving import get_json, is_unloaded, wait_until

if TYPE_CHECKING:
    from bench import Bench

MEMORY: Final = "/dev/shm"
QUESTION: Final = "Tell me about the stars of the night."
WAYS: Final = ("disk_cold", "first_cold", "disk_warm", "first_warm", "copy")
"""A load goes in these ways: from the disk without a RAM disk; the first load with one, which goes from the disk, too;
a later load, from the copy while the page cache has nothing of the file."""


def ramdisk(bench: Bench, rounds: int) -> list[Row]:
    """Measures the milliseconds to the first text of each way. None but Linux has a RAM disk."""
    if sys.platform != "linux":
        return []
    file = write(SHAPES["small"], ROOT / ".cache" / "bench")
    bench.bare_load_ms(file)  # which tells what library this is
    rows = {way: Row(f"bench_row_ram_{way}", "ms") for way in WAYS}
    for number in range(rounds):
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            with tempfile.TemporaryDirectory(prefix="hoshikage-bench-", dir=MEMORY) as disk:
                # A folder of one's own has every model copied, also those that a quick disk would not need.
                rows[way].values.append(_first_text_ms(bench, file, way, "off" if way.startswith("disk") else disk))
    return list(rows.values())


def _first_text_ms(bench: Bench, file: Path, way: str, disk: str) -> float:
    other = {"other": write(SHAPES["tiny"], ROOT / ".cache" / "bench")}
    with bench.server(file, others=other, RAMDISK_PATH=disk, IDLE_TIMEOUT="1", RUNNER_AHEAD="off") as server:
        # A server's first load examines the library, which has nothing to do with where the model lies.
        ask(server.url, QUESTION, 1, stream=True, model="other")
        wait_until(lambda: is_unloaded(server.url), "bench_no_unload")
        if way == "copy":
            ask(server.url, QUESTION, 1, stream=True)
            wait_until(lambda: get_json(server.url, "/v1/status")["ramdisk_copy"]["state"] == "held", "bench_no_copy")
            wait_until(lambda: is_unloaded(server.url), "bench_no_unload")
        if way.endswith("warm"):
            _read_through(file)
        else:
            drop_from_page_cache(file)
        return ask(server.url, QUESTION, 1, stream=True).first_s * 1e3


def drop_from_page_cache(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _read_through(file: Path) -> None:
    with file.open("rb", buffering=0) as stream:
        while stream.read(1 << 24):
            pass
