"""Makes libraries that cannot be used, each bad in one way; with a C compiler where a file has to be built for it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

Libraries = Mapping[str, Path]
Maker = Callable[[Path, Libraries], None]

FEW_FUNCTIONS: Final = "void llama_backend_init(void) {} void llama_sampler_chain_init(void) {}"
OLD_FUNCTIONS: Final = (
    "void llama_backend_init(void) {} void llama_load_model_from_file(void) {} void llama_eval(void) {}"
)
CRASHING: Final = "__attribute__((constructor)) static void f(void) { *(volatile int *)0 = 1; }"
HANGING: Final = "#include <unistd.h>\n__attribute__((constructor)) static void f(void) { for (;;) pause(); }"
ALTERED: Final = """
#include <string.h>
struct params { unsigned char bytes[200]; };
struct params llama_context_default_params(void) {
    struct params p;
    memset(&p, 0x11, sizeof p);
    return p;
}
"""
"""Put before the real library, it says that its context parameters are as no release has them."""


def build(target: Path, source: str, *flags: str) -> None:
    """Builds a shared library of C source. Raises AssertionError where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "no C compiler (cc, gcc): these tests build broken libraries (Debian/Ubuntu: apt install gcc)"
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-shared", "-fPIC", "-o", str(target), "-x", "c", "-", "-x", "none", *flags]
    subprocess.run(command, input=source.encode(), check=True, timeout=60)


def missing(place: Path, libraries: Libraries) -> None:
    pass


def empty(place: Path, libraries: Libraries) -> None:
    place.mkdir()
    (place / "libllama.so").touch()


def text(place: Path, libraries: Libraries) -> None:
    place.mkdir()
    (place / "libllama.so").write_text("<html>404 Not Found</html>\n")


def of_32_bits(place: Path, libraries: Libraries) -> None:
    _patched(place, libraries, {4: 1})


def of_another_processor(place: Path, libraries: Libraries) -> None:
    machine = libraries["v0.5.0"].read_bytes()[18]
    _patched(place, libraries, {18: 183 if machine == 62 else 62})


def truncated(place: Path, libraries: Libraries) -> None:
    _whole(place, libraries["v0.5.0"])
    file = place / libraries["v0.5.0"].name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_ggml(place: Path, libraries: Libraries) -> None:
    place.mkdir()
    shutil.copy(libraries["v0.5.0"], place)


def of_two_releases(place: Path, libraries: Libraries) -> None:
    _whole(place, libraries["b6301"])
    (place / libraries["b6301"].name).unlink()
    shutil.copy(libraries["b8390"], place)


def without_functions(place: Path, libraries: Libraries) -> None:
    build(place / "libllama.so", FEW_FUNCTIONS)


def too_old(place: Path, libraries: Libraries) -> None:
    build(place / "libllama.so", OLD_FUNCTIONS)


def of_an_unknown_release(place: Path, libraries: Libraries) -> None:
    _whole(place, libraries["v0.5.0"])
    build(place / "libllama.so", ALTERED, "-Wl,--no-as-needed,-rpath,$ORIGIN", str(place / libraries["v0.5.0"].name))


def crashing(place: Path, libraries: Libraries) -> None:
    build(place / "libllama.so", CRASHING)


def hanging(place: Path, libraries: Libraries) -> None:
    build(place / "libllama.so", HANGING)


def unreadable(place: Path, libraries: Libraries) -> None:
    _whole(place, libraries["v0.5.0"])
    (place / libraries["v0.5.0"].name).chmod(0)


def a_folder(place: Path, libraries: Libraries) -> None:
    _whole(place / "libllama.so" / "inner", libraries["v0.5.0"])


KINDS: Final[Mapping[str, tuple[Maker, str]]] = {
    "missing": (missing, "library.path_missing"),
    "empty": (empty, "library.not_a_library"),
    "text": (text, "library.not_a_library"),
    "32-bit": (of_32_bits, "lacks.wrong_machine"),
    "another processor": (of_another_processor, "lacks.wrong_machine"),
    "truncated": (truncated, "lacks.truncated"),
    "without ggml": (without_ggml, "lacks.needs_part"),
    "of two releases": (of_two_releases, "lacks.needs_same_release"),
    "without functions": (without_functions, "library.functions_missing"),
    "too old": (too_old, "lacks.too_old"),
    "unknown release": (of_an_unknown_release, "library.layout_unknown"),
    "crashing": (crashing, "library.crashed"),
    "hanging": (hanging, "library.hung"),
    "unreadable": (unreadable, "library.file_unreadable"),
    "a folder": (a_folder, "lacks.is_folder"),
}
"""Maps what is wrong to who makes it, and the key of the refusal."""


def _whole(place: Path, library: Path) -> None:
    place.mkdir(parents=True)
    for file in library.parent.glob("*.so"):
        shutil.copy(file, place)


def _patched(place: Path, libraries: Libraries, changes: Mapping[int, int]) -> None:
    """Writes the newest library with these bytes of its header changed."""
    _whole(place, libraries["v0.5.0"])
    file = place / libraries["v0.5.0"].name
    content = bytearray(file.read_bytes())
    for offset, value in changes.items():
        content[offset] = value
    file.write_bytes(content)
