"""Brings libllama releases for the tests: which there are, where they lie, what their archives must hash to.

`releases.json` names each npm version with its llama.cpp release, the layouts it must be recognised as, and the
SHA-512 of its archive, whatever the registry says on the day. Main thread, and two more that wait for npm.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import screen  # before the package: it puts the clone on the path
from hoshikage.library import archive, names, npm, releases

TEST_LIBS: Final = "HOSHIKAGE_TEST_LIBS"
LAYOUT: Final = "VERSION/bins/{machine}/libllama*"
TABLE: Final = Path(__file__).with_name("releases.json")
TESTED: Final = ("3.4.1", "3.12.4", "3.18.1", "3.20.0", "3.22.1")
"""Every test of the library's layer runs with these npm versions; the same releases as RELEASES of tests/conftest.py.

They are spread over the years, each with a pair of layouts of its own; most other pairs are met in the matrix alone.
"""
FAULTY: Final = ("3.9.0",)
"""These are npm versions that single tests need for a fault that these releases have."""
AT_ONCE: Final = 2
"""So many archives are brought at the same time: npm waits more than it works."""


@dataclass(frozen=True, slots=True)
class Release:
    """This is a release of llama.cpp, as npm has it."""

    npm: str
    """`npm` is the version of the npm package."""
    llama: str
    """`llama` is llama.cpp's release."""
    model: str
    context: str
    """`model` and `context` are the names of the layouts."""
    integrity: dict[str, str]
    """`integrity` maps a machine to the SHA-512 of the archive, as npm writes it."""


def table() -> tuple[Release, ...]:
    """Lists all releases, oldest first."""
    return tuple(
        Release(row["npm"], row["release"], row["model"], row["context"], row["integrity"])
        for row in json.loads(TABLE.read_text("utf-8"))
    )


def tested() -> tuple[Release, ...]:
    return tuple(release for release in table() if release.npm in TESTED)


def needed() -> tuple[Release, ...]:
    """Lists what the tests need: `tested`, and FAULTY."""
    return tuple(release for release in table() if release.npm in (*TESTED, *FAULTY))


def folder() -> Path:
    """Returns where the libraries lie: each as VERSION/bins/MACHINE/libllama*."""
    given = os.environ.get(TEST_LIBS)
    return Path(given).absolute() if given else screen.ROOT / ".cache" / "test-libs"


def file_of(release: Release) -> Path | None:
    """Returns the libllama file of a release that has been brought."""
    result = [
        file
        for bins in (folder() / release.npm / "bins").glob("*")
        for file in bins.iterdir()
        if names.is_library(file.name, sys.platform)
    ]
    return min(result, key=lambda file: names.preference(file.name, sys.platform)) if result else None


def bring(show: screen.Screen, wanted: Sequence[Release]) -> int:
    """Brings those of `wanted` that are not there, and returns how many that were. Raises Refused, InstallFailed.

    A folder that the user named is taken as it is.
    """
    target = folder()
    if os.environ.get(TEST_LIBS):
        show.note(show.text("test_libraries_given", variable=TEST_LIBS, path=target))
        return 0
    missing = [release for release in wanted if not (target / release.npm).is_dir()]
    if not missing:
        return 0
    machine = releases.machine(sys.platform, platform.machine()).label
    layout = LAYOUT.format(machine=machine)
    if any(machine not in release.integrity for release in missing):
        raise screen.Refused("test_no_build", machine=machine, variable=TEST_LIBS, layout=layout)
    client = npm.find_client(os.environ)
    if client is None:
        raise screen.Refused("test_no_npm", variable=TEST_LIBS, layout=layout)
    target.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [(release, pool.submit(_bring_one, client, machine, release, target)) for release in missing]
        try:
            for release, job in jobs:
                package = job.result()
                show.note(
                    show.text("test_library", release=release.llama, package=package.name, version=package.version)
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return len(missing)


def _bring_one(client: str, machine: str, release: Release, target: Path) -> npm.Package:
    """Puts a package's `bins` under `target`, all at once."""
    package = npm.Package(f"{releases.SCOPE}/{machine}", release.npm, release.integrity[machine])
    with tempfile.TemporaryDirectory(dir=target, prefix=".new-") as work:
        download, unpacked = Path(work, "download"), Path(work, "unpacked")
        download.mkdir()
        unpacked.mkdir()
        file = npm.pack(client, package, download, lambda _done: None)
        archive.unpack(file, unpacked, lambda name: True)
        place = target / release.npm
        shutil.rmtree(place, ignore_errors=True)
        (unpacked / "package").rename(place)
    return package
