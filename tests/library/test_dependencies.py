"""What a library set lacks, read from its files, agrees with what the system's loader says of them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from hoshikage.library import dependencies, drivers, packages
from hoshikage.messages import LANGUAGES, text
from tests.native.bad_libraries import build

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ELF files are built and loaded")


def copied(library: Path, target: Path) -> Path:
    target.mkdir()
    for file in library.parent.glob("*.so"):
        shutil.copy(file, target)
    return target / library.name


def lacks(file: Path) -> dict[str, dependencies.Lack]:
    found = dependencies.survey(file, {})
    for lack in found:
        for language in LANGUAGES:
            assert text(language, lack.key, **lack.details)
    return {lack.key: lack for lack in found}


def test_real_sets_lack_nothing(libraries: dict[str, Path]) -> None:
    assert {release: dependencies.survey(file, {}) for release, file in libraries.items()} == dict.fromkeys(
        libraries, ()
    )


def test_a_part_that_is_missing(library_file: Path, tmp_path: Path) -> None:
    file = copied(library_file, tmp_path / "set")
    file.with_name("libggml-base.so").unlink()
    found = lacks(file)["lacks.needs_part"]
    assert (found.file, found.details["needs"], found.details["folder"]) == (file, "libggml-base.so", str(file.parent))


def test_a_part_of_another_release_by_its_name(libraries: dict[str, Path], tmp_path: Path) -> None:
    file = copied(libraries["b8390"], tmp_path / "set")
    file.with_name("libggml.b8390.so").unlink()
    shutil.copy(libraries["b6301"].with_name("libggml.b6301.so"), file.parent)
    found = lacks(file)["lacks.needs_same_release"]
    assert (found.details["needs"], found.details["present"]) == ("libggml.b8390.so", "libggml.b6301.so")


def test_a_part_of_another_release_by_its_functions(libraries: dict[str, Path], tmp_path: Path) -> None:
    """libggml-base.so has the same name in every release."""
    file = copied(libraries["v0.5.0"], tmp_path / "set")
    shutil.copy(libraries["b4529"].with_name("libggml-base.so"), file.parent)
    found = lacks(file)["lacks.needs_functions"]
    assert found.file == file
    assert "ggml_" in str(found.details["names"])
    assert "libggml-base.so" in str(found.details["present"])


def test_a_system_that_is_too_old(library_file: Path, tmp_path: Path) -> None:
    file = copied(library_file, tmp_path / "set")
    file.write_bytes(
        file.read_bytes().replace(b"GLIBC_2.34\0", b"GLIBC_9.34\0").replace(b"GLIBCXX_3.4.29\0", b"GLIBCXX_9.4.29\0")
    )
    found = [lack.details for lack in dependencies.survey(file, {}) if lack.key == "lacks.needs_version"]
    assert {(details["needs"], details["version"]) for details in found} == {
        ("libc.so.6", "GLIBC_9.34"),
        ("libstdc++.so.6", "GLIBCXX_9.4.29"),
    }
    assert all(str(details["have"]).startswith(str(details["version"])[:5]) for details in found)


@pytest.mark.parametrize(
    ("soname", "key", "package"),
    [
        ("libcudart.so.12", "lacks.needs_package", "pip install nvidia-cuda-runtime-cu12"),
        ("libcublas.so.13", "lacks.needs_package", "pip install 'nvidia-cublas==13.*'"),
        ("libcuda.so.1", "lacks.needs_driver", "nvidia-driver"),
        ("libnowhere.so.7", "lacks.needs_unknown", ""),
    ],
)
def test_a_backend_without_its_runtime(
    soname: str, key: str, package: str, library_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A libggml-cuda that needs what no machine of these tests has, under the name that it has in CUDA builds."""
    monkeypatch.setattr(packages, "this_family", lambda: "debian")
    file = copied(library_file, tmp_path / "set")
    stub = tmp_path / "stub" / soname
    build(stub, "void f(void) {}", f"-Wl,-soname,{soname}")
    backend = file.with_name("libggml-cuda.so")
    build(backend, "void f(void); void ggml_backend_init(void) { f(); }", "-Wl,--no-as-needed", str(stub))
    found = lacks(file)
    assert set(found) == {key}
    assert (found[key].file, found[key].details["needs"]) == (backend, soname)
    assert package in str(found[key].details["package"])
    shutil.copy(stub, file.parent)
    assert lacks(file) == {}, "beside it, it is found"


def test_where_the_loader_looks(library_file: Path, tmp_path: Path) -> None:
    file = copied(library_file, tmp_path / "set")
    build(tmp_path / "away" / "libneeded.so.1", "void f(void) {}", "-Wl,-soname,libneeded.so.1")
    needed = str(tmp_path / "away" / "libneeded.so.1")
    backend = file.with_name("libggml-vulkan.so")
    source = "void f(void); void g(void) { f(); }"
    build(backend, source, "-Wl,--no-as-needed", needed)
    assert set(lacks(file)) == {"lacks.needs_unknown"}
    assert dependencies.survey(file, {"LD_LIBRARY_PATH": f"/nowhere:{tmp_path / 'away'}"}) == ()
    build(backend, source, "-Wl,--no-as-needed,-rpath,$ORIGIN/../away", needed)
    assert dependencies.survey(file, {}) == ()


def test_a_damaged_part(library_file: Path, tmp_path: Path) -> None:
    file = copied(library_file, tmp_path / "set")
    part = file.with_name("libggml-base.so")
    part.write_bytes(part.read_bytes()[:5000])
    assert lacks(file)["lacks.truncated"].file == part
    part.write_text("no library")
    assert lacks(file)["library.not_a_library"].file == part


@pytest.mark.parametrize(
    ("library", "system", "family", "package"),
    [
        ("libgomp.so.1", "linux", "debian", "sudo apt install libgomp1"),
        ("libgomp.so.1", "linux", "fedora", "sudo dnf install libgomp"),
        ("libgomp.so.1", "linux", "", "Debian/Ubuntu: libgomp1, Fedora: libgomp"),
        ("libcudart.so.12", "linux", "debian", "pip install nvidia-cuda-runtime-cu12"),
        ("libhipblas.so.2", "linux", "debian", "ROCm (https://rocm.docs.amd.com)"),
        (
            "cudart64_12.dll",
            "win32",
            None,
            "cudart-llama-bin-win-cuda-12.*.zip (llama.cpp) / winget install Nvidia.CUDA",
        ),
        ("VCRUNTIME140_1.dll", "win32", None, "winget install Microsoft.VCRedist.2015+.x64"),
        ("@rpath/libomp.dylib", "darwin", None, "brew install libomp"),
        ("libunheard.so.1", "linux", "debian", ""),
    ],
)
def test_packages(library: str, system: str, family: str | None, package: str) -> None:
    assert packages.bringer(library, system, family) == package


def test_the_nvidia_driver(tmp_path: Path) -> None:
    file = tmp_path / "version"
    assert drivers.nvidia(file) is None
    file.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC 12\n")
    assert drivers.nvidia(file) == "550.54.15"
    file.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.133.20  Release Build\n")
    assert drivers.nvidia(file) == "570.133.20"
