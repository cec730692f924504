"""Builds ggml's RPC backend for the newest tested libllama: no package on PyPI or npm has one. Standard library only.

The source distribution of llama-cpp-python 0.3.36 on PyPI has the sources of llama.cpp v0.5.0. Two files of it are
compiled against that release's own libggml-base; it takes a minute.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache" / "rpc"
NAME: Final = "libggml-rpc.so"
SOURCE: Final = "llama-cpp-python==0.3.36"
ARCHIVE: Final = "llama_cpp_python-0.3.36.tar.gz"
SHA256: Final = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
GGML: Final = "llama_cpp_python-0.3.36/vendor/llama.cpp/ggml/"


def built(libraries: Path) -> Path:
    """Returns the backend's file, built where it is not there yet. `libraries` holds libggml-base of v0.5.0."""
    target = CACHE / NAME
    if not target.exists():
        ggml = _sources()
        part = target.with_suffix(".part")
        defines = ("GGML_BACKEND_DL", "GGML_BACKEND_BUILD", "GGML_BACKEND_SHARED", "GGML_SHARED")
        command = [
            *("c++", "-O1", "-std=c++17", "-fPIC", "-shared", *(f"-D{name}" for name in defines)),
            *(f"-I{ggml / folder}" for folder in ("include", "src")),
            *(str(ggml / "src" / "ggml-rpc" / file) for file in ("ggml-rpc.cpp", "transport.cpp")),
            *("-o", str(part), f"-L{libraries}", "-lggml-base", "-Wl,-rpath,$ORIGIN", "-lpthread"),
        ]
        subprocess.run(command, check=True)
        part.replace(target)
    return target


def _sources() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    archive = CACHE / ARCHIVE
    if not archive.exists():
        fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "-d", str(CACHE), SOURCE]
        subprocess.run(fetch, check=True)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        archive.unlink()
        raise RuntimeError(f"{ARCHIVE}: SHA-256")
    with tarfile.open(archive) as tar:
        wanted = [
            one for one in tar.getmembers() if one.isfile() and one.name.startswith(GGML) and ".." not in one.name
        ]
        tar.extractall(CACHE, wanted)
    return CACHE / GGML
