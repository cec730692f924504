"""Brings packages of the npm registry through the user's own npm client, with its proxies and keys. Blocking.

npm compares what it downloads with the registry's checksum; the file that it leaves is compared here once more.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hoshikage.errors import InstallFailed
from hoshikage.library import child

_QUIET: Final = ("--json", "--loglevel=error", "--no-update-notifier", "--ignore-scripts")
_PATIENCE: Final = ("--fetch-retries=1", "--fetch-retry-mintimeout=2000")
_LOOK_S: Final = 0.2
"""The growing download is looked at once in so many seconds."""


@dataclass(frozen=True, slots=True)
class Package:
    """A Package is one package of npm's registry, with its digest."""

    name: str
    version: str
    integrity: str
    """`integrity` is the registry's, in the form of Subresource Integrity."""


def find_client(environ: Mapping[str, str]) -> str | None:
    return shutil.which("npm", path=environ.get("PATH"))


def resolve(client: str, name: str, version: str | None, folder: Path) -> Package:
    """Returns what the registry has under `name` and `version`; None is the latest. Raises InstallFailed."""
    wanted = f"{name}@{version or 'latest'}"
    answer = _run(client, ["view", wanted, "name", "version", "dist.integrity"], folder, wanted, lambda: None)
    try:
        package = Package(answer["name"], answer["version"], answer["dist.integrity"])
    except (KeyError, TypeError):
        raise InstallFailed("library.npm_failed", package=wanted, reason="npm view") from None
    if package.name != name or not isinstance(package.version, str) or not isinstance(package.integrity, str):
        raise InstallFailed("library.npm_failed", package=wanted, reason="npm view")
    return package


def pack(client: str, package: Package, folder: Path, on_bytes: Callable[[int], None]) -> Path:
    """Downloads a package's archive into `folder`, which must be empty. `on_bytes` is told how much has come.

    npm's cache is kept inside `folder` too: it shows the progress, and nothing of a large set stays behind.
    Raises InstallFailed.
    """
    wanted = f"{package.name}@{package.version}"
    cache = folder / "cache"
    arguments = ["pack", wanted, f"--cache={cache}"]
    answer = _run(client, arguments, folder, wanted, lambda: on_bytes(_size(cache)))
    entry = answer[0] if isinstance(answer, list) and answer else {}
    files = list(folder.glob("*.tgz"))
    if len(files) != 1 or not isinstance(entry, dict):
        raise InstallFailed("library.npm_failed", package=wanted, reason="npm pack")
    if package.integrity != entry.get("integrity") or not matches(files[0], package.integrity):
        raise InstallFailed("library.checksum", name=wanted)
    shutil.rmtree(cache, ignore_errors=True)
    return files[0]


def matches(file: Path, integrity: str) -> bool:
    """Returns whether a file has the SHA-512 that an integrity text names."""
    digest = hashlib.sha512()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return f"sha512-{base64.b64encode(digest.digest()).decode()}" in integrity.split()


def _run(client: str, arguments: list[str], folder: Path, wanted: str, look: Callable[[], None]) -> Any:
    """Returns the JSON value that npm prints. Raises InstallFailed with npm's words."""
    with (
        (folder / "npm.out").open("w+b") as output,
        (folder / "npm.err").open("w+b") as log,
        subprocess.Popen(
            child.tied([client, *arguments, *_QUIET, *_PATIENCE]),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
        ) as process,
    ):
        try:
            while True:
                look()
                try:
                    status = process.wait(_LOOK_S)
                    break
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:  # also Ctrl-C: no npm is left running
            process.kill()
            raise
        output.seek(0)
        log.seek(0)
        printed, said = output.read().decode("utf-8", "replace"), log.read().decode("utf-8", "replace")
    try:
        answer = json.loads(printed)
    except ValueError:
        answer = None
    if status != 0 or answer is None:
        raise InstallFailed("library.npm_failed", package=wanted, reason=_reason(answer, said, status))
    return answer


def _reason(answer: Any, said: str, status: int) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict) and (error.get("code") or error.get("summary")):
        summary = str(error.get("summary") or "").strip().split("\n")[0]
        return f"{error.get('code') or ''} {summary}".strip()
    line = next((line for line in said.splitlines() if line.strip()), "")
    return line.strip() or f"exit status {status}"


def _size(folder: Path) -> int:
    """Counts the bytes of the files below `folder`, some of which may vanish meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except OSError:
            continue
        total += status.st_size if path.is_file() else 0
    return total
