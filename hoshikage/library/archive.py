"""Unpacks the wanted files of a .zip or .tar.gz from a stranger. Any thread; blocking.

One unsafe member refuses the whole archive: an absolute path, a `..`, a link that leaves, a device, a name twice, more
bytes or members than a library set has, or far more than its packed size. A zip is weighed whole before anything is
written, a tar as it is walked through, its headers as they are read (`weighed`). Links are made only after all files
are written, and only to files that were written, so that nothing is ever written through a link.
"""

from __future__ import annotations

import gzip
import posixpath
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from hoshikage.errors import InstallFailed
from hoshikage.library import weighed

_CHUNK: Final = 1 << 20
_PADDING: Final = 1 << 20
"""More than any tar program adds after the end mark."""
_LINK_BYTES: Final = 4096
_DIRECTORY_ENTRY: Final = 1024
"""More bytes than a zip's directory has for a member."""
_HOPS: Final = 8
_DAMAGE: Final = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError,
)  # fmt: skip
"""These are raised by tarfile and zipfile for bytes that they cannot read, or not without a password."""
_DRIVE: Final = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class Limits:
    """An archive that is unpacked may have no more than this."""

    bytes: int = 8 << 30
    members: int = 20_000
    ratio: int = 200
    """This many unpacked bytes may come of one packed byte; libraries come to 5, a file of zeros to 1000."""
    ratio_from: int = 100 << 20
    """Up to this many unpacked bytes any ratio will do."""


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int
    target: str | None
    """`target` is where a link leads, from the archive's root; None for a file."""
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path,
    folder: Path,
    keep: Callable[[str], bool],
    *,
    limits: Limits | None = None,
    on_bytes: Callable[[int], None] = lambda done: None,
) -> None:
    """Writes the members whose last name part `keep` accepts under `folder`, which must be empty.

    `on_bytes` is told how many bytes have been written. Raises InstallFailed, with `folder` partly filled.
    """
    bounds = limits or Limits()
    links: list[_Member] = []
    done, declared, count = 0, 0, 0
    try:
        _weigh_zip(archive, folder, keep, bounds)
        for member in _members(archive, bounds):
            count += 1
            declared += member.size  # of the unwanted ones too: a .tar.gz is decompressed to be walked through
            _weigh(archive, member.name, count, declared, bounds)
            if not keep(posixpath.basename(member.name)):
                continue
            if member.target is not None:
                links.append(member)
                continue
            make_room(folder, member.size)
            path, end = folder / member.name, done + member.size
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with member.open() as source, path.open("xb") as target:
                    while chunk := source.read(_CHUNK):
                        done += len(chunk)
                        if done > end:
                            raise _unsafe(archive, member.name, "size")
                        target.write(chunk)
                        on_bytes(done)
            except FileExistsError:
                raise _unsafe(archive, member.name, "twice") from None
        _link(links, folder, archive)
    except _DAMAGE as error:
        raise InstallFailed("library.archive_damaged", path=archive.name, reason=str(error)) from None


def _weigh(archive: Path, name: str, count: int, declared: int, bounds: Limits) -> None:
    if count > bounds.members:
        raise _unsafe(archive, name, "members", bounds.members)
    if declared > bounds.bytes:
        raise _unsafe(archive, name, "bytes", bounds.bytes)
    if declared > bounds.ratio_from and declared > bounds.ratio * archive.stat().st_size:
        raise _unsafe(archive, name, "ratio", bounds.ratio)


def _weigh_zip(archive: Path, folder: Path, keep: Callable[[str], bool], bounds: Limits) -> None:
    if not zipfile.is_zipfile(archive):
        return
    with archive.open("rb") as stream, zipfile.ZipFile(_weighed_zip(archive, stream, bounds)) as bundle:
        infos = bundle.infolist()
    if infos:
        largest = max(infos, key=lambda info: info.file_size)
        _weigh(archive, largest.filename, len(infos), sum(info.file_size for info in infos), bounds)
        make_room(folder, sum(info.file_size for info in infos if keep(posixpath.basename(info.filename))))


def _weighed_zip(archive: Path, stream: IO[bytes], bounds: Limits) -> IO[bytes]:
    """A zip's directory is read whole, at once: it may not be larger than so many members need."""
    maximum = min(weighed.MAX_HEADERS, bounds.members * _DIRECTORY_ENTRY)

    def refuse() -> InstallFailed:
        return _unsafe(archive, "", "members", bounds.members)

    size = archive.stat().st_size + weighed.MAX_HEADERS
    return cast("IO[bytes]", weighed.Weighed(stream, refuse, allowed=size, maximum=max(maximum, weighed.MAX_READ)))


