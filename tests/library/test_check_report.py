"""Tests judging in a child process: what it says, how it may end, what is remembered and for how long."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hoshikage.errors import LibraryUnavailable
from hoshikage.infos import DeviceInfo
from hoshikage.library import check_report, fingerprint
from hoshikage.library.demo import DemoModel

from .conftest import ELF, make

pytestmark = pytest.mark.process

Tries = Callable[[str], tuple[str, ...]]
Runs = Callable[[], int]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return make(tmp_path / "set", "libllama.so", "libggml.so", "libggml-base.so") / "libllama.so"


@pytest.fixture
def demo(tmp_path: Path) -> DemoModel:
    model, golden = tmp_path / "tiny.gguf", tmp_path / "golden.json"
    model.write_bytes(b"GGUF")
    golden.write_text("{}")
    return DemoModel("tiny", model, golden)


def age(folder: Path) -> None:
    """Makes the files old enough for their hashes to be remembered."""
    for path in folder.rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))


def test_acceptance(file: Path, tmp_path: Path, demo: DemoModel, tries: Tries) -> None:
    given = check_report.check(file, cache_dir=tmp_path / "cache", demo=demo, command=tries("accept"))
    given.require()
    assert given == check_report.CheckReport(
        ok=True,
        file=file,
        version="b1234",
        model_layout="mdl-X",
        context_layout="ctx-Y",
        devices=(DeviceInfo("CPU", "a processor", "cpu", 1, 2),),
        system_info="X = 1",
        golden="passed",
        handshake={"n_ctx": "ok"},
        fingerprint=given.fingerprint,
    )
    assert len(given.fingerprint) == 64


def test_the_check_is_told_file_model_and_golden(
    file: Path, tmp_path: Path, demo: DemoModel, tries: Tries, runs: Runs
) -> None:
    check_report.check(file, cache_dir=tmp_path / "cache", demo=demo, command=tries("accept"))
    check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("accept"))
    assert (tmp_path / "stand_in.log").read_text("utf-8").splitlines() == [
        f"accept {file} --model {demo.model} --golden {demo.golden}",
        f"accept {file}",
    ]


def test_acceptance_is_remembered_and_refusal_is_not(
    file: Path, tmp_path: Path, demo: DemoModel, tries: Tries, runs: Runs
) -> None:
    cache = tmp_path / "cache"
    for mode in ("refuse", "crash", "refuse", "accept"):
        given = check_report.check(file, cache_dir=cache, demo=demo, command=tries(mode))
        assert not given.cached
    assert runs() == 4
    again = check_report.check(file, cache_dir=cache, demo=demo, command=tries("crash"))
    assert again.ok
    assert again.cached
    assert again.devices == given.devices
    assert runs() == 4
    fresh = check_report.check(file, cache_dir=cache, demo=demo, command=tries("refuse"), fresh=True)
    assert not fresh.ok
    assert runs() == 5


def test_a_moved_set_keeps_its_verdict(file: Path, tmp_path: Path, tries: Tries, runs: Runs) -> None:
    check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("accept"))
    moved = file.parent.rename(tmp_path / "elsewhere") / file.name
    given = check_report.check(moved, cache_dir=tmp_path / "cache", demo=None, command=tries("accept"))
    assert given.cached
    assert given.file == moved
    assert runs() == 1


@pytest.mark.parametrize("changed", ["libllama.so", "libggml.so", "libggml-base.so"])
def test_a_changed_file_is_judged_anew(file: Path, tmp_path: Path, tries: Tries, runs: Runs, changed: str) -> None:
    check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("accept"))
    target = file.parent / changed
    target.write_bytes(target.read_bytes()[::-1])  # of the same size, within one step of a coarse clock
    assert not check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("accept")).cached
    assert runs() == 2


def test_another_backend_or_golden_is_judged_anew(
    file: Path, tmp_path: Path, demo: DemoModel, tries: Tries, runs: Runs
) -> None:
    cache = tmp_path / "cache"
    check_report.check(file, cache_dir=cache, demo=demo, command=tries("accept"))
    make(file.parent, "libggml-cuda.so")
    check_report.check(file, cache_dir=cache, demo=demo, command=tries("accept"))
    demo.golden.write_text('{"other": 1}')
    check_report.check(file, cache_dir=cache, demo=demo, command=tries("accept"))
    assert runs() == 3


def test_another_version_of_hoshikage_judges_anew(
    file: Path, tmp_path: Path, tries: Tries, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("accept"))
    monkeypatch.setattr(check_report, "__version__", "99")
    check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("accept"))
    assert runs() == 2


def test_refusal_in_the_childs_words(file: Path, tmp_path: Path, tries: Tries) -> None:
    given = check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("refuse"))
    with pytest.raises(LibraryUnavailable) as caught:
        given.require()
    assert caught.value.key == "library.hung"
    assert caught.value.details == {"path": str(file), "seconds": 7}


def test_crash(file: Path, tmp_path: Path, tries: Tries) -> None:
    given = check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("crash"))
    assert given.key == "library.crashed"
    assert given.details == {"path": str(file), "reason": "SIGKILL: the last words"}


def test_abort_is_told_by_its_assertion_not_by_the_backtrace_after_it(file: Path, tmp_path: Path, tries: Tries) -> None:
    given = check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("abort"))
    assert given.details["reason"] == "SIGABRT: ggml.c:5: GGML_ASSERT(n > 0) failed"


def test_hang(file: Path, tmp_path: Path, tries: Tries) -> None:
    given = check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("hang"), timeout_s=0.3)
    assert given.key == "library.hung"
    assert given.details == {"path": str(file), "seconds": 0.3}


@pytest.mark.parametrize("mode", ["babble", "unknown_key", "wrong_shape", "exit_status"])
def test_an_answer_out_of_shape_is_a_refusal(file: Path, tmp_path: Path, tries: Tries, mode: str) -> None:
    given = check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries(mode))
    assert not given.ok
    assert given.key == "library.crashed"


def test_a_check_that_cannot_be_started(file: Path, tmp_path: Path) -> None:
    given = check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=(str(tmp_path / "nothing"),))
    assert given.key == "library.crashed"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"ok": false}', b'{"ok": true, "devices": 5}', b"\xff\xfe"])
def test_damaged_cache_entries_are_ignored(file: Path, tmp_path: Path, tries: Tries, runs: Runs, damage: bytes) -> None:
    cache = tmp_path / "cache"
    age(file.parent)
    check_report.check(file, cache_dir=cache, demo=None, command=tries("accept"))
    entries = list((cache / "verdicts").iterdir())
    assert len(entries) == 2
    for entry in entries:
        entry.write_bytes(damage)
    assert check_report.check(file, cache_dir=cache, demo=None, command=tries("accept")).ok
    assert runs() == 2


def test_a_cache_that_cannot_be_written(file: Path, tmp_path: Path, tries: Tries) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert check_report.check(file, cache_dir=tmp_path / "cache", demo=None, command=tries("accept")).ok


def test_a_file_that_is_gone(tmp_path: Path, tries: Tries) -> None:
    with pytest.raises(LibraryUnavailable, match=r"library\.file_unreadable"):
        check_report.check(tmp_path / "libllama.so", cache_dir=tmp_path / "cache", demo=None, command=tries("accept"))


def test_settled_files_are_hashed_once(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    age(file.parent)
    files = fingerprint.members(file)
    assert [path.name for path in files] == ["libllama.so", "libggml-base.so", "libggml.so"]
    first = fingerprint.of(files, tmp_path / "memo")
    hashed: list[Path] = []

    def note(path: Path) -> str:
        hashed.append(path)
        return "0"

    monkeypatch.setattr(fingerprint, "sha256", note)
    assert fingerprint.of(files, tmp_path / "memo") == first
    assert hashed == []
    (file.parent / "libggml.so").write_bytes(ELF)
    assert fingerprint.of(files, tmp_path / "memo") != first
    assert hashed == [file.parent / "libggml.so"]


def test_ggml_behind_a_link_is_part_of_the_set(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "libllama.so"
    link.parent.mkdir()
    link.symlink_to(file)
    assert file.parent / "libggml.so" in fingerprint.members(link)
