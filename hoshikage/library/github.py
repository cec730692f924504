"""Brings the official archives of llama.cpp from GitHub's releases, for machines without an npm client. Blocking."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hoshikage.errors import InstallFailed
from hoshikage.library import download, names

API: Final = "https://api.github.com/repos/ggml-org/llama.cpp"


@dataclass(frozen=True, slots=True)
class Asset:
    """An Asset is one file that a release offers."""

    name: str
    url: str
    size: int
    sha256: str
    """`sha256` is empty where GitHub tells none, as for archives made before June 2025."""


@dataclass(frozen=True, slots=True)
class Release:
    """A Release is a release of llama.cpp on GitHub."""

    tag: str
    assets: tuple[Asset, ...]


def resolve(api: str, tag: str | None, patterns: tuple[re.Pattern[str], ...]) -> Release:
    """Returns the release with that tag, or the newest one that has the wanted archives, with these archives alone.

    A release appears before all of its archives are uploaded. Raises InstallFailed.
    """
    if tag is not None:
        answer = download.read_json(f"{api}/releases/tags/{tag}")
        candidates = [answer]
    else:
        candidates = download.read_json(f"{api}/releases?per_page=10")
    offered: list[str] = []
    for candidate in candidates if isinstance(candidates, list) else []:
        release = _release(candidate)
        chosen = choose(release.assets, patterns)
        if chosen:
            return Release(release.tag, chosen)
        offered.extend(asset.name for asset in release.assets)
    raise InstallFailed("library.no_archive", release=tag or "latest", offered=", ".join(offered[:40]) or "-")


def choose(assets: tuple[Asset, ...], patterns: tuple[re.Pattern[str], ...]) -> tuple[Asset, ...]:
    """Chooses one asset for each pattern, all for the same CUDA: the oldest, which runs on the most drivers. Returns
    none where that cannot be."""
    fits: list[dict[str, Asset]] = []
    for pattern in patterns:
        result: dict[str, Asset] = {}
        for asset in assets:
            if match := pattern.fullmatch(asset.name):
                result.setdefault(match.groupdict().get("cuda") or "", asset)
        fits.append(result)
    common = set.intersection(*(set(result) for result in fits))
    if not common:
        return ()
    version = min(common, key=names.version_key)
    return tuple(result[version] for result in fits)


def fetch(asset: Asset, folder: Path, on_bytes: Callable[[int, int], None]) -> Path:
    """Downloads an archive and compares it with GitHub's checksum. Raises InstallFailed."""
    if not asset.sha256:
        raise InstallFailed("library.no_checksum", name=asset.name, url=asset.url)
    file = folder / asset.name
    if download.fetch(asset.url, file, lambda done, total: on_bytes(done, total or asset.size)) != asset.sha256:
        raise InstallFailed("library.checksum", name=asset.name)
    return file


def _release(answer: Any) -> Release:
    """Reads GitHub's JSON. Raises InstallFailed for anything of another shape."""
    try:
        assets = []
        for asset in answer["assets"]:
            name, digest = str(asset["name"]), str(asset.get("digest") or "")
            if "/" in name or "\\" in name:
                raise ValueError(name)
            sha256 = digest.removeprefix("sha256:").lower() if digest.startswith("sha256:") else ""
            assets.append(Asset(name, str(asset["browser_download_url"]), int(asset["size"]), sha256))
        return Release(str(answer["tag_name"]), tuple(assets))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InstallFailed("library.download_failed", url=API, reason="JSON") from None
