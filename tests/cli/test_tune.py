"""Tests `hoshikage tune`, through main, with real libraries and the built-in model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hoshikage.cli import tune
from hoshikage.cli.client import Server
from hoshikage.cli.tune_choice import Reason, Trial, TuneChoice, TuneFigures
from hoshikage.cli.tune_run import TuneMeasured, measure
from hoshikage.errors import ModelLoadFailed
from hoshikage.params import LoadParams
from hoshikage.registry import OwnOptions, Registry
from hoshikage.registry.tuned import GUARDED, Tuned
from hoshikage.settings import config_dir
from tests.cli.conftest import Cli
from tests.dispatch.fake_host import choice
from tests.engine_models import write_mamba
from tests.small_models import write_encoder

pytestmark = [pytest.mark.native, pytest.mark.process]


@pytest.fixture
def known(registry: Registry, demo_model: Path) -> Registry:
    registry.add("demo", demo_model)
    return registry


def entry() -> Any:
    return json.loads((config_dir() / "model_map.json").read_text("utf-8"))["demo"]


@pytest.mark.parametrize("release", ["b4529", "v0.5.0"])
def test_a_model_is_measured_and_what_is_better_is_stored(
    release: str, cli: Cli, known: Registry, libraries: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(libraries[release]))
    before = entry()
    ran = cli("tune", "demo", "--budget", "40", "--json")
    assert ran.status == 0, ran.err
    found = ran.data
    assert (found["label"], found["n_sequences"]) == ("demo", 4)
    assert found["seconds"] < 50
    base = found["base"]
    assert min(base["generation"], base["together"], base["prompt"], base["load_s"]) > 0
    assert len(base["answer"]) > 4
    assert base["rounds"] >= 1
    trials = {json.dumps(one["changed"]): one for one in found["trials"]}
    assert {'{"flash_attn": "on"}', '{"flash_attn": "off"}', '{"type_k": "q8_0", "type_v": "q8_0"}'} < trials.keys()
    repack = trials['{"repack": false}']
    assert (repack["figures"] is None) is (release == "b4529"), "that release rearranges as it likes"
    assert bool(repack["error"]) is (release == "b4529")
    assert not {"type_k", "type_v"}.intersection(found["chosen"])
    assert found["reasons"]
    stored, chosen = entry().get("tuned"), found["chosen"]
    if found["stored"] and chosen:
        assert stored["values"].keys() == chosen.keys()
    else:
        assert stored is None
    assert {name: value for name, value in entry().items() if name != "tuned"} == before


FIGURES = TuneFigures(generation=50.0, together=90.0, prompt=200.0, load_s=1.0, n_threads=4, answer=(1, 2))
QUICKER = replace(FIGURES, prompt=400.0)
CHOSEN = TuneChoice(
    {"n_ubatch": {"n_ubatch": 256}, "repack": {"repack": False}}, (Reason("tune.why_nothing", {"percent": 5}),)
)
MEASURED = TuneMeasured(
    FIGURES, (Trial({"n_ubatch": 256}, QUICKER), Trial({"repack": False})), QUICKER, CHOSEN, 4, 9.0, False
)


@pytest.mark.parametrize(("busy", "flags"), [(False, ()), (False, ("--dry-run",)), (True, ())])
def test_a_choice_is_stored_for_what_was_measured_unless_it_is_not_to_be(
    busy: bool,
    flags: tuple[str, ...],
    cli: Cli,
    known: Registry,
    demo_model: Path,
    library_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The figures are given: real ones differ from run to run."""
    monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(library_file))
    monkeypatch.setattr(tune, "measure", lambda *_args, **_options: replace(MEASURED, busy=busy))
    ran = cli("tune", "demo", *flags)
    assert ran.status == 0, ran.err
    assert "n_ubatch=256" in ran.out
    assert "all that was chosen" in ran.out
    assert "no time left" in ran.out
    spec = known.resolve("demo")
    if busy or flags:
        assert spec.tuned is None
        assert "Not stored: n_ubatch=256 repack=off" in ran.out
        return
    assert spec.tuned is not None
    assert spec.tuned.loading() == {"n_ubatch": 256, "repack": False}
    assert (spec.tuned.release, spec.tuned.size) == ("v0.5.0", demo_model.stat().st_size)
    assert "Stored for demo: n_ubatch=256 repack=off (holds with library v0.5.0+cpu on this machine)" in ran.out


