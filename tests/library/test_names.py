"""Which file names are libllama's."""

from __future__ import annotations

import pytest

from hoshikage.library import names


@pytest.mark.parametrize(
    "name",
    [
        "libllama.so", "libllama.so.0", "libllama.so.0.0.8390", "libllama.b8390.so", "libllama.b7324.so.0",
        "libllama.v0.5.0.so", "libllama.cuda.v0.5.0.so", "libllama.b7324.so.0.0.1", "libllama-cuda.so",
    ],
)  # fmt: skip
def test_linux_names(name: str) -> None:
    assert names.is_library(name, "linux")
    assert names.is_library(name, "freebsd14")
    assert not names.is_library(name, "win32")


@pytest.mark.parametrize(
    "name",
    [
        "libllama-common.so", "libllama-common.so.0", "libllama-server-impl.so", "libllama.so.txt", "libllama.a",
        "libggml.so", "xlibllama.so", "libllama.so.backup", "llama-addon.node", "libmtmd.so",
    ],
)  # fmt: skip
def test_names_of_other_things(name: str) -> None:
    assert not names.is_library(name, "linux")


@pytest.mark.parametrize("name", ["libllama.dylib", "libllama.0.dylib", "libllama.metal.v0.4.0.dylib"])
def test_macos_names(name: str) -> None:
    assert names.is_library(name, "darwin")
    assert not names.is_library(name, "linux")


@pytest.mark.parametrize("name", ["llama.dll", "LLAMA.DLL", "libllama.dll", "llama.v0.4.0.dll"])
def test_windows_names(name: str) -> None:
    assert names.is_library(name, "win32")


@pytest.mark.parametrize("name", ["llama-common.dll", "llama-addon.node", "llama-server.exe", "ggml.dll"])
def test_windows_names_of_other_things(name: str) -> None:
    assert not names.is_library(name, "win32")


@pytest.mark.parametrize("name", ["libmtmd.so", "libmtmd.so.0.0.8390", "libmtmd.0.dylib", "mtmd.dll", "libmtmd.b1.so"])
def test_libmtmds_names(name: str) -> None:
    assert names.is_mtmd(name)
    assert not names.is_library(name, "linux")


@pytest.mark.parametrize("name", ["libmtmd.a", "mtmd.h", "libmtmd-cli", "xlibmtmd.so"])
def test_names_that_are_not_libmtmds(name: str) -> None:
    assert not names.is_mtmd(name)


def test_plainest_then_newest() -> None:
    ordered = [
        "libllama.so", "libllama.so.0", "libllama.so.0.0.8390", "libllama.v0.5.0.so", "libllama.v0.4.0.so",
        "libllama.b10361.so", "libllama.b8390.so", "libllama.b9000.so.0", "libllama-cuda.so",
    ]  # fmt: skip
    assert sorted(ordered, key=lambda name: names.preference(name, "linux")) == ordered


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("libllama.b8390.so", "b8390"),
        ("libllama.cuda.v0.5.0.so", "v0.5.0"),
        ("libllama.so.0.0.8390", "b8390"),
        ("libllama.0.0.8390.dylib", "b8390"),
        ("libllama.b7324.so.0.0.1", "b7324"),
        ("llama-b8390-bin-ubuntu-x64.tar.gz", "b8390"),
        ("libllama.so.0.0.1", None),
        ("libllama.so", None),
    ],
)
def test_release_in_a_name(name: str, release: str | None) -> None:
    assert names.release_of(name) == release


@pytest.mark.parametrize("name", ["libggml.so", "libggml-base.so.0", "libggml.cuda.v0.5.0.so", "ggml-cpu-x64.dll"])
def test_ggml(name: str) -> None:
    assert names.is_ggml(name)


def test_not_ggml() -> None:
    assert not names.is_ggml("libggmlx.so")
