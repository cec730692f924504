"""Tests what was chosen by measuring: how it is kept beside a person's settings, and when it holds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage.dispatch import tuned as tuning
from hoshikage.dispatch.wanted import load_key, wanted_load
from hoshikage.errors import ModelNotFound
from hoshikage.infos import DeviceInfo
from hoshikage.params import LoadParams
from hoshikage.registry import OwnOptions, Registry
from hoshikage.registry.tuned import GUARDED, Tuned, free, parse_tuned
from hoshikage.settings import load
from tests.dispatch.fake_host import choice
from tests.gguf_files import Gguf

NOW: Final = 1_790_000_000


def tuned_for(file: Path, **values: Any) -> Tuned:
    state = file.stat()
    machine = tuning.machine(())
    return Tuned("library 1", "v0.5.0", machine, state.st_size, state.st_mtime_ns, tuple(sorted(values.items())), NOW)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Gguf().write(tmp_path / "a.gguf")


@pytest.fixture
def registry(tmp_path: Path, model: Path) -> Registry:
    made = Registry(tmp_path / "model_map.json")
    made.add("a", model, (), OwnOptions({"temperature": 0.5}))
    return made


def test_it_is_kept_apart_from_what_a_person_set_and_goes_alone(registry: Registry, model: Path) -> None:
    chosen = tuned_for(model, n_threads=2, repack="off")
    registry.set_tuned("a", chosen)
    entry = json.loads(registry.file.read_text("utf-8"))["a"]
    assert entry["tuned"]["values"] == {"n_threads": 2, "repack": "off"}
    assert {"n_threads", "repack"}.isdisjoint(entry)
    spec = Registry(registry.file).resolve("a")
    assert spec.tuned == chosen
    assert spec.options.given() == {"temperature": 0.5}
    registry.add("a", model, (), OwnOptions({"n_ctx": 128}))
    assert registry.resolve("a").tuned == chosen, "the same file, registered again, keeps it"
    registry.set_tuned("a", None)
    assert registry.resolve("a").tuned is None
    assert registry.resolve("a").options.given() == {"temperature": 0.5, "n_ctx": 128}
    with pytest.raises(ModelNotFound):
        registry.set_tuned("b", chosen)


@pytest.mark.parametrize(
    "damage",
    [
        {"library": 1},
        {"size": "1"},
        {"size": True},
        {"values": []},
        {"values": {"n_ctx": 1}},
        {"values": {"n_threads": "many"}},
        {"values": {"repack": ["off"]}},
        {"machine": None},
    ],
)
def test_what_is_damaged_is_none_and_the_model_stays(registry: Registry, model: Path, damage: dict[str, Any]) -> None:
    registry.set_tuned("a", tuned_for(model, n_threads=2))
    entries = json.loads(registry.file.read_text("utf-8"))
    entries["a"]["tuned"] |= damage
    registry.file.write_text(json.dumps(entries), "utf-8")
    spec = Registry(registry.file).resolve("a")
    assert spec.tuned is None
    assert spec.file == model


def test_only_objects_are_choices() -> None:
    values: tuple[Any, ...] = (None, [], "x", 1, {})
    assert [parse_tuned(value) for value in values] == [None] * 5


@pytest.mark.parametrize(
    ("general", "own", "gone"),
    [
        ({}, {}, set()),
        ({"n_threads": 3}, {}, {"n_threads", "n_threads_batch"}),
        ({"n_threads_batch": 3}, {}, {"n_threads", "n_threads_batch"}),
        ({"repack": False}, {}, {"repack"}),
        ({}, {"n_ubatch": 64}, {"n_ubatch"}),
        ({}, {"repack": "on"}, {"repack"}),
        ({}, {"type_k": "q8_0"}, {"type_k", "type_v", "flash_attn"}),
        ({"flash_attn": "off"}, {}, {"type_k", "type_v", "flash_attn"}),
        ({"n_ctx": 64}, {"temperature": 0.1}, set()),
    ],
)
def test_what_a_person_set_is_not_to_be_chosen(general: dict[str, Any], own: dict[str, Any], gone: set[str]) -> None:
    assert free(LoadParams("", **general), OwnOptions(own)) == GUARDED.keys() - gone


def test_it_holds_for_the_library_the_machine_and_the_file_that_were_measured(
    registry: Registry, model: Path, home: Path
) -> None:
    settings = load({}, {}, home).settings
    registry.set_tuned("a", tuned_for(model, n_threads=2, repack="off"))
    wanted = wanted_load(registry.resolve("a"), settings)
    assert wanted.params.n_threads == 0, "it is applied when the library is known"
    assert wanted.tuned is not None
    measured = tuning.applied(wanted.params, wanted.tuned, choice("library 1"))
    assert (measured.n_threads, measured.repack) == (2, False)
    assert tuning.applied(wanted.params, wanted.tuned, choice("another")) == wanted.params
    card = replace(choice("library 1"), devices=(DeviceInfo("CUDA0", "a card", "gpu", 0, 0),))
    assert tuning.applied(wanted.params, wanted.tuned, card) == wanted.params
    yours = load({}, {"N_THREADS": "1"}, home).settings
    partly = wanted_load(registry.resolve("a"), yours)
    assert partly.tuned is not None
    assert tuning.applied(partly.params, partly.tuned, choice("library 1")).n_threads == 1
    assert not tuning.applied(partly.params, partly.tuned, choice("library 1")).repack
    with model.open("ab") as stream:
        stream.write(b"more")
    assert wanted_load(registry.resolve("a"), settings).tuned is None


def test_a_new_choice_is_another_load(registry: Registry, model: Path, home: Path) -> None:
    settings = load({}, {}, home).settings
    before = registry.resolve("a")
    registry.set_tuned("a", tuned_for(model, n_threads=2))
    after = registry.resolve("a")
    assert wanted_load(before, settings) != wanted_load(after, settings)
    assert load_key(before) != load_key(after)


def test_another_processor_is_another_machine(tmp_path: Path) -> None:
    names = []
    for name in ("one", "two"):
        file = tmp_path / name
        file.write_text(f"processor: 0\nmodel name\t: {name}\n", "utf-8")
        names.append(tuning.machine((), file))
    assert len({*names, tuning.machine((), tmp_path / "none")}) == 3
    card, processor = DeviceInfo("CUDA0", "a card", "gpu", 5, 9), DeviceInfo("CPU", "a processor", "cpu", 5, 9)
    assert tuning.machine((card,)) == tuning.machine((replace(card, memory_free=1, memory_total=0),))
    assert tuning.machine((processor,)) == tuning.machine(())
    assert tuning.machine((card,)) != tuning.machine(())
