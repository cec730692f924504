"""Tests MODEL_DIR: what counts as a model there, how it is called, and that looking is cheap."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from hoshikage.errors import ModelNotFound
from hoshikage.registry import Registry, checked_label
from hoshikage.registry.folder import MAX_DEPTH, MAX_MODELS, ModelFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "models"
    made.mkdir()
    return made


def put(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def age(folder: Path) -> None:
    """Makes folders that changed long ago, so that what was found in them may be kept."""
    for root, _, _ in os.walk(folder):
        os.utime(root, (1_700_000_000, 1_700_000_000))


def found(folder: Path) -> dict[str, str]:
    return {label: one.file.relative_to(folder).as_posix() for label, one in ModelFolder(folder).models().items()}


def test_models_are_called_by_their_files_names(folder: Path) -> None:
    put(folder, "LFM2.5-1.2B-JP-Q8_0.gguf", "Q4 (K M)!.GGUF", "星影-7B.gguf", "sub/-x.gguf")
    names = found(folder)
    assert names == {
        "LFM2.5-1.2B-JP-Q8_0": "LFM2.5-1.2B-JP-Q8_0.gguf",
        "Q4-K-M": "Q4 (K M)!.GGUF",
        "model-7B": "星影-7B.gguf",
        "x": "sub/-x.gguf",
    }
    assert all(checked_label(name) == name for name in names)


def test_what_is_no_model_is_left_out(folder: Path) -> None:
    put(folder, "a.gguf.part", "b.bin", ".c.gguf", ".hidden/d.gguf", "mmproj-e.gguf", "f-mmproj-f16.gguf", "g.ggu")
    (folder / "folder.gguf").mkdir()
    put(folder, "folder.gguf/inside.gguf")
    assert found(folder) == {"inside": "folder.gguf/inside.gguf"}


def test_a_split_model_is_one(folder: Path) -> None:
    put(folder, *(f"big-0000{number}-of-00003.gguf" for number in (1, 2, 3)), "lone-00002-of-00002.gguf")
    assert found(folder) == {"big": "big-00001-of-00003.gguf"}


def test_the_nearest_keeps_the_plain_name_and_a_later_one_never_takes_it(folder: Path) -> None:
    put(folder, "b/m.gguf")
    assert found(folder) == {"m": "b/m.gguf"}
    put(folder, "c/m.gguf", "b/deep/m.gguf", "c/x/b/m.gguf", "d/b/m.gguf")
    assert found(folder) == {
        "m": "b/m.gguf",
        "m@c": "c/m.gguf",
        "m@deep": "b/deep/m.gguf",
        "m@b": "d/b/m.gguf",
        "m@b-2": "c/x/b/m.gguf",
    }


@pytest.mark.parametrize("name", ["x" * 250, "星" * 80, "-", "..x"])
def test_any_name_gives_a_label(name: str, folder: Path) -> None:
    put(folder, f"{name}.gguf", f"sub/{name}.gguf", f"tub/sub/{name}.gguf")
    labels = list(ModelFolder(folder).models())
    assert all(checked_label(label) == label for label in labels)
    assert len(labels) == (0 if name.startswith(".") else 3)


def test_is_bounded_in_depth_and_number(folder: Path) -> None:
    put(folder, "/".join(["d"] * MAX_DEPTH) + "/in.gguf", "/".join(["e"] * (MAX_DEPTH + 1)) + "/out.gguf")
    assert list(found(folder)) == ["in"]
    put(folder, *(f"many-{number}.gguf" for number in range(MAX_MODELS + 5)))
    assert len(found(folder)) == MAX_MODELS


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_links_to_folders_are_followed_once(folder: Path, tmp_path: Path) -> None:
    put(folder, "a.gguf")
    put(tmp_path, "elsewhere/b.gguf")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "round").symlink_to(folder)
    (folder / "gone.gguf").symlink_to(tmp_path / "nothing")
    assert found(folder) == {"a": "a.gguf", "b": "link/b.gguf"}


def test_no_folder_is_no_models(tmp_path: Path) -> None:
    assert ModelFolder(tmp_path / "absent").models() == {}
    put(tmp_path, "file")
    assert ModelFolder(tmp_path / "file").models() == {}


class TestKept:
    def searches(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        calls: list[Any] = []
        scandir = os.scandir

        def counted(path: Any) -> Any:
            calls.append(path)
            return scandir(path)

        monkeypatch.setattr(os, "scandir", counted)
        return calls

    def test_a_second_look_searches_nothing(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(folder, "a.gguf", "sub/b.gguf")
        age(folder)
        calls, models = self.searches(monkeypatch), ModelFolder(folder)
        first = models.models()
        assert len(calls) == 2
        assert models.models() is first
        assert len(calls) == 2

    def test_a_change_anywhere_is_seen_at_once(self, folder: Path) -> None:
        put(folder, "a.gguf", "sub/deep/b.gguf")
        age(folder)
        models = ModelFolder(folder)
        assert list(models.models()) == ["a", "b"]
        put(folder, "sub/deep/c.gguf")
        assert list(models.models()) == ["a", "b", "c"]
        (folder / "a.gguf").unlink()
        assert list(models.models()) == ["b", "c"]

    def test_a_change_within_one_tick_of_the_clock_is_seen(self, folder: Path) -> None:
        models = ModelFolder(folder)
        assert models.models() == {}
        now = folder.stat()
        put(folder, "a.gguf")
        os.utime(folder, ns=(now.st_atime_ns, now.st_mtime_ns))
        assert list(models.models()) == ["a"]

    def test_no_file_is_opened_and_a_thousand_take_little_time(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(folder, *(f"{number % 30}/m-{number}.gguf" for number in range(MAX_MODELS)))
        age(folder)
        opened: list[Any] = []
        monkeypatch.setattr(os, "open", lambda *given: opened.append(given))
        monkeypatch.setattr("builtins.open", lambda *given: opened.append(given))
        models = ModelFolder(folder)
        models.models()
        began = time.perf_counter()
        models.models()
        again = time.perf_counter() - began
        assert opened == []
        assert again < 0.2, "30 folders are asked for their time"


class TestInTheRegistry:
    @pytest.fixture
    def registry(self, folder: Path, tmp_path: Path) -> Registry:
        put(folder, "one.gguf", "two.gguf")
        return Registry(tmp_path / "config" / "model_map.json", folder)

    def test_found_models_come_after_the_registered(self, registry: Registry, folder: Path) -> None:
        registry.add("mine", folder / "elsewhere.gguf")
        assert [(spec.label, spec.source) for spec in registry.specs()] == [
            ("mine", "registry"), ("one", "folder"), ("two", "folder"),
        ]  # fmt: skip
        spec = registry.resolve("one")
        assert (spec.file, spec.stop, spec.created) == (folder / "one.gguf", (), int(spec.file.stat().st_mtime))

    def test_a_registered_label_wins(self, registry: Registry, folder: Path) -> None:
        registry.add("one", folder / "other.gguf")
        assert [spec.label for spec in registry.specs()] == ["one", "two"]
        assert registry.resolve("one").file == folder / "other.gguf"

    def test_a_registered_file_is_not_listed_twice_and_still_found(self, registry: Registry, folder: Path) -> None:
        registry.add("mine", folder / "one.gguf")
        assert [spec.label for spec in registry.specs()] == ["mine", "two"]
        assert registry.resolve("one").file == folder / "one.gguf", "who used it may go on"

    def test_only_a_search_knows_them(self, registry: Registry) -> None:
        assert registry.known("one") is None
        assert registry.resolve("one").label == "one"

    def test_they_carry_personas(self, registry: Registry, folder: Path) -> None:
        registry.add_persona("hoshi", "one", "x")
        assert (registry.resolve("hoshi").label, registry.resolve("hoshi").name) == ("one", "hoshi")
        (folder / "one.gguf").unlink()
        with pytest.raises(ModelNotFound) as caught:
            registry.resolve("hoshi")
        assert caught.value.details == {"label": "hoshi", "model": "one", "known": "two"}

    def test_a_refusal_names_a_few_of_many(self, registry: Registry, folder: Path) -> None:
        put(folder, *(f"m{number:03d}.gguf" for number in range(80)))
        with pytest.raises(ModelNotFound) as caught:
            registry.resolve("absent")
        known = str(caught.value.details["known"]).split(", ")
        assert (len(known), known[0], known[-1]) == (51, "m000", "…")


def test_a_name_that_is_no_utf_8_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "good.gguf").touch()
    with open(os.fsencode(tmp_path) + b"/bad-\xff.gguf", "wb"):  # noqa: PTH123  no Path is made of bytes
        pass
    assert list(ModelFolder(tmp_path).models()) == ["good"]
