"""Tests installing from folders, archives, an address and the real npm registry; what a failure leaves behind."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hoshikage.errors import HoshikageError, InstallFailed, LibraryUnavailable
from hoshikage.library import contents, fingerprint, install, library_state, locate, npm, sources, staging
from hoshikage.library.releases import Platform

from .conftest import ELF, Site, make
from .test_archive import special, tar, zipped

GOOD = ELF + b"works"
Tries = Callable[[str], tuple[str, ...]]


class Workshop:
    """This is an empty config folder, and installations into it with a stand-in for the check program."""

    def __init__(self, folder: Path, tries: Tries) -> None:
        self.lib_dir = folder / "config" / "lib"
        self.cache_dir = folder / "cache"
        self.steps: list[str] = []
        self._tries = tries

    def put(self, origin: Path | str, mode: str = "accept", system: str = "linux") -> install.Installed:
        return self.order(sources.InstallRequest(origin=str(origin)), mode, system)

    def order(self, order: sources.InstallRequest, mode: str = "accept", system: str = "linux") -> install.Installed:
        market = sources.Sources(Platform(system, "x64"), os.environ, self._told)
        return install.install(
            order, market, install.InstallContext(self.lib_dir, self.cache_dir, tries=self._tries(mode))
        )

    def _told(self, done: int, total: int, step: sources.Step) -> None:
        assert done <= total or total == 0
        if step.key not in self.steps:
            self.steps.append(step.key)

    @property
    def names(self) -> list[str]:
        return sorted(
            path.relative_to(self.lib_dir).as_posix() for path in self.lib_dir.rglob("*") if not path.is_dir()
        )

    @property
    def beside(self) -> set[str]:
        return {path.name for path in self.lib_dir.parent.iterdir()}


@pytest.fixture
def shop(tmp_path: Path, tries: Tries) -> Workshop:
    return Workshop(tmp_path, tries)


def test_a_real_folder(shop: Workshop, libraries: dict[str, Path]) -> None:
    """It tries every release: the files of the package but for the addon, and the release that the package names."""
    for release, file in libraries.items():
        done = shop.put(file.parent)
        assert done.file == shop.lib_dir / file.name
        assert (done.record.release, done.record.source) == (release, "folder")
        assert done.record.backends == ("cpu",)
        left_out = {"llama-addon.node", "libllama-common.so"}
        assert set(shop.names) == {path.name for path in file.parent.iterdir()} - left_out | {"library.json"}
        assert staging.read_record(shop.lib_dir) == done.record
        assert done.record.files[file.name] == fingerprint.sha256(file)
        assert done.kept is None
        assert shop.beside - {"lib-slots"} == {"lib", ".lib.lock"}
        assert locate.find(None, shop.lib_dir, {}) == locate.LocatedLibrary(done.file, "config", "lib")


def test_a_real_file_and_the_folder_around_a_package(shop: Workshop, library_file: Path) -> None:
    for origin in (library_file, library_file.parent.parent.parent):
        assert shop.put(origin).file == shop.lib_dir / library_file.name
        assert library_file.is_file()


@pytest.mark.process
def test_the_former_library_is_kept_where_it_works(shop: Workshop, tmp_path: Path) -> None:
    assert shop.put(make(tmp_path / "one", "libllama.b1.so")).former == ""
    former = shop.put(make(tmp_path / "two", "libllama.b2.so")).former
    kept = library_state.folder(shop.lib_dir, former)
    assert sorted(path.name for path in kept.iterdir()) == ["libllama.b1.so", "library.json"]
    assert shop.put(make(tmp_path / "two", "libllama.b2.so")).former == "", "the same again is no other library"
    (shop.lib_dir / "libllama.b2.so").unlink()
    assert shop.put(make(tmp_path / "three", "libllama.b3.so")).former == ""


def test_a_real_archive(shop: Workshop, library_file: Path, tmp_path: Path) -> None:
    made = shutil.make_archive(str(tmp_path / "set"), "gztar", library_file.parent.parent.parent)
    done = shop.put(made)
    assert (done.record.source, done.record.origin, done.record.release) == ("archive", made, "v0.5.0")
    assert "LICENSE" in shop.names
    assert shop.steps == ["library.step_unpacking", "library.step_trying"]
    assert Path(made).is_file()


@pytest.mark.process
def test_a_real_package_of_the_npm_registry(shop: Workshop) -> None:
    assert npm.find_client(os.environ), "the npm client is needed for this test: install Node.js"
    done = shop.order(sources.InstallRequest(release="b8390"))
    assert done.record.source == "npm"
    assert done.record.origin == "@node-llama-cpp/linux-x64@3.18.1"
    assert done.record.release == "b8390"
    assert done.file == shop.lib_dir / "libllama.b8390.so"
    assert done.file.stat().st_size == 3_424_344
    assert shop.steps == ["library.step_downloading", "library.step_unpacking", "library.step_trying"]
    assert shop.beside == {"lib", ".lib.lock"}


@pytest.mark.process
def test_an_official_archive_with_its_links(shop: Workshop, tmp_path: Path) -> None:
    folder = make(tmp_path / "made", "libllama.so.0.0.8390", "libggml-base.so.0", "libggml-cpu-x64.so")
    members = [(f"llama-b8390/{path.name}", path.read_bytes()) for path in folder.iterdir()]
    links = [
        special("llama-b8390/libllama.so", b"2", "libllama.so.0"),
        special("llama-b8390/libllama.so.0", b"2", "libllama.so.0.0.8390"),
        special("llama-b8390/libggml-base.so", b"2", "libggml-base.so.0"),
    ]
    file = tar(tmp_path / "llama-b8390-bin-ubuntu-x64.tar.gz", *members, *links, ("llama-b8390/llama-server", b"x"))
    done = shop.put(file)
    assert done.file.name == "libllama.so"
    assert done.file.readlink() == Path("libllama.so.0.0.8390")
    assert done.record.release == "b8390"
    assert shop.names == [
        "libggml-base.so", "libggml-base.so.0", "libggml-cpu-x64.so", "libllama.so", "libllama.so.0",
        "libllama.so.0.0.8390", "library.json",
    ]  # fmt: skip


@pytest.mark.process
def test_a_folder_with_links_keeps_them(shop: Workshop, tmp_path: Path) -> None:
    folder = make(tmp_path / "build" / "bin", "libllama.so.0", "libggml.so", "outside/libggml-base.so", "llama-cli")
    (folder / "libllama.so").symlink_to("libllama.so.0")
    (folder / "libggml-base.so").symlink_to("outside/libggml-base.so")
    shop.put(tmp_path)
    assert shop.names == ["libggml-base.so", "libggml.so", "libllama.so", "libllama.so.0", "library.json"]
    assert (shop.lib_dir / "libllama.so").is_symlink()
    assert not (shop.lib_dir / "libggml-base.so").is_symlink()


@pytest.mark.parametrize("place", ["libggml-x.so", "LICENSE", "fallback", "libllama.so"])
def test_a_link_out_of_the_folder_is_refused(shop: Workshop, tmp_path: Path, place: str) -> None:
    secret = make(tmp_path / "private", "libggml-x.so")
    folder = make(tmp_path / "given", "libllama.b1.so", "libggml.so")
    (folder / place).symlink_to(secret if place == "fallback" else secret / "libggml-x.so")
    with pytest.raises(InstallFailed) as caught:
        shop.put(folder)
    assert caught.value.key == "library.unsafe_folder"
    assert str(secret) in str(caught.value.details["member"])
    assert not shop.lib_dir.exists()


@pytest.mark.process
def test_of_a_folder_only_libraries_and_texts_are_taken(shop: Workshop, tmp_path: Path) -> None:
    folder = make(tmp_path / "given", "libllama.so", "libggml.so", "libggml-private.so")
    (folder / "libggml-hashes.so").write_text("root:x")
    (folder / "LICENSE").write_text("MIT")
    os.mkfifo(folder / "libggml-pipe.so")
    (folder / "libllama.so").chmod(0o775)
    (folder / "libggml-private.so").chmod(0o600)
    shop.put(folder)
    assert shop.names == ["LICENSE", "libggml-private.so", "libggml.so", "libllama.so", "library.json"]
    modes = {name: (shop.lib_dir / name).stat().st_mode & 0o777 for name in ("libggml-private.so", "libllama.so")}
    assert modes == {"libggml-private.so": 0o600, "libllama.so": 0o755}


@pytest.mark.process
def test_a_folder_as_debian_has_it(shop: Workshop, tmp_path: Path) -> None:
    folder = make(tmp_path / "given", "libllama.so.0", "libggml.so.0", "libmtmd.so.0", "libmtmd.so.0.7.0")
    make(folder / "ggml" / "backends0", "libggml-cpu-x64.so", "libggml-vulkan.so", "notes.txt")
    done = shop.put(folder)
    assert done.record.backends == ("cpu", "vulkan")
    parts = ["libggml-cpu-x64.so", "libggml-vulkan.so", "libggml.so.0", "libmtmd.so.0", "libmtmd.so.0.7.0"]
    assert shop.names == [*parts[:3], "libllama.so.0", *parts[3:], "library.json"]


@pytest.mark.process
def test_a_windows_set(shop: Workshop, tmp_path: Path) -> None:
    names = ["llama.dll", "ggml.dll", "ggml-cuda.dll", "cudart64_12.dll", "cublasLt64_12.dll", "libomp140.x86_64.dll"]
    names += ["mtmd.dll"]
    left_out = ["llama-server.exe", "llama-common.dll", "llama-addon.node"]
    file = zipped(tmp_path / "set.zip", *((name, b"MZ", 0) for name in names + left_out))
    done = shop.put(file, system="win32")
    assert done.file.name == "llama.dll"
    assert done.record.backends == ("cpu", "cuda")
    assert shop.names == sorted([*names, "library.json"])


@pytest.mark.process
def test_a_macos_set(shop: Workshop, tmp_path: Path) -> None:
    names = ["libllama.metal.v0.4.0.dylib", "libggml-base.dylib", "libggml-metal.so", "libggml-blas.so",
             "ggml-metal.metal"]  # fmt: skip
    folder = make(tmp_path / "set", *names, "libllama-common.dylib", content=b"\xcf\xfa\xed\xfe")
    done = shop.put(folder, system="darwin")
    assert (done.record.release, done.record.backends) == ("v0.4.0", ("cpu", "blas", "metal"))
    assert shop.names == sorted([*names, "library.json"])


@pytest.mark.process
def test_an_address(shop: Workshop, site: Site, tmp_path: Path) -> None:
    folder = make(tmp_path / "set", "libllama.so")
    file = tar(tmp_path / "a.tgz", ("x/libllama.so", (folder / "libllama.so").read_bytes()))
    site.files["/b9001.tgz"] = file.read_bytes()
    done = shop.put(f"{site.address}/b9001.tgz?token=secret")
    assert (done.record.source, done.record.origin) == ("url", f"{site.address}/b9001.tgz")
    assert "secret" not in (shop.lib_dir / "library.json").read_text("utf-8")
    assert shop.steps[0] == "library.step_downloading"


# failures


@pytest.fixture
def old(shop: Workshop, tmp_path: Path) -> set[str]:
    """Installs an installed library that works, as it has to be after any failure."""
    shop.put(make(tmp_path / "old", "libllama.b1.so", "libggml.so"))
    return set(shop.names)


@pytest.mark.process
@pytest.mark.parametrize(("mode", "key"), [("refuse", "library.hung"), ("crash", "library.crashed")])
def test_a_refused_library_is_not_put_in_place(
    shop: Workshop, old: set[str], tmp_path: Path, mode: str, key: str
) -> None:
    with pytest.raises(LibraryUnavailable) as caught:
        shop.put(make(tmp_path / "new", "libllama.b2.so"), mode)
    assert caught.value.key == key
    assert caught.value.details["path"] == "libllama.b2.so"
    assert set(shop.names) == old
    assert shop.beside == {"lib", ".lib.lock"}


def bad_origins(folder: Path) -> dict[str, Path]:
    (folder / "text.zip").write_text("Not found")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe.zip")
    return {
        "library.origin_special": folder / "pipe.zip",
        "library.origin_missing": folder / "absent.zip",
        "library.archive_unknown": folder / "text.zip",
        "library.nothing_inside": folder / "empty",
        "library.unsafe_path": tar(folder / "evil.tgz", ("libllama.so", b"1"), ("../../escaped.so", b"2")),
    }


@pytest.mark.process
def test_bad_origins_leave_the_old_library(shop: Workshop, old: set[str], tmp_path: Path) -> None:
    for key, origin in bad_origins(tmp_path).items():
        with pytest.raises(HoshikageError) as caught:
            shop.put(origin)
        assert caught.value.key == key
        assert set(shop.names) == old
        assert shop.beside == {"lib", ".lib.lock"}
    assert not list(tmp_path.rglob("escaped.so"))


def test_an_archive_with_nothing_useful_names_itself(shop: Workshop, tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tgz", ("README.md", b"1"))
    with pytest.raises(InstallFailed) as caught:
        shop.put(file)
    assert caught.value.details == {"path": str(file)}


@pytest.mark.process
def test_a_full_disk_leaves_the_old_library(
    shop: Workshop, old: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(28, "No space left on device", "the source")

    monkeypatch.setattr(shutil, "copyfile", refuse)
    with pytest.raises(InstallFailed) as caught:
        shop.put(make(tmp_path / "new", "libllama.b2.so"))
    assert caught.value.key == "library.io_failed"
    assert caught.value.details == {"path": str(shop.lib_dir), "reason": "No space left on device"}
    assert set(shop.names) == old
    assert shop.beside == {"lib", ".lib.lock"}


def test_a_config_folder_that_cannot_be_made(tmp_path: Path, tries: Tries) -> None:
    (tmp_path / "config").write_text("a file")
    with pytest.raises(InstallFailed, match=r"library\.io_failed"):
        Workshop(tmp_path, tries).put(make(tmp_path / "new", "libllama.b2.so"))


@pytest.mark.process
def test_two_installations_at_once(shop: Workshop, old: set[str], tmp_path: Path) -> None:
    with (
        staging.installing(shop.lib_dir),
        pytest.raises(InstallFailed, match=r"library\.install_running"),
    ):
        shop.put(make(tmp_path / "new", "libllama.b2.so"))
    assert set(shop.names) == old


# CUDA's second build


@pytest.mark.process
@pytest.mark.parametrize(
    ("first", "second", "used"),
    [(GOOD, GOOD, GOOD), (ELF + b"not", GOOD, GOOD), (ELF + b"not", ELF + b"neither", ELF + b"not")],
)
def test_the_build_that_sees_a_gpu_is_used(
    shop: Workshop, tmp_path: Path, first: bytes, second: bytes, used: bytes
) -> None:
    package, extension = tmp_path / "package", tmp_path / "extension"
    make(package / "bins" / "linux-x64-cuda", "libllama.cuda.v0.5.0.so", "libggml-base.so")
    (package / "bins" / "linux-x64-cuda" / "libggml-cuda.so").write_bytes(first)
    (extension / "bins" / "linux-x64-cuda" / "fallback").mkdir(parents=True)
    (extension / "bins" / "linux-x64-cuda" / "fallback" / "libggml-cuda.so").write_bytes(second)
    target = tmp_path / "set"
    target.mkdir()
    library = contents.collect((package, extension), target, "linux", own=True, origin="")
    assert library.name == "libllama.cuda.v0.5.0.so"
    packed = tar(
        tmp_path / "both.tgz",
        *((f"package/bins/x/{path.relative_to(target).as_posix()}", path.read_bytes())
          for path in target.rglob("*") if path.is_file()),
    )  # fmt: skip
    for origin in (target, packed):
        done = shop.put(origin, "gpu_by_content")
        assert (shop.lib_dir / "libggml-cuda.so").read_bytes() == used
        assert {used, (shop.lib_dir / "fallback" / "libggml-cuda.so").read_bytes()} == {first, second}
        assert done.lacks_gpu == (used != GOOD)
        assert done.record.backends == ("cpu", "cuda")


def test_backends_by_their_files(tmp_path: Path) -> None:
    make(tmp_path, "libggml-base.so", "libggml.so", "libggml-vulkan.so", "libggml-cpu-x64.so", "libggml-cuda.so.0")
    assert contents.backends(tmp_path) == ("cpu", "cuda", "vulkan")


@pytest.mark.parametrize("said", [b"", b"{}", b'{"buildOptions": []}', b'{"buildOptions":{"llamaCpp":{"release":5}}}'])
def test_damaged_metadata_falls_back_to_the_name(tmp_path: Path, said: bytes) -> None:
    make(tmp_path, "libllama.b8390.so")
    (tmp_path / contents.METADATA).write_bytes(said)
    assert contents.release(tmp_path, tmp_path / "libllama.b8390.so") == "b8390"


def test_this_machine_is_known() -> None:
    assert sources.this_machine().system == sys.platform
