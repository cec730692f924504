"""Tests what a set for a GPU has code for, read from its file, and how a set that does not compute on a card is
explained."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from hoshikage.infos import DeviceInfo
from hoshikage.library import card_code, gpu, pip_folders
from hoshikage.library.card_code import Card, CardCode, newest_ptx
from hoshikage.library.check_report import _last_words
from hoshikage.messages import LANGUAGES, text

PTX, MACHINE = 1, 2
CPU = DeviceInfo("CPU", "", "cpu", 0, 0)
H200, RTX_3090, RTX_4090 = Card("H200", 90), Card("3090", 86), Card("4090", 89)
RTX_5090, A100 = Card("5090", 120), Card("A100", 80)


def entry(kind: int, architecture: int, version: tuple[int, int], flags: int = 0x11, payload: int = 24) -> bytes:
    major, minor = version
    head = struct.pack("<HHIQIIHHI", kind, 0x101, 64, payload, 0, 64, minor, major, architecture)
    return (head + bytes(8) + struct.pack("<Q", flags)).ljust(64, b"\0") + bytes(payload)


def fat_binary(*entries: bytes) -> bytes:
    body = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


CODE = fat_binary(
    entry(PTX, 75, (9, 1)), entry(PTX, 90, (9, 1)), entry(MACHINE, 86, (1, 8)), entry(MACHINE, 89, (1, 8)),
    entry(MACHINE, 120, (1, 8), 0x1108011),
)  # fmt: skip


@pytest.fixture
def cuda_set(tmp_path: Path) -> Path:
    """Makes the files of a set for CUDA, by their names."""
    (tmp_path / "libggml-cuda.so").write_bytes(b"\x7fELF" + bytes(60) + CODE + bytes(9) + CODE)
    for name in ("libllama.so", "libggml-base.so"):
        (tmp_path / name).write_bytes(b"\x7fELF")
    return tmp_path / "libllama.so"


def test_what_a_file_has_code_for(cuda_set: Path) -> None:
    found = card_code.read(cuda_set.parent / "libggml-cuda.so")
    assert found == CardCode(((86, False), (89, False), (120, True)), ((75, (9, 1)), (90, (9, 1))))
    assert found.words == "sm_86, sm_89, sm_120a; PTX 9.1 (75, 90)"
    assert card_code.read(cuda_set) is None


@pytest.mark.parametrize(
    ("card", "cuda", "runs"),
    [
        (RTX_3090, (11, 8), True),
        (RTX_4090, (12, 0), True),
        (RTX_5090, (13, 0), True),
        (Card("121", 121), (13, 0), False),  # code for 120a alone, and PTX of a newer driver
        (H200, (13, 0), False),
        (H200, (13, 1), True),
        (A100, (12, 4), False),
        (Card("87", 87), (12, 4), True),
        (H200, None, True),  # a driver of which nothing is known may take it
    ],
)
def test_which_cards_it_runs_on(card: Card, cuda: tuple[int, int] | None, runs: bool, cuda_set: Path) -> None:
    found = card_code.read(cuda_set.parent / "libggml-cuda.so")
    assert found is not None
    assert found.runs_on(card, cuda) is runs


@pytest.mark.parametrize(
    ("cuda", "ptx"), [((11, 4), (7, 7)), ((12, 6), (8, 5)), ((12, 9), (8, 8)), ((13, 0), (9, 0)), ((13, 2), (9, 2))]
)
def test_the_portable_form_that_a_driver_takes(cuda: tuple[int, int], ptx: tuple[int, int]) -> None:
    assert newest_ptx(cuda) == ptx


@pytest.mark.parametrize("size", [0, 3, 15, 16, 40, 100, len(CODE) - 1])
def test_a_file_that_ends_within_is_no_fault(size: int, tmp_path: Path) -> None:
    file = tmp_path / "libggml-cuda.so"
    file.write_bytes(CODE[:size])
    assert card_code.read(file) is None


def test_numbers_that_cannot_be_are_no_endless_reading(tmp_path: Path) -> None:
    file = tmp_path / "libggml-cuda.so"
    broken = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 128) + struct.pack("<HHIQ", 1, 1, 0, 0) + bytes(112)
    file.write_bytes(broken + CODE)
    found = card_code.read(file)
    assert found is not None
    assert (86, False) in found.machine


def test_a_backend_without_a_gpu_is_told(cuda_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoshikage.library.cards.seen", lambda: ((), None))
    (lack,) = gpu.idle(cuda_set, (CPU,))
    assert (lack.key, lack.details["backends"]) == ("lacks.gpu_idle", "cuda")
    assert list(gpu.idle(cuda_set, (DeviceInfo("CUDA0", "", "gpu", 0, 0), CPU))) == []
    (cuda_set.parent / "libggml-cuda.so").unlink()
    assert list(gpu.idle(cuda_set, (CPU,))) == []


def test_a_card_that_there_is_no_code_for_is_told(cuda_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoshikage.library.cards.seen", lambda: ((RTX_3090, H200), (13, 0)))
    for lack in (*gpu.idle(cuda_set, (CPU,)), gpu.why_it_died(cuda_set, "SIGABRT")):
        assert lack is not None
        assert lack.key == "lacks.no_card_code"
        assert (lack.details["cards"], lack.details["cuda"]) == ("H200 (sm_90)", "13.0")
        for language in LANGUAGES:
            assert "sm_86, sm_89, sm_120a; PTX 9.1 (75, 90)" in text(language, lack.key, **lack.details)


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ("CUDA error: the provided PTX was compiled with an unsupported toolchain.", True),
        ("CUDA error: no kernel image is available for execution on the device", True),
        ("ggml_vulkan: Device memory allocation failed: vk::Device::allocateMemory: ErrorOutOfDeviceMemory", True),
        ("GGML_ASSERT(x) failed", False),
    ],
)
def test_a_gpus_own_words_go_before_the_place_that_gave_up(
    words: str, refused: bool, cuda_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hoshikage.library.cards.seen", lambda: ((), None))
    last = _last_words(["load", words, "  current device: 0", "/src/ggml-cuda.cu:108: CUDA error", "GGML_ABORT", "#1"])
    assert (last == words) is refused
    lack = gpu.why_it_died(cuda_set, f"SIGABRT: {last}")
    assert (lack is not None) is refused
    if lack is not None:
        assert words in text("en", lack.key, **lack.details)


@pytest.mark.native
def test_a_set_that_shows_the_cxx_library_is_named(cuda_set: Path) -> None:
    source = cuda_set.with_name("cout.c")
    source.write_text("int _ZSt4cout;")
    shown = cuda_set.parent / "libggml-base.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(shown), str(source)], check=True)
    lack = gpu.why_it_died(cuda_set, "SIGSEGV: print_info: n_layer_all = 5")
    assert lack is not None
    assert (lack.key, lack.details) == ("lacks.static_stdcxx", {"path": str(shown)})


def test_what_pip_brought_is_looked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("cu13", "cublas"):
        folder = tmp_path / "nvidia" / package / "lib"
        folder.mkdir(parents=True)
        (folder / "libcublas.so.13").touch()
    (tmp_path / "nvidia" / "empty" / "lib").mkdir(parents=True)
    folders = pip_folders.of_nvidia([str(tmp_path), str(tmp_path), "/nowhere"])
    assert folders == tuple(tmp_path / "nvidia" / name / "lib" for name in ("cu13", "cublas"))
    monkeypatch.setattr(pip_folders, "of_nvidia", lambda: folders)
    assert pip_folders.searched({"LD_LIBRARY_PATH": "/own"}) == f"/own:{folders[0]}:{folders[1]}"
    assert pip_folders.searched({}) == f"{folders[0]}:{folders[1]}"
    monkeypatch.setattr(pip_folders, "of_nvidia", tuple)
    assert pip_folders.searched({"LD_LIBRARY_PATH": "/own"}) == "/own"
    assert pip_folders.searched({}) == ""
