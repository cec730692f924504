"""Which file names are libllama's, and what release a name tells. Pure functions; any thread.

Names seen in the wild: libllama.so, libllama.so.0, libllama.so.0.0.8390 (upstream), libllama.b8390.so,
libllama.b7324.so.0, libllama.cuda.v0.5.0.so (node-llama-cpp), libllama.0.dylib, llama.dll, llama.v0.4.0.dll.
libllama-common and libllama-*-impl are other libraries of the same project.
"""

from __future__ import annotations

import re
from typing import Final

_LIBRARY: Final = {
    "linux": re.compile(r"libllama(?P<dash>-(?!common)[A-Za-z0-9_]+)?(?P<tag>\.[^/]+?)?\.so(?P<tail>(\.\d+)*)"),
    "darwin": re.compile(r"libllama(?P<dash>-(?!common)[A-Za-z0-9_]+)?(?P<tag>\.[^/]+?)?\.(?:dylib|so)(?P<tail>)"),
    "win32": re.compile(r"(?:lib)?llama(?P<dash>-(?!common)[A-Za-z0-9_]+)?(?P<tag>\.[^/]+?)?\.dll(?P<tail>)", re.I),
}
_RELEASE: Final = re.compile(r"(?:^|[.\-_/])(?P<release>b\d{3,6}|v\d+\.\d+(?:\.\d+)*)(?=$|[.\-_/])")
_NUMBERED: Final = re.compile(r"\.0\.0\.(?P<build>\d{4,6})(?=$|\.)")
_COMPANION: Final = re.compile(
    r"(?:lib)?(?:cudart|cublas|cublasLt|nvJitLink|omp)[-._0-9a-z]*\.(?:so(?:\.\d+)*|dylib|dll)|.+\.metal(?:lib)?", re.I
)
_MTMD: Final = re.compile(r"(?:lib)?mtmd(?:[-.].+)?\.(?:so(?:\.\d+)*|dylib|dll)", re.I)
_GGML: Final = re.compile(r"(?:lib)?ggml(?:[-.].+)?\.(?:so(?:\.\d+)*|dylib|dll)", re.I)


def pattern(platform: str) -> re.Pattern[str]:
    """Returns the pattern of `sys.platform`; every system that is neither Windows nor macOS names files as Linux
    does."""
    return _LIBRARY.get(platform, _LIBRARY["linux"])


def is_library(name: str, platform: str) -> bool:
    return pattern(platform).fullmatch(name) is not None


def is_ggml(name: str) -> bool:
    """Returns whether the file is libggml, libggml-base or a backend, under any system's naming (macOS backends end in
    .so)."""
    return _GGML.fullmatch(name) is not None


def is_mtmd(name: str) -> bool:
    """Returns whether the file is libmtmd, which reads pictures and sound for libllama; a set can do without it."""
    return _MTMD.fullmatch(name) is not None


def is_companion(name: str) -> bool:
    """Returns whether the file is a part of the CUDA runtime, OpenMP's library, or a file of shaders."""
    return _COMPANION.fullmatch(name) is not None


def preference(name: str, platform: str) -> tuple[int, tuple[int, ...], str]:
    """Makes the sort key: the plainest name first (libllama.so, .so.0, then tagged ones), then the newest."""
    match = pattern(platform).fullmatch(name)
    if match is None:
        raise ValueError(name)
    dash, tag, tail = match["dash"], match["tag"], match["tail"]
    rank = 8 * bool(dash) + 4 * bool(release_of(name)) + 2 * bool(tag) + bool(tail)
    return rank, tuple(-number for number in version_key(release_of(name) or tag or tail or "")), name


def release_of(name: str) -> str | None:
    """Returns `b8390` or `v0.5.0` where the text holds one between separators; upstream's libllama.so.0.0.8390 is
    b8390."""
    if match := _RELEASE.search(name):
        return match["release"]
    match = _NUMBERED.search(name)
    return f"b{match['build']}" if match else None


def version_key(release: str) -> tuple[int, ...]:
    """Orders releases: build numbers (b8390) came before versions (v0.5.0)."""
    return int(release.startswith("v")), *(int(number) for number in re.findall(r"\d+", release))
