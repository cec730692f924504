"""Tests the registry: the seeds' format, durable writes by many processes, and files that somebody damaged."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hoshikage.errors import InvalidRequest, ModelNotFound, RegistryDamaged, UsageError
from hoshikage.messages import LANGUAGES, text
from hoshikage.registry import Registry

WRITERS = 8
ADDS = 10
DAMAGES = 300
MAX_STEPS = 60

SEED = """{
  "LFM2.5_Q8": {
    "path": "./models",
    "model": "LFM2.5-1.2B-JP-Q8_0.gguf",
    "stop": ["<|im_end|>", "<|eot_id|>", "</s>"]
  }
}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path / "config" / "model_map.json"


def written(file: Path, content: str | bytes) -> Registry:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return Registry(file)


def labels(registry: Registry) -> list[str]:
    return [spec.label for spec in registry.specs()]


def raw(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return content


def damage(registry: Registry) -> RegistryDamaged:
    """Returns the refusal of a write, checked to have left every byte alone and to be sayable."""
    before = registry.file.read_bytes()
    with pytest.raises(RegistryDamaged) as caught:
        registry.add("new", Path("new.gguf"))
    assert registry.file.read_bytes() == before
    for language in LANGUAGES:
        assert text(language, caught.value.key, **caught.value.details)
    return caught.value


class TestFormat:
    def test_reads_the_original_file(self, file: Path) -> None:
        (spec,) = written(file, SEED).specs()
        assert spec.label == "LFM2.5_Q8"
        assert spec.file == Path.cwd() / "models" / "LFM2.5-1.2B-JP-Q8_0.gguf"
        assert spec.stop == ("<|im_end|>", "<|eot_id|>", "</s>")

    def test_relative_path_falls_back_to_the_registrys_folder(self, file: Path) -> None:
        registry = written(file, SEED)
        beside = file.parent / "models" / "LFM2.5-1.2B-JP-Q8_0.gguf"
        beside.parent.mkdir()
        beside.touch()
        assert registry.resolve("LFM2.5_Q8").file == beside
        here = Path.cwd() / "models" / beside.name
        here.parent.mkdir()
        here.touch()
        assert registry.resolve("LFM2.5_Q8").file == here

    def test_created_is_the_models_time_where_the_entry_has_none(self, file: Path) -> None:
        model = Path.cwd() / "models" / "LFM2.5-1.2B-JP-Q8_0.gguf"
        model.parent.mkdir()
        model.touch()
        os.utime(model, (1_700_000_000, 1_700_000_000))
        registry = written(file, SEED)
        assert registry.resolve("LFM2.5_Q8").created == 1_700_000_000
        model.unlink()
        assert registry.resolve("LFM2.5_Q8").created == 0

    def test_writes_the_original_format(self, file: Path) -> None:
        assert Registry(file).add("a", Path("m/星.gguf"), ["</s>", "終", "</s>"]) is False
        entry = raw(file)["a"]
        assert entry.pop("created") > 1_700_000_000
        assert entry == {"path": str(Path.cwd() / "m"), "model": "星.gguf", "stop": ["</s>", "終"]}
        assert "星" in file.read_text("utf-8"), "readable by people"

    def test_no_file_is_an_empty_registry(self, file: Path) -> None:
        registry = Registry(file)
        assert registry.specs() == ()
        assert registry.problems() == ()
        assert not file.parent.exists(), "reading makes nothing"

    def test_accepts_a_byte_order_mark(self, file: Path) -> None:
        assert labels(written(file, "\ufeff" + SEED)) == ["LFM2.5_Q8"]


class TestChanges:
    def test_replacing_says_so(self, file: Path) -> None:
        registry = Registry(file)
        assert registry.add("a", Path("one.gguf")) is False
        assert registry.add("a", Path("two.gguf")) is True
        assert registry.resolve("a").file == Path.cwd() / "two.gguf"

    def test_the_same_file_again_keeps_its_time_and_settings(self, file: Path) -> None:
        registry = Registry(file)
        registry.add("a", Path("one.gguf"), ["x"])
        content = raw(file)
        content["a"] |= {"created": 5, "n_ctx": 8192}
        written(file, json.dumps(content))
        registry.add("a", Path("one.gguf"), ["y"])
        assert raw(file)["a"]["n_ctx"] == 8192
        assert registry.resolve("a").created == 5
        assert registry.resolve("a").stop == ("y",)
        registry.add("a", Path("other.gguf"))
        assert "n_ctx" not in raw(file)["a"]

    def test_remove_leaves_the_model_file(self, file: Path) -> None:
        model = Path.cwd() / "one.gguf"
        model.touch()
        registry = Registry(file)
        registry.add("a", model)
        registry.remove("a")
        assert registry.specs() == ()
        assert model.exists()

    def test_unknown_label_names_the_known_ones(self, file: Path) -> None:
        registry = Registry(file)
        registry.add("a", Path("one.gguf"))
        registry.add("b", Path("two.gguf"))
        for refused in (registry.resolve, registry.remove):
            with pytest.raises(ModelNotFound) as caught:
                refused("c")
            assert caught.value.details == {"model": "c", "known": "a, b"}
            assert caught.value.param == "model"

    def test_sees_what_another_wrote(self, file: Path) -> None:
        reader, writer = Registry(file), Registry(file)
        assert labels(reader) == []
        writer.add("a", Path("one.gguf"))
        assert labels(reader) == ["a"]
        file.unlink()
        assert labels(reader) == []

    @pytest.mark.parametrize(
        "label",
        ["", "-a", ".a", "a/", "/a", "a//b", "a/../b", "a/./b", "a/.b", "a b", "a\n", "../x", "星", "a" * 129, "a\0"],
    )
    def test_refuses_labels_that_could_be_anything_else(self, label: str, file: Path) -> None:
        with pytest.raises(InvalidRequest) as caught:
            Registry(file).add(label, Path("one.gguf"))
        assert caught.value.key == "model.label_invalid"
        assert not file.exists()

    def test_labels_are_normalised(self, file: Path) -> None:
        registry = Registry(file)
        registry.add("4\u212a", Path("one.gguf"))  # KELVIN SIGN is K
        assert labels(registry) == ["4K"]
        assert registry.resolve("4\u212a").label == "4K"
        registry.remove("4\u212a")
        assert labels(registry) == []

    @pytest.mark.parametrize("stop", ["", "s" * 257, "終" * 86, "half \ud83d", "nul\0"])
    def test_refuses_stops_that_cannot_be(self, stop: str, file: Path) -> None:
        with pytest.raises(InvalidRequest) as caught:
            Registry(file).add("a", Path("one.gguf"), [stop])
        assert caught.value.key == "model.entry_stop_invalid"

    def test_refuses_names_that_are_not_text(self, file: Path) -> None:
        with pytest.raises(InvalidRequest) as caught:
            Registry(file).add("a", Path("not-utf8-\udcff.gguf"))
        assert caught.value.key == "model.entry_path_invalid"

    def test_keeps_what_it_does_not_know(self, file: Path) -> None:
        content = {"a": {"path": "/m", "model": "a.gguf", "stop": [], "persona": {"x": [1.5]}}, "b ad": 7, "c": None}
        registry = written(file, json.dumps(content))
        registry.add("d", Path("d.gguf"))
        kept = raw(file)
        assert {name: kept[name] for name in content} == content
        registry.remove("c")
        assert "c" not in raw(file), "an entry that cannot be used can be removed"


class TestBadEntries:
    @pytest.mark.parametrize(
        ("entry", "key"),
        [
            (7, "model.entry_no_object"),
            (None, "model.entry_no_object"),
            ({}, "model.entry_path_invalid"),
            ({"path": "/m"}, "model.entry_path_invalid"),
            ({"path": "", "model": "a"}, "model.entry_path_invalid"),
            ({"path": "/m", "model": "a\0b"}, "model.entry_path_invalid"),
            ({"path": "/m", "model": ["a"]}, "model.entry_path_invalid"),
            ({"path": "/m", "model": "\ud800"}, "model.entry_path_invalid"),
            ({"path": "/m", "model": "a", "stop": "</s>"}, "model.entry_stop_invalid"),
            ({"path": "/m", "model": "a", "stop": [""]}, "model.entry_stop_invalid"),
            ({"path": "/m", "model": "a", "stop": [1]}, "model.entry_stop_invalid"),
            ({"path": "/m", "model": "a", "created": True}, "model.entry_created_invalid"),
            ({"path": "/m", "model": "a", "created": "now"}, "model.entry_created_invalid"),
            ({"path": "/m", "model": "a", "created": -1}, "model.entry_created_invalid"),
        ],
    )
    def test_are_skipped_one_by_one(self, entry: Any, key: str, file: Path) -> None:
        registry = written(file, json.dumps({"bad": entry, "good": {"path": "/m", "model": "a", "stop": None}}))
        assert labels(registry) == ["good"]
        (problem,) = registry.problems()
        assert problem.key == key
        assert "bad" in text("en", problem.key, **problem.details)

    def test_a_label_that_stands_twice_is_told_and_not_written_over(self, file: Path) -> None:
        one, two = '{"path": "/m", "model": "1"}', '{"path": "/m", "model": "2"}'
        registry = written(file, f'{{"a": {one}, "a": {two}}}')
        assert registry.resolve("a").file.name == "2"
        assert [problem.key for problem in registry.problems()] == ["model.entry_duplicate"]
        assert damage(registry).key == "model.registry_duplicate"


class TestDamage:
    @pytest.mark.parametrize(
        ("content", "key"),
        [
            (b"", "model.registry_damaged"),
            (SEED[:60].encode(), "model.registry_damaged"),
            (SEED.encode("utf-16"), "model.registry_no_json"),
            (b"\xff\xfe\x00", "model.registry_no_json"),
            (b"[" * 100_000, "model.registry_no_json"),
            (b'{"a": NaN}', "model.registry_no_json"),
            (b'{"a": 1e999}', "model.registry_no_json"),
            (b'{"a": ' + b"9" * 5000 + b"e0" + b"}", "model.registry_no_json"),
            (b"[]", "model.registry_no_object"),
            (b"null", "model.registry_no_object"),
            (bytes(17 * 1024 * 1024), "model.registry_no_file"),
        ],
    )
    def test_is_told_and_never_written_over(self, content: bytes, key: str, file: Path) -> None:
        registry = written(file, content)
        assert registry.specs() == ()
        assert [problem.key for problem in registry.problems()] == [key]
        assert damage(registry).key == key

    def test_says_where(self, file: Path) -> None:
        details = damage(written(file, '{\n  "a": {\n    "path" "x"\n}}')).details
        assert (details["line"], details["column"]) == (3, 12)

    def test_the_last_good_state_is_used_by_this_and_other_processes(self, file: Path) -> None:
        registry = Registry(file)
        registry.add("a", Path("one.gguf"))
        assert labels(registry) == ["a"]
        written(file, SEED[:50])
        assert labels(registry) == ["a"]
        assert labels(Registry(file)) == ["a"], "from the copy kept at the last write"
        written(file, SEED)
        assert labels(registry) == ["LFM2.5_Q8"], "mended"
        assert registry.problems() == ()

    def test_what_was_read_by_hand_is_the_last_good_state_too(self, file: Path) -> None:
        registry = written(file, SEED)
        assert labels(registry) == ["LFM2.5_Q8"]
        written(file, "{")
        assert labels(registry) == ["LFM2.5_Q8"]

    def test_a_sweep_removes_what_killed_writers_left_and_nothing_else(self, file: Path) -> None:
        registry = Registry(file)
        registry.add("a", Path("/m/one.gguf"))
        strays = [file.parent / f".{name}.0123456789abcdef.tmp" for name in (file.name, registry.last_good.name)]
        other = file.parent / ".other.json.0123456789abcdef.tmp"
        for stray in (*strays, other):
            stray.touch()
        registry.sweep()
        assert not any(stray.exists() for stray in strays)
        assert other.exists()
        assert [spec.label for spec in Registry(file).specs()] == ["a"]

    def test_a_copy_is_kept_aside_once(self, file: Path) -> None:
        for _ in range(3):
            written(file, "{broken").specs()
        written(file, "{broken otherwise").specs()
        kept = sorted(path.read_text() for path in file.parent.glob("model_map.json.damaged-*"))
        assert kept == ["{broken", "{broken otherwise"]

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
    def test_copies_are_no_more_open_than_the_file(self, file: Path, mode: int) -> None:
        registry = Registry(file)
        registry.add("a", Path("/m/one.gguf"))
        assert registry.last_good.stat().st_mode & 0o777 == file.stat().st_mode & 0o777
        registry.last_good.chmod(0o666)
        file.chmod(mode)
        registry.add("b", Path("/m/two.gguf"))
        assert file.stat().st_mode & 0o777 == mode
        assert registry.last_good.stat().st_mode & 0o777 == mode
        file.chmod(0o600)
        file.write_text("{")
        file.chmod(mode)
        assert [problem.key for problem in Registry(file).problems()] == ["model.registry_damaged"]
        (aside,) = (other for other in file.parent.iterdir() if ".damaged-" in other.name)
        assert aside.stat().st_mode & 0o777 == mode

    def test_copies_kept_aside_are_few(self, file: Path) -> None:
        for number in range(30):
            written(file, f"{{{number}").specs()
        assert len(list(file.parent.glob("model_map.json.damaged-*"))) == 10

    def test_damaged_files_never_stop_a_reader(self, file: Path) -> None:
        dice = random.Random(7)
        sound = SEED.encode() * 1
        for _ in range(DAMAGES):
            hurt = bytearray(sound)
            for _ in range(dice.randint(1, 5)):
                at = dice.randrange(len(hurt))
                hurt[at : at + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
            registry = written(file, bytes(hurt))
            for spec in registry.specs():
                assert spec.label
            for problem in registry.problems():
                assert text("ja", problem.key, **problem.details)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are POSIX's")
    def test_a_pipe_or_folder_in_its_place_blocks_nothing(self, file: Path) -> None:
        file.parent.mkdir()
        os.mkfifo(file)
        assert damage_key(Registry(file)) == "model.registry_no_file"
        file.unlink()
        file.mkdir()
        assert damage_key(Registry(file)) in ("model.registry_no_file", "model.registry_unreadable")

    def test_an_unwritable_folder_is_named(self, file: Path, tmp_path: Path) -> None:
        (tmp_path / "config").write_text("a file where the folder should be")
        with pytest.raises(UsageError) as caught:
            Registry(file).add("a", Path("one.gguf"))
        assert caught.value.key == "model.registry_unwritable"


def damage_key(registry: Registry) -> str:
    assert registry.specs() == ()
    (problem,) = registry.problems()
    return problem.key


class TestWrites:
    @pytest.mark.process
    def test_many_processes_lose_nothing(self, file: Path) -> None:
        writer = Path(__file__).with_name("registry_writer.py")
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        writers = [
            subprocess.Popen([sys.executable, writer, file, f"w{number}", str(ADDS)], env=environ)
            for number in range(WRITERS)
        ]
        reader = Registry(file)
        while any(process.poll() is None for process in writers):
            reader.specs()
            assert reader.problems() == (), "no torn read"
        assert [process.returncode for process in writers] == [0] * WRITERS
        odd = range(1, ADDS, 2)
        assert sorted(labels(reader)) == sorted(f"w{w}-{n}" for w in range(WRITERS) for n in odd)

    @pytest.mark.process
    def test_a_writer_killed_at_any_step_leaves_the_old_or_the_new_file(self, file: Path) -> None:
        registry = Registry(file)
        registry.add("old", Path("old.gguf"))
        killed = Path(__file__).with_name("registry_killed.py")
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        seen = set()
        for step in range(MAX_STEPS):
            status = subprocess.run([sys.executable, killed, file, str(step)], env=environ, check=False).returncode
            seen.add(tuple(labels(registry)))
            assert registry.problems() == ()
            if status == 0:
                break
            assert status == 9
        assert status == 0, "the last one lives"
        assert step > 5
        assert seen == {("old",), ("old", "new")}
        registry.remove("new")
        assert list(file.parent.glob(".*.tmp")) == [], "what the killed left is swept"

    def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry = Registry(file)
        registry.add("a", Path("one.gguf"))
        before = file.read_bytes()

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(UsageError) as caught:
            registry.add("b", Path("two.gguf"))
        assert caught.value.details["reason"] == "No space left on device"
        assert file.read_bytes() == before
        assert list(file.parent.glob(".*.tmp")) == []

    def test_what_killed_writers_left_is_swept(self, file: Path) -> None:
        registry = Registry(file)
        registry.add("a", Path("one.gguf"))
        stray = file.with_name(".model_map.json.0123456789abcdef.tmp")
        mine = file.with_name("notes.tmp")
        stray.touch()
        mine.touch()
        registry.add("b", Path("two.gguf"))
        assert not stray.exists()
        assert mine.exists()

    @pytest.mark.skipif(os.name == "nt", reason="permissions and links are POSIX's")
    def test_permissions_and_links_stay(self, file: Path, tmp_path: Path) -> None:
        real = tmp_path / "dotfiles" / "models.json"
        real.parent.mkdir()
        real.write_text("{}")
        real.chmod(0o640)
        file.parent.mkdir()
        file.symlink_to(real)
        Registry(file).add("a", Path("one.gguf"))
        assert file.is_symlink()
        assert real.stat().st_mode & 0o777 == 0o640
        assert list(raw(real)) == ["a"]
