"""Decides whether a copy of a model in memory can bring something: what is measured, and what follows. Any thread;
blocking.

A load itself does not tell how quick a disk is: from a full page cache it reads nothing, and from an empty one it may
wait for the processor. So some of the file is read past the page cache (O_DIRECT), while nobody waits.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hoshikage import gguf
from hoshikage.dispatch.headroom import available_memory
from hoshikage.frozen import Frozen

SLOW: Final = float(2**30)
"""A disk that reads fewer bytes a second keeps a load waiting: the library takes up some 2 GiB/s from memory."""
GAIN_S: Final = 0.25
"""A cold load has to lose so many seconds on its disk before a copy is worth its memory."""
KEPT: Final = 0.9
"""From this share of a file in the page cache on, the system is taken to keep it."""
MARGIN: Final = 2**30
PROBE: Final = 4 * 2**20
PROBES: Final = 8
PROBE_S: Final = 0.5
"""A disk is read from for this many seconds at most, the last read apart."""
SPOTS: Final = 32
MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs"),
    *("glusterfs", "lustre", "beegfs", "orangefs", "gpfs", "vboxsf"),
)
_FUSE: Final = (
    "vmhgfs-fuse",
    "sshfs",
    "rclone",
    "s3fs",
    "gcsfuse",
    "glusterfs",
    "ceph",
    "juicefs",
    "blobfuse2",
    "davfs",
)
REMOTE: Final = frozenset((*_NETWORK, *(f"fuse.{name}" for name in _FUSE)))
IN_MEMORY: Final = frozenset(("tmpfs", "ramfs", "hugetlbfs"))


class DiskFacts(Frozen, frozen=True):
    """These facts are known of a model's file after its load."""

    size: int
    file_system: str
    """`file_system` is the type that /proc/self/mountinfo names; empty where that does not tell."""
    rate: float | None
    """`rate` is what the disk gives past the page cache, in bytes a second; None where it could not be measured."""
    kept: float
    """`kept` is the share of the file that the page cache holds now."""
    came_cold: bool
    """`came_cold` tells whether a load found it gone from the page cache that an earlier one had filled."""
    available: int
    """This many bytes of memory are available."""


class Verdict(Frozen, frozen=True):
    """This says whether a copy is made, and why: `remote`, `slow`, `not_kept`, `short` and `asked` are for it;
    `in_memory`, `small`, `fast` and `stays` against it."""

    wanted: bool
    why: str
    rate: float | None = None


def verdict(facts: DiskFacts) -> Verdict:
    """Decides what follows from the facts."""
    if facts.file_system in IN_MEMORY:
        return Verdict(False, "in_memory")
    if facts.file_system in REMOTE:
        return Verdict(True, "remote")
    if facts.rate is not None and facts.size / facts.rate < GAIN_S:
        return Verdict(False, "small", facts.rate)
    if facts.rate is not None and facts.rate < SLOW:
        return Verdict(True, "slow", facts.rate)
    if facts.came_cold or facts.kept < KEPT:
        return Verdict(True, "not_kept", facts.rate)
    if facts.available < 3 * facts.size + MARGIN:  # it stays cached only while nobody wants a third of this
        return Verdict(True, "short", facts.rate)
    return Verdict(False, "fast", facts.rate)


def facts_of(file: Path, came_cold: bool, may_go_on: Callable[[], bool]) -> DiskFacts:
    """Looks at the model's (first) file and its disk. Raises OSError, ValueError. `may_go_on` may keep it waiting."""
    size = sum(part.stat().st_size for part in gguf.files(file))
    kind = file_system(file)
    quick = kind in IN_MEMORY or kind in REMOTE
    rate = None if quick else read_rate(file, may_go_on)
    return DiskFacts(size, kind, rate, kept_share(file), came_cold, available_memory())


def file_system(file: Path, mounts: Path = MOUNTS) -> str:
    """Returns the kind of file system that the file lies on; empty where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        path = file.resolve()
    except OSError:
        return ""
    result = (0, "")
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or not kinds:
            continue
        mount = Path(_unescaped(fields[4]))
        if path.is_relative_to(mount) and len(mount.parts) >= result[0]:  # a later mount hides an earlier one
            result = (len(mount.parts), kinds[0])
    return result[1]


def read_rate(file: Path, may_go_on: Callable[[], bool]) -> float | None:
    """Returns how many bytes a second the file's disk gives, by the median of a few reads all over the file past the
    page cache; None where the file is shorter than that takes, or its file system has no such reads."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_DIRECT", 0))
    except OSError:
        return None
    try:
        blocks = os.fstat(descriptor).st_size // PROBE
        with mmap.mmap(-1, PROBE) as buffer:  # memory by whole pages, as such reads ask for
            rates: list[float] = []
            until = time.monotonic() + PROBE_S
            for number in range(min(blocks, PROBES)):
                if not may_go_on() or time.monotonic() > until:
                    break
                begun = time.perf_counter()
                if os.preadv(descriptor, [buffer], number * blocks // min(blocks, PROBES) * PROBE) != PROBE:
                    break
                rates.append(PROBE / (time.perf_counter() - begun))
            return sorted(rates)[len(rates) // 2] if rates else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def kept_share(file: Path) -> float:
    """Returns the share of the file that can be read without its disk, by a few spots; 1 where the system does not
    tell."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 1.0
    try:
        size = os.fstat(descriptor).st_size
        spots = range(0, size, max(1, size // SPOTS))
        return sum(_is_kept(descriptor, spot) for spot in spots) / len(spots) if spots else 1.0
    except OSError:
        return 1.0
    finally:
        os.close(descriptor)


def _is_kept(descriptor: int, at: int) -> bool:
    try:
        os.preadv(descriptor, [bytearray(1)], at, getattr(os, "RWF_NOWAIT", 0))
    except BlockingIOError:
        return False
    return True


def _unescaped(path: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path