def make_room(folder: Path, needed: int) -> None:
    """Raises InstallFailed where the disk of `folder` has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InstallFailed("library.no_room", path=str(folder), needed=needed >> 20, free=free >> 20)


def _members(archive: Path, bounds: Limits) -> Iterator[_Member]:
    """Yields every member that is a file or a link, checked. Directories are made as files need them."""
    with archive.open("rb") as stream:
        magic = stream.read(4)
    if magic.startswith(b"PK"):
        yield from _zip_members(archive)
    elif magic.startswith(b"\x1f\x8b"):
        yield from _tar_members(archive, bounds)
    else:
        raise InstallFailed("library.archive_unknown", path=archive.name)


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as bundle:
        for info in bundle.infolist():
            name = _safe_name(info.filename, archive)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile(f"compression {info.compress_type}")
            if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
                raise _unsafe(archive, info.filename, "device")
            target = None
            if kind == stat.S_IFLNK:
                with bundle.open(info) as stream:
                    target = _safe_link(name, stream.read(_LINK_BYTES).decode("utf-8", "replace"), archive)
            yield _Member(name, info.file_size, target, lambda info=info: bundle.open(info))  # type: ignore[misc]


def _tar_members(archive: Path, bounds: Limits) -> Iterator[_Member]:
    def refuse() -> InstallFailed:
        return _unsafe(archive, "", "headers", weighed.MAX_HEADERS >> 20)

    with gzip.open(archive) as unpacked:
        stream = weighed.Weighed(
            cast("IO[bytes]", unpacked), refuse, allowed=weighed.MAX_HEADERS, maximum=weighed.MAX_READ
        )
        yield from _walked(archive, stream, bounds)


def _walked(archive: Path, stream: weighed.Weighed, bounds: Limits) -> Iterator[_Member]:
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as bundle:
        for info in bundle:
            if info.size > bounds.bytes:
                raise _unsafe(archive, info.name, "bytes", bounds.bytes)
            stream.allowed += info.size
            name = _safe_name(info.name, archive)
            if info.isdir():
                continue
            if not (info.isfile() or info.issym() or info.islnk()):
                raise _unsafe(archive, info.name, "device")
            target = None
            if info.issym():
                target = _safe_link(name, info.linkname, archive)
            elif info.islnk():
                target = _safe_name(info.linkname, archive)
            yield _Member(name, info.size, target, lambda info=info: _opened(bundle, info))  # type: ignore[misc]
        _verify_end(bundle)


def _verify_end(bundle: tarfile.TarFile) -> None:
    """Reads on to gzip's checksum, which tarfile does not: without it a cut or altered archive would pass."""
    rest = bundle.fileobj.read(_PADDING) if bundle.fileobj else b""
    if len(rest) == _PADDING:
        raise tarfile.ReadError("data after the end")


def _opened(bundle: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = bundle.extractfile(info)
    if stream is None:
        raise tarfile.ReadError(info.name)
    return stream


def _safe_name(name: str, archive: Path) -> str:
    """Returns the normalised path of a member below the archive's root."""
    clean = name.replace("\\", "/")
    parts = [part for part in clean.split("/") if part not in ("", ".")]
    if clean.startswith("/") or _DRIVE.match(clean) or ".." in parts or "\0" in clean:
        raise _unsafe(archive, name, "path")
    return "/".join(parts)


def _safe_link(name: str, target: str, archive: Path) -> str:
    """Finds where a symbolic link leads, from the archive's root."""
    clean = target.replace("\\", "/")
    whole = posixpath.normpath(posixpath.join(posixpath.dirname(name), clean))
    if clean.startswith("/") or _DRIVE.match(clean) or whole.split("/")[0] == ".." or "\0" in clean:
        raise _unsafe(archive, f"{name} -> {target}", "link")
    return whole


def _link(links: list[_Member], folder: Path, archive: Path) -> None:
    """Gives each link's name to the file that it leads to; a link to something not kept is left out."""
    targets = {link.name: link.target or "" for link in links}
    for name in targets:
        end = name
        for _ in range(_HOPS):
            if end not in targets:
                break
            end = targets[end]
        path, file = folder / name, folder / end
        if not file.is_file() or file.is_symlink():
            continue
        if path.exists():
            raise _unsafe(archive, name, "twice")
        path.parent.mkdir(parents=True, exist_ok=True)
        give_name(path, file)


def give_name(path: Path, file: Path) -> None:
    """`path` becomes another name of `file`: a relative link in one folder where the system allows it, else a copy."""
    if path.parent == file.parent:
        try:
            path.symlink_to(file.name)
        except OSError:  # Windows asks for a privilege
            pass
        else:
            return
    shutil.copyfile(file, path)


def _unsafe(archive: Path, member: str, reason: str, limit: int = 0) -> InstallFailed:
    return InstallFailed(f"library.unsafe_{reason}", path=archive.name, member=member[:200], limit=limit)
