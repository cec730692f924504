"""Names the package that brings a library that is missing, by system. Data and a look-up; any thread.

Package names and commands are the same in every language. Sources: the packages' own file lists at Debian, Ubuntu,
Fedora, and NVIDIA's repositories for the numbered CUDA packages.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class _Row:
    pattern: str
    debian: str = ""
    fedora: str = ""
    windows: str = ""
    mac: str = ""
    pip: str = ""
    """`pip` is the wheel of the numbered CUDA packages; Debian and Fedora have those in NVIDIA's own sources alone."""


_NVIDIA_DRIVER: Final = r"libcuda\.so.*|libnvidia-ml\.so.*|nvcuda\.dll"
_VC: Final = "winget install Microsoft.VCRedist.2015+.x64"
_CUDA_WINDOWS: Final = "cudart-llama-bin-win-cuda-{major}.*.zip (llama.cpp) / winget install Nvidia.CUDA"
_ROWS: Final = (
    _Row(r"libcudart\.so\.(?P<major>\d+).*|cudart64_(?P<major_>\d+)\.dll", windows=_CUDA_WINDOWS,
         pip="nvidia-cuda-runtime"),
    _Row(r"libcublas(Lt)?\.so\.(?P<major>\d+).*|cublas(Lt)?64_(?P<major_>\d+)\.dll", windows=_CUDA_WINDOWS,
         pip="nvidia-cublas"),
    _Row(r"libnvJitLink\.so\.(?P<major>\d+).*", "libnvjitlink-{major}-*", "libnvjitlink-{major}-*"),
    _Row(r"libnccl\.so\.(?P<major>\d+).*", "libnccl{major}", "libnccl"),
    _Row(_NVIDIA_DRIVER, "nvidia-driver", "akmod-nvidia xorg-x11-drv-nvidia-cuda (RPM Fusion)",
         "https://www.nvidia.com/drivers"),
    _Row(r"libvulkan\.so.*|vulkan-1\.dll", "libvulkan1 mesa-vulkan-drivers", "vulkan-loader mesa-vulkan-drivers",
         "GPU driver"),
    _Row(r"libOpenCL\.so.*|OpenCL\.dll", "ocl-icd-libopencl1", "ocl-icd", "GPU driver"),
    _Row(r"libstdc\+\+\.so.*", "libstdc++6", "libstdc++"),
    _Row(r"libgcc_s\.so.*", "libgcc-s1", "libgcc"),
    _Row(r"libgomp\.so.*", "libgomp1", "libgomp"),
    _Row(r"libomp\.so.*|libomp\.dylib|.*/libomp\.dylib", "libomp5", "libomp", "", "libomp"),
    _Row(r"libopenblas(64_?)?\.so.*", "libopenblas0", "openblas"),
    _Row(r"libcurl\.so.*", "libcurl4", "libcurl"),
    _Row(r"libnuma\.so.*", "libnuma1", "numactl-libs"),
    _Row(r"libatomic\.so.*", "libatomic1", "libatomic"),
    _Row(r"lib(c|m|dl|rt|pthread)\.so\.6|lib(dl|rt|pthread)\.so.*|ld-linux.*", "libc6", "glibc"),
    _Row(r"lib(amdhip64|hipblas|rocblas|hipblaslt)\.so.*|(amdhip64|hipblas|rocblas).*\.dll",
         "ROCm (https://rocm.docs.amd.com)", "ROCm (https://rocm.docs.amd.com)", "AMD HIP SDK"),
    _Row(r"lib(sycl|mkl_\w+|dnnl|iomp5|svml|imf|intlc|irng)\.so.*", "Intel oneAPI Base Toolkit",
         "Intel oneAPI Base Toolkit"),
    _Row(r"(msvcp|vcruntime|concrt|vcomp)\d+(_\d+)?\.dll|libomp140.*\.dll|ucrtbase\.dll",
         windows=_VC),
)  # fmt: skip
_COMMANDS: Final = {"debian": "sudo apt install {}", "fedora": "sudo dnf install {}", "mac": "brew install {}"}


def bringer(library: str, system: str, family: str | None = None) -> str:
    """Returns what to install for the missing `library`: a command, a package or a product; empty where nothing is
    known.

    `system` is a `sys.platform`; `family` (debian, fedora or empty) is this machine's where it is not given.
    """
    if system == "linux" and family is None:
        family = this_family()
    name = library.replace("\\", "/").rpartition("/")[2]
    for row in _ROWS:
        match = re.fullmatch(row.pattern, name, re.I)
        if match is None:
            continue
        groups = match.groupdict()
        major = groups.get("major") or groups.get("major_") or ""
        if system == "linux" and row.pip:
            return f"pip install {row.pip}-cu{major}" if int(major) < 13 else f"pip install '{row.pip}=={major}.*'"
        if system == "linux":
            both = (("debian", "Debian/Ubuntu", row.debian), ("fedora", "Fedora", row.fedora))
            own = [
                _command(kind, package.format(major=major)) for kind, _, package in both if kind == family and package
            ]
            all_ = ", ".join(f"{label}: {package.format(major=major)}" for _, label, package in both if package)
            return own[0] if own else all_
        if system == "win32":
            return row.windows.format(major=major)
        return _command("mac", row.mac) if row.mac else ""
    return ""


def is_driver(library: str) -> bool:
    """Returns whether the library comes with the NVIDIA driver, never with a build or a toolkit."""
    return re.fullmatch(_NVIDIA_DRIVER, library, re.I) is not None


def this_family() -> str:
    """Names the system's family."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    kin = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    if kin & {"debian", "ubuntu"}:
        return "debian"
    return "fedora" if kin & {"fedora", "rhel", "centos"} else ""


def _command(kind: str, package: str) -> str:
    """A command where the words are package names; a product's name or an address as it is."""
    plain = re.fullmatch(r"[A-Za-z0-9.+*_\- ]+", package) is not None and "oneAPI" not in package
    quoted = " ".join(f"'{word}'" if "*" in word else word for word in package.split())
    return _COMMANDS[kind].format(quoted) if plain else package
