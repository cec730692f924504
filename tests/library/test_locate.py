"""Tests the search for libllama: order, folders, names, and a fitting message for each thing that can be wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hoshikage.errors import LibraryUnavailable
from hoshikage.library import locate
from hoshikage.messages import LANGUAGES, text

from .conftest import make

NOTHING: dict[str, str] = {}


def find(lib_path: Path | None, lib_dir: Path, environ: dict[str, str] = NOTHING) -> locate.LocatedLibrary:
    return locate.find(lib_path, lib_dir, environ, platform="linux", standard=("/usr/nowhere",), linker_files=list)


def refused(lib_path: Path | None, lib_dir: Path, environ: dict[str, str] = NOTHING) -> LibraryUnavailable:
    with pytest.raises(LibraryUnavailable) as caught:
        find(lib_path, lib_dir, environ)
    for language in LANGUAGES:
        assert text(language, caught.value.key, **caught.value.details)
    return caught.value


def test_real_libraries_are_found_by_their_folder(libraries: dict[str, Path], tmp_path: Path) -> None:
    for file in libraries.values():
        for given in (file, file.parent, file.parent.parent.parent):
            assert find(given, tmp_path / "lib") == locate.LocatedLibrary(file, "HOSHIKAGE_LIB_PATH")


def test_order(tmp_path: Path) -> None:
    given = make(tmp_path / "given", "libllama.b1.so") / "libllama.b1.so"
    lib_dir = make(tmp_path / "config" / "lib", "libllama.so")
    environ = {"LD_LIBRARY_PATH": f"{tmp_path / 'absent'}:{make(tmp_path / 'system', 'libllama.so')}"}
    assert find(given.parent, lib_dir, environ) == locate.LocatedLibrary(given, "HOSHIKAGE_LIB_PATH")
    assert find(None, lib_dir, environ) == locate.LocatedLibrary(lib_dir / "libllama.so", "config", "lib")
    (lib_dir / "libllama.so").unlink()
    assert find(None, lib_dir, environ) == locate.LocatedLibrary(tmp_path / "system" / "libllama.so", "system")


def test_linker_cache_comes_last(tmp_path: Path) -> None:
    folder = make(tmp_path / "ld", "libllama.so.0", "libllama-common.so")
    listed = [folder / "libllama-common.so", folder / "gone" / "libllama.so", folder / "libllama.so.0"]
    found = locate.find(None, tmp_path / "lib", {}, platform="linux", standard=(), linker_files=lambda: listed)
    assert found == locate.LocatedLibrary(folder / "libllama.so.0", "system")


@pytest.mark.parametrize("inner", ["bin", "lib", "build/bin", "bins/linux-x64", "llama-b8390", "llama-b8390/lib"])
def test_nested_folders(tmp_path: Path, inner: str) -> None:
    folder = make(tmp_path / "given" / inner, "libllama.so")
    assert find(tmp_path / "given", tmp_path / "lib").file == folder / "libllama.so"


def test_outer_folder_wins_over_nested_ones(tmp_path: Path) -> None:
    make(tmp_path / "given", "libllama.b9.so", "bin/libllama.so")
    assert find(tmp_path / "given", tmp_path / "lib").file.name == "libllama.b9.so"


def test_a_damaged_file_gives_way_to_a_sound_one(tmp_path: Path) -> None:
    make(tmp_path, "libllama.b8390.so")
    (tmp_path / "libllama.so").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert find(tmp_path, tmp_path / "lib").file.name == "libllama.b8390.so"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "0 bytes"),
        (b"/* GNU ld script */\n", "text"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"MZ" + bytes(62), "PE (.dll)"),
        (b"\xcf\xfa\xed\xfe" + bytes(60), "Mach-O (.dylib)"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"PK\x03\x04" + bytes(60), "zip / gzip"),
        (bytes(64), "0x0000000000000000"),
    ],
)
def test_a_file_that_is_no_library(tmp_path: Path, content: bytes, found: str) -> None:
    file = tmp_path / "libllama.so"
    file.write_bytes(content)
    for error in (refused(file, tmp_path / "lib"), refused(tmp_path, tmp_path / "lib"), refused(None, tmp_path)):
        assert error.key == "library.not_a_library"
        assert error.details["found"] == found
        assert error.details["path"] == str(file)


def test_formats_of_other_systems(tmp_path: Path) -> None:
    (tmp_path / "llama.dll").write_bytes(b"MZ" + bytes(62))
    (tmp_path / "libllama.dylib").write_bytes(b"\xca\xfe\xba\xbe" + bytes(60))
    windows = {"PATH": f'C:\\nowhere;"{tmp_path}"'}
    assert locate.find(None, tmp_path / "lib", windows, platform="win32").file == tmp_path / "llama.dll"
    mac = {"DYLD_LIBRARY_PATH": f"/nowhere:{tmp_path}"}
    assert locate.find(None, tmp_path / "lib", mac, platform="darwin").file == tmp_path / "libllama.dylib"


def test_nothing_anywhere(tmp_path: Path) -> None:
    error = refused(None, tmp_path / "config" / "lib", {"LD_LIBRARY_PATH": f"{tmp_path / 'one'}::{tmp_path / 'two'}"})
    assert error.key == "library.missing"
    message = text("en", error.key, **error.details)
    looked = (tmp_path / "config" / "lib", tmp_path / "one", tmp_path / "two", "/usr/nowhere")
    assert message.endswith("".join(f"\n  {folder}" for folder in looked))
    assert "`hoshikage lib install`" in message
    assert "HOSHIKAGE_LIB_PATH" in message


def test_given_path_is_missing(tmp_path: Path) -> None:
    make(tmp_path / "lib", "libllama.so")
    error = refused(tmp_path / "nothing", tmp_path / "lib")
    assert error.key == "library.path_missing"
    assert error.details["path"] == str(tmp_path / "nothing")


def test_given_path_is_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "libllama.so").symlink_to("gone.so")
    assert refused(tmp_path / "libllama.so", tmp_path / "lib").key == "library.path_dangling"


def test_given_folder_is_empty(tmp_path: Path) -> None:
    make(tmp_path / "given", "libggml.so", "libllama-common.so", "deep/er/libllama.so")
    assert refused(tmp_path / "given", tmp_path / "lib").key == "library.path_empty"


def test_given_path_cannot_be_followed(tmp_path: Path) -> None:
    (tmp_path / "one.so").symlink_to("two.so")
    (tmp_path / "two.so").symlink_to("one.so")
    assert refused(tmp_path / "one.so", tmp_path / "lib").key == "library.path_unreadable"


def test_unreadable_folders_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses them: what another user's folder does, also where the tests run as root."""
    make(tmp_path / "lib", "libllama.so")

    def refuse(path: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", refuse)
        assert refused(None, tmp_path / "lib").key == "library.folder_unreadable"
        assert refused(tmp_path / "lib", tmp_path / "lib").key == "library.path_unreadable"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        error = refused(None, tmp_path / "lib")
    assert error.key == "library.file_unreadable"
    assert error.details["reason"] == "Permission denied"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "libllama.so")
    assert refused(tmp_path / "libllama.so", tmp_path / "lib").details["found"] == "special file"


def test_this_systems_own_search_is_asked(tmp_path: Path, library_file: Path) -> None:
    found = locate.find(None, tmp_path / "lib", {"LD_LIBRARY_PATH": str(library_file.parent)})
    assert found == locate.LocatedLibrary(library_file, "system")