def test_what_was_chosen_is_shown_as_such_and_taken_back(cli: Cli, known: Registry, demo_model: Path) -> None:
    known.set_tuned("demo", Tuned("f", "v0.5.0", "m", 1, 1, (("n_threads", 2), ("repack", "off")), 1))
    (row,) = cli("list", "--json").data["models"]
    assert (row["options"], row["tuned"]) == ({}, {"n_threads": 2, "repack": "off"})
    listed = cli("list").out
    assert "n_threads=2(tune)" in listed
    assert "repack=off(tune)" in listed
    assert cli("config", "--json").data["models"] == {
        "demo": {"values": {"n_threads": 2, "repack": "off"}, "source": "tune"}
    }
    told = " ".join(cli("config").out.split())
    assert "demo: n_threads=2 repack=off (chosen by `hoshikage tune` with library v0.5.0)" in told
    assert cli("tune", "demo", "--reset").out == "What was chosen for demo is taken back.\n"
    assert "tuned" not in entry()
    assert cli("tune", "demo", "--reset", "--json").data == {"label": "demo", "reset": False}


def test_what_a_person_set_is_neither_tried_nor_changed(
    cli: Cli, registry: Registry, demo_model: Path, library_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add("demo", demo_model, (), OwnOptions({"flash_attn": "on", "n_ubatch": 64, "repack": "on"}))
    monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(library_file))
    monkeypatch.setenv("N_THREADS", "1")
    ran = cli("tune", "demo", "--budget", "30")
    assert ran.status == 0, ran.err
    assert "as it is (threads: 1)" in ran.out
    assert ", ".join(sorted(GUARDED)) in " ".join(ran.out.split())
    assert ("n_ubatch=128" in ran.out, "flash_attn=off" in ran.out, "repack=off" in ran.out) == (False, False, False)
    assert "tuned" not in entry()
    assert entry()["flash_attn"] == "on"


def test_it_does_not_measure_beside_answers(cli: Cli, known: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        def status(self) -> dict[str, Any]:
            return {"queue": {"running": 1, "waiting": 2}}

    monkeypatch.setattr(Server, "of", lambda _context: Busy())
    ran = cli("tune", "demo")
    assert (ran.status, ran.out) == (1, "")
    assert "The server is answering (running 1, waiting 2)" in ran.err


def test_a_model_that_keeps_a_state_is_measured_and_one_that_embeds_is_not(work: Path, library_file: Path) -> None:
    library = replace(choice("x"), file=library_file)
    mamba = LoadParams(str(write_mamba(work / "mamba.gguf")), n_ctx=256)
    found = measure(mamba, library, frozenset({"n_ubatch"}), 40, 2, kv=False)
    assert found.base.generation > 0
    sizes = [size for size in (128, 256) if size < found.base.n_prompt]
    assert [dict(trial.changed) for trial in found.trials] == [{"n_ubatch": size} for size in sizes]
    encoder = LoadParams(str(write_encoder(work / "bert.gguf", 1)))
    with pytest.raises(ModelLoadFailed) as refused:
        measure(encoder, library, frozenset(), 40, 2, kv=False)
    assert refused.value.key == "tune.no_text"


def test_what_cannot_be_measured_is_told(
    cli: Cli, work: Path, demo_model: Path, library_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(demo_model.parent))
    ran = cli("tune", demo_model.stem)
    assert ran.status == 2
    assert f"`hoshikage add {demo_model}`" in ran.err
    for budget in ("4", "x", "nan"):
        assert cli("tune", "demo", "--budget", budget).status == 2
    assert cli("tune", "nobody").status == 1
    library = choice("x")
    with pytest.raises(ModelLoadFailed) as failed:
        measure(LoadParams(str(work / "none.gguf")), library, frozenset(), 10, 2, kv=False)
    assert failed.value.key != "tune.no_time"
