"""Brings a library set into the library folder: fetched, checked, unpacked aside, tried, then put in place by rename.

Whatever fails on the way leaves the former library as it was. Any thread; blocking, for minutes on a slow line.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hoshikage.errors import InstallFailed, LibraryUnavailable
from hoshikage.library import contents, demo, fingerprint, library_state, locate, staging
from hoshikage.library.check_report import CheckReport, check
from hoshikage.library.sources import Fetched, InstallRequest, Sources, Step, fetch

GPU_KINDS: Final = ("gpu", "igpu")


@dataclass(frozen=True, slots=True)
class Installed:
    """An Installed says what an installation has brought."""

    file: Path
    record: staging.InstallRecord
    verdict: CheckReport
    kept: Path | None
    """The former folder is here now, if it held files that no installation had put there."""
    former: str
    """`former` is the name under which the former library is kept for a rollback; empty where there was none that
    worked."""

    @property
    def lacks_gpu(self) -> bool:
        """Tells whether a set for a GPU found none on this machine."""
        made_for_gpu = bool({"cuda", "vulkan", "metal"} & set(self.record.backends))
        return made_for_gpu and not _sees_gpu(self.verdict)


@dataclass(frozen=True, slots=True)
class InstallContext:
    """The work is done with these. `tries` stands for the check program in tests."""

    lib_dir: Path
    cache_dir: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    """The loader looks in these folders; a refusal names them."""
    name: str = library_state.MANUAL
    timeout_s: float = 60
    """The new library may take so many seconds to be tried."""
    tries: Sequence[str] | None = None


def install(order: InstallRequest, market: Sources, bench: InstallContext) -> Installed:
    """Raises InstallFailed, UsageError, or LibraryUnavailable with the reason for which the new one was refused."""
    target = library_state.folder(bench.lib_dir, bench.name)
    try:
        with staging.installing(target):
            work = staging.staging(target)
            try:
                return _install(order, market, bench, work)
            finally:
                staging.discard(work)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)  # no fault of the file that was being copied
        where = target if full else error.filename or target
        raise InstallFailed("library.io_failed", path=str(where), reason=error.strerror or str(error)) from None


def _install(order: InstallRequest, market: Sources, bench: InstallContext, work: Path) -> Installed:
    new = work / "set"
    new.mkdir()
    brought = fetch(order, market, work)
    library = contents.collect(brought.folders, new, market.machine.system, own=brought.own, origin=brought.origin)
    market.progress(0, 0, Step("library.step_trying", library.name))
    verdict = _tried(library, bench)
    record = _record(new, library, brought, verdict)
    staging.write_record(new, record)
    staging.make_durable(new)
    target = library_state.folder(bench.lib_dir, bench.name)
    former = _former(target, bench)
    keep = library_state.kept(former) if former not in ("", verdict.fingerprint) else ""
    kept = staging.swap(new, target, library_state.folder(bench.lib_dir, keep) if keep else None)
    if keep and not library_state.folder(bench.lib_dir, keep).is_dir():
        keep = ""
    return Installed(target / library.name, record, verdict, kept, keep)


def _former(target: Path, bench: InstallContext) -> str:
    """Returns the fingerprint of the library that is now in `target`, if it ever loaded a model or could; else
    empty."""
    try:
        file = locate.in_folder(target)
        if file is None:
            return ""
        content = fingerprint.of_set(file, bench.cache_dir)
        if library_state.read(bench.lib_dir).is_good(content) or _judged(file, bench, fresh=False).ok:
            return content
    except (OSError, LibraryUnavailable):
        pass
    return ""


def _record(folder: Path, library: Path, brought: Fetched, verdict: CheckReport) -> staging.InstallRecord:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return staging.InstallRecord(
        source=brought.source,
        origin=brought.origin,
        release=contents.release(folder, library) or brought.release or verdict.version,
        backends=contents.backends(folder),
        installed_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        files={path.relative_to(folder).as_posix(): fingerprint.sha256(path) for path in files},
        size_bytes=sum(path.stat().st_size for path in files if not path.is_symlink()),
    )


def _tried(library: Path, bench: InstallContext) -> CheckReport:
    """Returns the verdict on the new set, as it will be put in place. Raises LibraryUnavailable for a refused one.

    Where a CUDA build sees no GPU, the build for the older CUDA from `fallback/` is tried in its stead.
    """
    verdict = _accepted(library, bench)
    folder = library.parent
    seconds = folder / contents.FALLBACK
    if _sees_gpu(verdict) or not seconds.is_dir():
        return verdict
    pairs = [(folder / path.name, path) for path in sorted(seconds.iterdir()) if (folder / path.name).is_file()]
    _exchange(pairs)
    second = _judged(library, bench)
    if second.ok and _sees_gpu(second):
        return second
    _exchange(pairs)
    return verdict


def _accepted(library: Path, bench: InstallContext) -> CheckReport:
    verdict = _judged(library, bench)
    if not verdict.ok:
        folder = str(library.parent) + os.sep  # gone when the message is read
        error = LibraryUnavailable(verdict.key)
        error.details = {
            name: value.replace(folder, "") if isinstance(value, str) else value
            for name, value in verdict.details.items()
        }
        raise error
    return verdict


def _judged(library: Path, bench: InstallContext, *, fresh: bool = True) -> CheckReport:
    return check(
        library,
        cache_dir=bench.cache_dir,
        demo=demo.find(),
        timeout_s=bench.timeout_s,
        fresh=fresh,
        command=bench.tries,
        environ=bench.environ,
    )


def _exchange(pairs: Sequence[tuple[Path, Path]]) -> None:
    for one, other in pairs:
        aside = one.with_name(f"{one.name}.aside")
        one.rename(aside)
        other.rename(one)
        aside.rename(other)


def _sees_gpu(verdict: CheckReport) -> bool:
    return any(device.kind in GPU_KINDS for device in verdict.devices)
