"""Chooses the prebuilt set that fits a machine: npm packages, their llama.cpp releases, official archive names. Pure
functions.

The npm packages' versions are node-llama-cpp's; each package names its llama.cpp release inside. Versions made after
this table still install as the latest or by their number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hoshikage.errors import InstallFailed, UsageError

BACKENDS: Final = ("cpu", "cuda", "vulkan", "metal")
SCOPE: Final = "@node-llama-cpp"
RELEASES: Final = {
    "3.1.1": "b3889", "3.2.0": "b3995", "3.3.0": "b4234", "3.3.1": "b4291", "3.3.2": "b4291", "3.4.0": "b4435",
    "3.4.1": "b4529", "3.5.0": "b4600", "3.6.0": "b4753", "3.7.0": "b4980", "3.9.0": "b5590", "3.10.0": "b5640",
    "3.12.0": "b6122", "3.12.1": "b6133", "3.12.4": "b6301", "3.13.0": "b6431", "3.14.0": "b6673", "3.14.2": "b6845",
    "3.14.4": "b7324", "3.14.5": "b7347", "3.15.0": "b7698", "3.15.1": "b7836", "3.16.0": "b8095", "3.16.2": "b8121",
    "3.17.1": "b8179", "3.18.0": "b8352", "3.18.1": "b8390", "3.19.0": "b9842", "3.19.1": "b10068",
    "3.20.0": "b10361", "3.21.1": "v0.4.0", "3.22.0": "v0.5.0", "3.22.1": "v0.5.0",
}  # fmt: skip
"""Maps an npm version to its llama.cpp release, oldest first."""
_SHORT: Final = {"win32": "win", "darwin": "mac"}
_EXT_SINCE: Final = (3, 12, 4)
"""The CUDA packages leave the build for the older CUDA to a `-cuda-ext` package from this npm version on."""
_NPM_VERSION: Final = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?")
_LLAMA_RELEASE: Final = re.compile(r"b\d{3,6}|v\d+\.\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Platform:
    """A Platform is a system and processor that builds are made for."""

    system: str
    """`system` is the value that `sys.platform` has there."""
    architecture: str
    """`architecture` is `x64`, `arm64` or `armv7l`; else as the system says."""

    @property
    def label(self) -> str:
        return f"{_SHORT.get(self.system, self.system)}-{self.architecture}"


@dataclass(frozen=True, slots=True)
class WantedBuild:
    """This is what `--release` names; both None is the latest."""

    npm: str | None = None
    llama: str | None = None


def machine(system: str, architecture: str) -> Platform:
    """Makes the value of `sys.platform` and `platform.machine()`."""
    known = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "armv7l"}
    return Platform(system, known.get(architecture.lower(), architecture))


def wanted(release: str | None) -> WantedBuild:
    """Raises UsageError for a text that is neither a llama.cpp release nor an npm version."""
    if release is None:
        return WantedBuild()
    if _NPM_VERSION.fullmatch(release):
        return WantedBuild(npm=release, llama=RELEASES.get(release))
    if _LLAMA_RELEASE.fullmatch(release):
        newest = [version for version, known in RELEASES.items() if known == release]
        return WantedBuild(npm=newest[-1] if newest else None, llama=release)
    raise UsageError("library.release_unclear", release=release)


def default_backend(machine: Platform) -> str:
    return "metal" if machine.label == "mac-arm64" else "cpu"


def npm_package(machine: Platform, backend: str) -> str:
    """Raises InstallFailed where no package is made for this machine with this backend."""
    builds = {
        "linux-x64": ("cpu", "cuda", "vulkan"),
        "linux-arm64": ("cpu",),
        "linux-armv7l": ("cpu",),
        "mac-x64": ("cpu",),
        "mac-arm64": ("metal",),
        "win-x64": ("cpu", "cuda", "vulkan"),
        "win-arm64": ("cpu",),
    }.get(machine.label, ())
    if backend not in builds:
        raise InstallFailed(
            "library.no_build", machine=machine.label, backend=backend, allowed=", ".join(builds) or "-"
        )
    suffix = "" if backend == "cpu" else f"-{backend}"
    return f"{SCOPE}/{machine.label}{suffix}"


def npm_extension(package: str, version: str) -> str | None:
    """Returns the package whose files belong beside those of `package`."""
    numbers = tuple(int(number) for number in version.partition("-")[0].split("."))
    return f"{package}-ext" if package.endswith("-cuda") and numbers >= _EXT_SINCE else None


def archive_patterns(machine: Platform, backend: str) -> tuple[re.Pattern[str], ...]:
    """Returns the patterns of the official archives that make up one set, for names as in the releases of
    ggml-org/llama.cpp."""
    names = {
        ("linux", "cpu"): ("ubuntu-{a}",),
        ("linux", "vulkan"): ("ubuntu-vulkan-{a}",),
        ("linux", "cuda"): ("ubuntu-cuda-(?P<cuda>[0-9.]+)-{a}",),
        ("darwin", "metal"): ("macos-{a}",),
        ("darwin", "cpu"): ("macos-{a}",),
        ("win32", "cpu"): ("win-cpu-{a}",),
        ("win32", "vulkan"): ("win-vulkan-{a}",),
        ("win32", "cuda"): ("win-cuda-(?P<cuda>[0-9.]+)-{a}", "cudart"),
    }.get((machine.system, backend), ())
    if not names or machine.architecture not in ("x64", "arm64"):
        raise InstallFailed("library.no_build", machine=machine.label, backend=backend, allowed="-")
    made = []
    for name in names:
        if name == "cudart":
            made.append(r"cudart-llama-bin-win-cuda-(?P<cuda>[0-9.]+)-{a}\.zip")
        else:
            made.append(r"llama-[A-Za-z0-9.]+-bin-" + name + r"\.(?:tar\.gz|zip)")
    return tuple(re.compile(pattern.replace("{a}", machine.architecture)) for pattern in made)
