"""Tests archives from strangers: what is unpacked, and every kind of member for which all of it is refused."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hoshikage.errors import InstallFailed
from hoshikage.library import archive, weighed

UNSAFE = {f"library.unsafe_{reason}" for reason in ("path", "link", "device")}
Member = tarfile.TarInfo | tuple[str, bytes]


def tar(file: Path, *members: Member) -> Path:
    with tarfile.open(file, "w:gz") as bundle:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                bundle.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                bundle.addfile(info, io.BytesIO(member[1]))
    return file


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(file: Path, *members: tuple[str, bytes, int]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(info, content)
    return file


def everything(name: str) -> bool:
    return True


def unpack(file: Path, keep: Callable[[str], bool] = everything, limits: archive.Limits | None = None) -> Path:
    folder = file.parent / "out"
    folder.mkdir()
    archive.unpack(file, folder, keep, limits=limits)
    return folder


def refused(file: Path, **limits: int) -> InstallFailed:
    """Returns the refusal; nothing may have been written outside the folder, nor any link inside."""
    before = {path for path in file.parent.rglob("*") if "out" not in path.parts}
    with pytest.raises(InstallFailed) as caught:
        unpack(file, limits=archive.Limits(**limits))
    assert {path for path in file.parent.rglob("*") if "out" not in path.relative_to(file.parent).parts} == before
    assert not [path for path in (file.parent / "out").rglob("*") if path.is_symlink()]
    return caught.value


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_what_is_kept_is_written(tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tgz", ("p/bin/tool", b"x"), ("p/bin/libllama.so", b"lib"), special("p", tarfile.DIRTYPE))
    assert tree(unpack(file, lambda name: name.startswith("lib"))) == {"p/bin/libllama.so": b"lib"}


def test_format_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    assert tree(unpack(zipped(tmp_path / "a.tar.gz", ("x/one", b"1", 0)))) == {"x/one": b"1"}


def test_links_within_the_archive(tmp_path: Path) -> None:
    file = tar(
        tmp_path / "a.tgz",
        special("l/libllama.so", tarfile.SYMTYPE, "libllama.so.0"),
        special("l/libllama.so.0", tarfile.SYMTYPE, "./libllama.so.0.0.8390"),
        ("l/libllama.so.0.0.8390", b"lib"),
        special("other/libllama.so", tarfile.SYMTYPE, "../l/libllama.so"),
        special("l/hard.so", tarfile.LNKTYPE, "l/libllama.so.0.0.8390"),
        special("l/missing.so", tarfile.SYMTYPE, "nothing"),
        special("l/round", tarfile.SYMTYPE, "round"),
    )
    folder = unpack(file)
    assert tree(folder) == dict.fromkeys(
        ("l/libllama.so", "l/libllama.so.0", "l/libllama.so.0.0.8390", "other/libllama.so", "l/hard.so"), b"lib"
    )
    assert all(path.readlink().parent == Path() for path in folder.rglob("*") if path.is_symlink())


def test_links_in_a_zip(tmp_path: Path) -> None:
    file = zipped(
        tmp_path / "a.zip", ("libllama.so", b"libllama.so.0", stat.S_IFLNK | 0o777), ("libllama.so.0", b"lib", 0)
    )
    assert tree(unpack(file)) == {"libllama.so": b"lib", "libllama.so.0": b"lib"}


def test_copies_where_links_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *args: object) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    file = tar(tmp_path / "a.tgz", ("libllama.so.0", b"lib"), special("libllama.so", tarfile.SYMTYPE, "libllama.so.0"))
    folder = unpack(file)
    assert tree(folder) == {"libllama.so": b"lib", "libllama.so.0": b"lib"}
    assert not (folder / "libllama.so").is_symlink()


@pytest.mark.parametrize(
    "name",
    ["/abs/libllama.so", "../libllama.so", "a/../../libllama.so", "a\\..\\..\\x.so", "C:\\x.so", "C:x", "\\\\h\\x"],
)
@pytest.mark.parametrize("form", ["tar", "zip"])
def test_names_that_leave(tmp_path: Path, name: str, form: str) -> None:
    file = tmp_path / "a"
    made = tar(file, ("good.so", b"1"), (name, b"2")) if form == "tar" else zipped(file, (name, b"2", 0))
    assert refused(made).key in UNSAFE


@pytest.mark.parametrize(
    "member",
    [
        special("libllama.so", tarfile.SYMTYPE, "/etc/passwd"),
        special("a/libllama.so", tarfile.SYMTYPE, "../../libllama.so"),
        special("libllama.so", tarfile.SYMTYPE, ".."),
        special("libllama.so", tarfile.SYMTYPE, "C:\\x"),
        special("libllama.so", tarfile.LNKTYPE, "/etc/passwd"),
        special("libllama.so", tarfile.LNKTYPE, "../outside"),
        special("libllama.so", tarfile.CHRTYPE),
        special("libllama.so", tarfile.BLKTYPE),
        special("libllama.so", tarfile.FIFOTYPE),
        special("../outside", tarfile.DIRTYPE),
    ],
    ids=lambda member: f"{member.type!r} {member.linkname}",
)
def test_links_and_devices(tmp_path: Path, member: tarfile.TarInfo) -> None:
    (tmp_path / "outside").write_text("mine")
    assert refused(tar(tmp_path / "a.tgz", ("good.so", b"1"), member)).key in UNSAFE
    assert (tmp_path / "outside").read_text() == "mine"


@pytest.mark.parametrize("mode", [stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_in_a_zip(tmp_path: Path, mode: int) -> None:
    assert refused(zipped(tmp_path / "a.zip", ("libllama.so", b"", mode | 0o644))).key in UNSAFE


def test_a_link_out_of_a_zip(tmp_path: Path) -> None:
    file = zipped(tmp_path / "a.zip", ("libllama.so", b"../../etc/passwd", stat.S_IFLNK | 0o777))
    assert refused(file).key == "library.unsafe_link"


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A folder is a link, and then comes a file below it: the classical way out, here one that stays inside."""
    file = tar(
        tmp_path / "a.tgz", special("there", tarfile.SYMTYPE, "real"), ("real/x", b"1"), ("there/libllama.so", b"2")
    )
    folder = unpack(file)
    assert tree(folder) == {"real/x": b"1", "there/libllama.so": b"2"}
    assert not (folder / "there").is_symlink()


