"""Brings the files of a library set from where they are offered: npm, GitHub, an address, an archive, a folder.

Any thread; blocking, for minutes on a slow line.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hoshikage.errors import InstallFailed
from hoshikage.library import archive, contents, download, github, names, npm, releases
from hoshikage.urls import public


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """This is asked for. With an `origin` (path or address) the other two are not used."""

    backend: str | None = None
    release: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """`key` names the text; `subject` is what it is done to."""

    key: str
    subject: str


Progress = Callable[[int, int, Step], None]
"""It is told what is done, the total (0 where that is not known), and the step; in the installing thread."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Sources say where a set is looked for, and for which machine."""

    machine: releases.Platform
    environ: Mapping[str, str]
    """Its PATH tells where the npm client is."""
    progress: Progress
    api: str = github.API


def market(environ: Mapping[str, str], progress: Progress) -> Sources:
    """Makes the usual sources: this machine, the official addresses."""
    return Sources(this_machine(), environ, progress)


def this_machine() -> releases.Platform:
    return releases.machine(sys.platform, platform.machine())


@dataclass(frozen=True, slots=True)
class Fetched:
    """These folders hold a set together, and it is told where they came from."""

    folders: tuple[Path, ...]
    own: bool
    """`own` says whether the folders were made for this installation, so that their files may be moved."""
    source: str
    """`source` is `npm`, `github`, `url`, `archive` or `folder`."""
    origin: str
    release: str | None
    """The source tells it, or None; the files may tell better."""


def fetch(order: InstallRequest, market: Sources, work: Path) -> Fetched:
    """Fetches into `work`, an empty folder on the library folder's file system. Raises InstallFailed, OSError."""
    if order.origin is not None:
        return _from_origin(order.origin, market, work)
    backend = order.backend or releases.default_backend(market.machine)
    wanted = releases.wanted(order.release)
    client = npm.find_client(market.environ)
    by_npm = client is not None and (wanted.npm is not None or wanted.llama is None)
    if client is not None and by_npm:
        return _from_npm(client, releases.npm_package(market.machine, backend), wanted.npm, market, work)
    if wanted.npm is not None and wanted.llama is None:
        raise InstallFailed("library.npm_needed", release=wanted.npm)
    return _from_github(wanted.llama, backend, market, work)


def _from_npm(client: str, name: str, version: str | None, market: Sources, work: Path) -> Fetched:
    base = work / "npm"
    base.mkdir()
    package = npm.resolve(client, name, version, base)
    packages = [package]
    extension = releases.npm_extension(name, package.version)
    if extension is not None:
        packages.append(npm.resolve(client, extension, package.version, base))
    folders = []
    for number, wanted in enumerate(packages):
        step = Step("library.step_downloading", f"{wanted.name} {wanted.version}")
        parcel = work / f"npm-{number}"
        parcel.mkdir()
        market.progress(0, 0, step)
        file = npm.pack(client, wanted, parcel, _told(market.progress, step))
        folders.append(_unpacked(file, work / f"unpacked-{number}", market))
        file.unlink()
    origin = f"{package.name}@{package.version}"
    return Fetched(tuple(folders), True, "npm", origin, releases.RELEASES.get(package.version))


def _told(progress: Progress, step: Step) -> Callable[[int], None]:
    return lambda done: progress(done, 0, step)


def _from_github(tag: str | None, backend: str, market: Sources, work: Path) -> Fetched:
    release = github.resolve(market.api, tag, releases.archive_patterns(market.machine, backend))
    folders = []
    for number, asset in enumerate(release.assets):
        step = Step("library.step_downloading", asset.name)
        file = github.fetch(asset, work, lambda done, total, step=step: market.progress(done, total, step))  # type: ignore[misc]
        folders.append(_unpacked(file, work / f"unpacked-{number}", market))
        file.unlink()
    return Fetched(tuple(folders), True, "github", release.assets[0].url, release.tag)


def _from_origin(origin: str, market: Sources, work: Path) -> Fetched:
    if download.is_url(origin):
        shown = public(origin)
        step = Step("library.step_downloading", shown)
        file = work / (Path(shown).name or "archive")
        download.fetch(origin, file, lambda done, total: market.progress(done, total, step))
        folder = _unpacked(file, work / "unpacked", market)
        return Fetched((folder,), True, "url", shown, names.release_of(file.name))
    path = Path(origin).expanduser().absolute()
    if path.is_dir():
        return Fetched((path,), False, "folder", str(path), None)
    if not path.exists():
        raise InstallFailed("library.origin_missing", path=str(path))
    if not path.is_file():
        raise InstallFailed("library.origin_special", path=str(path))
    if contents.is_binary(path.name, market.machine.system):
        return Fetched((path.parent,), False, "folder", str(path.parent), None)
    folder = _unpacked(path, work / "unpacked", market)
    return Fetched((folder,), True, "archive", str(path), names.release_of(path.name))


def _unpacked(file: Path, folder: Path, market: Sources) -> Path:
    step = Step("library.step_unpacking", file.name)
    folder.mkdir()
    keep = contents.wanted(market.machine.system)
    archive.unpack(file, folder, keep, on_bytes=_told(market.progress, step))
    return folder
