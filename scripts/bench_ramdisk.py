"""What the RAM disk brings: from unloaded to the first text, by turns over the ways a load can go. Main thread; Linux.

A load from a cold disk is one whose file the system has dropped from its page cache; on a virtual machine the host may
still hold it, so a real cold disk is slower than what is seen here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bench_client import ask
from serving import Server, is_unloaded, wait_until

WAYS: Final = {
    "disk_cold": "bench_ram_disk_cold",
    "disk_warm": "bench_ram_disk_warm",
    "copy_cold": "bench_ram_copy_cold",
    "copy_warm": "bench_ram_copy_warm",
    "copy_held": "bench_ram_copy_held",
}
"""Way -> its text: from the disk; the first load, which makes the copy; a later load from the copy."""


def seconds_to_first_text(
    serve: Callable[..., AbstractContextManager[Server]], file: Path, question: str, way: str
) -> float:
    """One load in that way. `serve(RAMDISK_PATH=..., IDLE_TIMEOUT=...)` starts a server that has no copy yet."""
    disk = "off" if way.startswith("disk") else "/dev/shm"
    with serve(RAMDISK_PATH=disk, IDLE_TIMEOUT="1") as server:
        if way == "copy_held":
            ask(server.url, question, 1, stream=True)
            wait_until(lambda: is_unloaded(server.url), "bench_no_unload")
        if way.endswith("cold"):
            drop_from_page_cache(file)
        else:
            _read_through(file)
        return ask(server.url, question, 1, stream=True).first_s


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