def test_a_name_twice(tmp_path: Path) -> None:
    assert refused(tar(tmp_path / "a.tgz", ("x.so", b"1"), ("./x.so", b"2"))).key == "library.unsafe_twice"
    (tmp_path / "second").mkdir()
    link = special("x.so", tarfile.SYMTYPE, "y.so")
    assert (
        refused(tar(tmp_path / "second" / "a.tgz", ("x.so", b"1"), ("y.so", b"2"), link)).key == "library.unsafe_twice"
    )


def test_more_bytes_than_allowed(tmp_path: Path) -> None:
    assert refused(tar(tmp_path / "a.tgz", ("x.so", bytes(1001))), bytes=1000).key == "library.unsafe_bytes"


def test_more_bytes_in_files_that_are_not_wanted(tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tgz", ("bomb", bytes(5000)), ("x.so", b"1"))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(InstallFailed, match=r"library\.unsafe_bytes"):
        archive.unpack(file, folder, lambda name: name == "x.so", limits=archive.Limits(bytes=1000))


def test_a_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    file = zipped(tmp_path / "a.zip", ("x.so", bytes(100_000), 0))
    data = file.read_bytes()
    assert data.count((100_000).to_bytes(4, "little")) == 2
    file.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert refused(file, bytes=1000).key in ("library.archive_damaged", "library.unsafe_size")
    written = sum(len(content) for content in tree(tmp_path / "out").values())
    assert written <= 1000


def test_more_members_than_allowed(tmp_path: Path) -> None:
    file = tar(tmp_path / "a.tgz", *((f"{number}.so", b"") for number in range(4)))
    assert refused(file, members=3).key == "library.unsafe_members"


def test_neither_zip_nor_tar(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("<html>Not found</html>")
    assert refused(tmp_path / "a.zip").key == "library.archive_unknown"


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("form", ["tar", "zip"])
def test_cut_off(tmp_path: Path, share: float, form: str) -> None:
    content = bytes(range(256)) * 400
    file = tmp_path / "a"
    made = tar(file, ("x.so", content)) if form == "tar" else zipped(file, ("x.so", content, 0))
    data = made.read_bytes()
    made.write_bytes(data[: int(len(data) * share)])
    assert refused(made).key == "library.archive_damaged"


def test_altered_content_is_caught_by_gzips_checksum(tmp_path: Path) -> None:
    file = tmp_path / "a.tgz"
    tar(file, ("x.so", b"A" * 20))
    plain = bytearray(gzip.decompress(file.read_bytes()))
    right = gzip.compress(bytes(plain), compresslevel=0)
    at = right.index(b"A" * 20)
    file.write_bytes(right[:at] + b"B" + right[at + 1 :])
    assert refused(file).key == "library.archive_damaged"


def test_an_encrypted_or_exotic_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as bundle:
        bundle.writestr("x.so", b"1")
    assert refused(tmp_path / "a.zip").key == "library.archive_damaged"


def test_gzip_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(gzip.compress(b"no tar" * 500))
    assert refused(tmp_path / "a.tgz").key == "library.archive_damaged"


def test_a_flipped_bit_in_a_zip(tmp_path: Path) -> None:
    file = zipped(tmp_path / "a.zip", ("x.so", bytes(1000), 0))
    with zipfile.ZipFile(file) as bundle:
        info = bundle.getinfo("x.so")
    data = bytearray(file.read_bytes())
    data[data.rindex((info.CRC).to_bytes(4, "little"))] ^= 1
    file.write_bytes(data)
    assert refused(file).key == "library.archive_damaged"


def test_progress_counts_bytes(tmp_path: Path) -> None:
    told: list[int] = []
    folder = tmp_path / "out"
    folder.mkdir()
    file = tar(tmp_path / "a.tgz", ("a.so", bytes(10)), ("b.so", bytes(5)))
    archive.unpack(file, folder, lambda name: True, on_bytes=told.append)
    assert told == [10, 15]


@pytest.mark.long
@pytest.mark.parametrize("form", ["tar", "zip"])
@pytest.mark.parametrize("name", ["libllama.so", "README"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, form: str, name: str) -> None:
    zeros = bytes(101 << 20)
    file = tar(tmp_path / "a", (name, zeros)) if form == "tar" else zipped(tmp_path / "a", (name, zeros, 0))
    assert file.stat().st_size < 1 << 20
    refusal = refused(file)
    assert (refusal.key, refusal.details["limit"]) == ("library.unsafe_ratio", 200)
    assert tree(tmp_path / "out") == {}


def test_a_zip_is_weighed_whole_before_its_first_member_is_written(tmp_path: Path) -> None:
    file = zipped(tmp_path / "a.zip", *((f"{number}.so", bytes(400), 0) for number in range(3)))
    assert refused(file, bytes=1000).key == "library.unsafe_bytes"
    assert tree(tmp_path / "out") == {}


def test_a_disk_without_room(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x.so")
    info.size = 1 << 50
    (tmp_path / "a.tgz").write_bytes(gzip.compress(info.tobuf()))
    refusal = refused(tmp_path / "a.tgz", bytes=1 << 60, ratio=1 << 60)
    assert (refusal.key, refusal.details["needed"]) == ("library.no_room", 1 << 30)
    assert refusal.details["path"] == str(tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_headers_are_weighed_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds are lowered: a long name and an extended header that real archives could have."""
    monkeypatch.setattr(weighed, "MAX_READ", 64 * 1024)
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = tmp_path / f"long-{form}.tar.gz"
        with tarfile.open(file, "w:gz", format=form) as bundle:
            bundle.addfile(tarfile.TarInfo("a" * 100_000))
        with pytest.raises(InstallFailed) as refused:
            archive.unpack(file, tmp_path, everything)
        assert refused.value.key == "library.unsafe_headers"


def test_many_headers_are_weighed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighed, "MAX_HEADERS", 40_000)
    file = tmp_path / "many.tar.gz"
    with tarfile.open(file, "w:gz", format=tarfile.PAX_FORMAT) as bundle:
        for number in range(200):
            bundle.addfile(tarfile.TarInfo(f"{number}" + "b" * 200))
    with pytest.raises(InstallFailed) as refused:
        archive.unpack(file, tmp_path, everything)
    assert refused.value.key == "library.unsafe_headers"


def test_the_bytes_of_files_are_no_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighed, "MAX_HEADERS", 40_000)
    contents = {f"file-{number}": bytes([number]) * 100_000 for number in range(5)}
    folder = unpack(tar(tmp_path / "plain.tar.gz", *contents.items()))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents


def test_a_file_that_claims_more_than_any_set_has_is_not_read_on(tmp_path: Path) -> None:
    file = tar(tmp_path / "claims.tar.gz", ("one", b"x" * 5000))
    with pytest.raises(InstallFailed) as refused:
        archive.unpack(file, tmp_path, everything, limits=archive.Limits(bytes=4000))
    assert refused.value.key == "library.unsafe_bytes"


def test_a_zips_directory_is_bounded_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weighed, "MAX_READ", 70_000)
    file = zipped(tmp_path / "many.zip", *((f"{number:0>200}", b"", 0o644) for number in range(500)))
    with pytest.raises(InstallFailed) as refused:
        archive.unpack(file, tmp_path, everything, limits=archive.Limits(members=10))
    assert refused.value.key == "library.unsafe_members"
