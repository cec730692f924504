"""Tests reading ELF, PE and Mach-O headers: real libraries, made ones, and damaged ones, which must end in Damaged
alone."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hoshikage.library import binary
from hoshikage.library.image import LARGEST_READ, BinaryImage, Damaged, Source, Truncated

X86_64 = BinaryImage("ELF", 64, ("x86-64",))


def test_a_real_library(libraries: dict[str, Path]) -> None:
    for release, file in libraries.items():
        image = binary.read(file)
        assert (image.format, image.bits, image.name) == ("ELF", 64, file.name)
        assert image.search[0] == "$ORIGIN"
        assert {"libggml-base.so", "libstdc++.so.6", "libc.so.6"} < set(image.needed)
        assert "GLIBC_2.34" in image.versions_needed["libc.so.6"]
        names = binary.symbols(file)
        assert {"llama_backend_init", "llama_decode"} < names.defined, release
        assert "ggml_init" in names.undefined
        assert not names.defined & names.undefined
        base = binary.symbols(file.with_name("libggml-base.so"))
        assert "ggml_init" in base.defined


def test_this_interpreter_fits_itself() -> None:
    own = binary.interpreter()
    assert own is not None
    assert binary.fault(Path(sys.executable), sys.platform) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the system's libstdc++ is read")
def test_versions_that_a_library_defines(libraries: dict[str, Path]) -> None:
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so.6" in line}
    assert "GLIBC_2.34" in binary.read(Path(loaded.pop())).versions_defined


def pe(machine: int = 0x8664, imports: tuple[str, ...] = ("KERNEL32.dll", "ggml-base.dll")) -> bytes:
    """Makes a DLL with one section at address 0x1000 that holds its import table."""
    rows, names = b"", b""
    start = 20 * (len(imports) + 1)
    for name in imports:
        rows += struct.pack("<IIIII", 0, 0, 0, 0x1000 + start + len(names), 0)
        names += name.encode() + b"\0"
    body = rows + bytes(20) + names
    optional = struct.pack("<H106xI", 0x20B, 16) + struct.pack("<IIII", 0, 0, 0x1000, len(rows)) + bytes(14 * 8)
    coff = struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, len(optional), 0)
    section = struct.pack("<8sIIII16x", b".idata", len(body), 0x1000, len(body), 0x400)
    head = b"MZ" + bytes(58) + struct.pack("<I", 0x40) + b"PE\0\0" + coff + optional + section
    return head.ljust(0x400, b"\0") + body


def macho(machine: int = 0x0100000C, *, order: str = "<") -> bytes:
    def named(command: int, name: str, extra: int) -> bytes:
        body = struct.pack(order + "I", 12 + extra) + bytes(extra) + name.encode() + b"\0"
        body += bytes(-(len(body) + 8) % 8)
        return struct.pack(order + "II", command, 8 + len(body)) + body

    commands = [
        named(0xD, "@rpath/libllama.dylib", 12),
        named(0xC, "@rpath/libggml.dylib", 12),
        named(0x80000018, "/usr/lib/weak.dylib", 12),
        named(0x8000001C, "@loader_path", 0),
        struct.pack(order + "II16sQQQQiiII", 0x19, 72, b"__TEXT", 0, 0, 0, 64, 5, 5, 0, 0),
    ]
    body = b"".join(commands)
    return struct.pack(order + "IIIIIIII", 0xFEEDFACF, machine, 0, 6, len(commands), len(body), 0, 0) + body


def test_a_dll(tmp_path: Path) -> None:
    file = tmp_path / "llama.dll"
    file.write_bytes(pe())
    assert binary.read(file) == BinaryImage("PE", 64, ("x86-64",), needed=("KERNEL32.dll", "ggml-base.dll"))
    assert binary.symbols(file).defined == frozenset()
    assert binary.fault(file, "win32", BinaryImage("PE", 64, ("x86-64",))) is None
    fault = binary.fault(file, "win32", BinaryImage("PE", 64, ("arm64",)))
    assert fault is not None
    assert (fault.key, fault.details["found"]) == ("lacks.wrong_machine", "64-bit x86-64")


def test_a_dylib_and_a_universal_one(tmp_path: Path) -> None:
    thin = BinaryImage("Mach-O", 64, ("arm64",), "@rpath/libllama.dylib", ("@rpath/libggml.dylib",), ("@loader_path",))
    file = tmp_path / "libllama.dylib"
    file.write_bytes(macho())
    assert binary.read(file) == thin
    file.write_bytes(macho(order=">"))
    assert binary.read(file) == thin
    one, other = macho(), macho(0x01000007)
    head = struct.pack(
        ">IIIIIIIIIIII", 0xCAFEBABE, 2, 0x0100000C, 0, 64, len(one), 0, 0x01000007, 0, 4096, len(other), 0
    )
    file.write_bytes((head.ljust(64, b"\0") + one).ljust(4096, b"\0") + other)
    assert binary.read(file).machines == ("arm64", "x86-64")
    assert binary.fault(file, "darwin", BinaryImage("Mach-O", 64, ("x86-64",))) is None


def test_a_file_that_ends_early(library_file: Path, tmp_path: Path) -> None:
    content = library_file.read_bytes()
    file = tmp_path / "libllama.so"
    for length in (len(content) // 2, 4096, 64):
        file.write_bytes(content[:length])
        with pytest.raises(Truncated) as caught:
            binary.read(file)
        assert (caught.value.size, caught.value.minimum > length) == (length, True)
        fault = binary.fault(file, "linux", X86_64)
        assert fault is not None
        assert fault.key == "lacks.truncated"


@pytest.mark.parametrize("kind", ["elf", "pe", "macho"])
def test_damage_is_never_more_than_damage(kind: str, libraries: dict[str, Path], tmp_path: Path) -> None:
    """Headers with random changes: an answer or Damaged, within the file, soon."""
    smallest = min(libraries["b4529"].parent.glob("*.so"), key=lambda path: path.stat().st_size)
    content = {"elf": smallest.read_bytes, "pe": pe, "macho": macho}[kind]()
    places = [*range(min(1024, len(content)))] + [*range(len(content) - 2048, len(content))] * (kind == "elf")
    dice, file, damaged = random.Random(4), tmp_path / "file", 0
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(dice.randint(1, 6)):
            changed[dice.choice(places)] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        file.write_bytes(changed[: len(changed) if dice.random() < 0.8 else dice.randrange(len(changed))])
        damaged += is_damaged(lambda: binary.read(file)) + is_damaged(lambda: binary.symbols(file))
    assert damaged > 50


def is_damaged(read: Callable[[], object]) -> bool:
    try:
        read()
    except Damaged:
        return True
    return False


def test_reads_stay_in_the_file_and_are_bounded(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc\0def")
    with Source(file.open("rb")) as source:
        assert (source.take(0, 7), source.text(0)) == (b"abc\0def", "abc")
        for offset, length in ((-1, 1), (0, -1), (0, LARGEST_READ + 1), (0, 8), (8, 1)):
            with pytest.raises(Damaged):
                source.take(offset, length)
        with pytest.raises(Damaged):
            source.text(4)


def test_a_processor_without_a_name_is_left_to_the_loader(library_file: Path, tmp_path: Path) -> None:
    content = bytearray(library_file.read_bytes()[:64]) + bytes(64)
    content[18:20], content[56:58] = struct.pack("<H", 9999), b"\0\0"
    file = tmp_path / "libllama.so"
    file.write_bytes(content)
    assert binary.fault(file, "linux", X86_64) is None
