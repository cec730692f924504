"""Tests decodes that return before they are done, as on a graphics card: what is learned is how long they take in all,
and what is told while the next one is computed is what would be told at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage import wire
from hoshikage.dispatch.crashes import Crashes
from hoshikage.dispatch.host import Exit, Host
from hoshikage.dispatch.lifecycle import Lifecycle, Policy
from hoshikage.dispatch.loading import WantedLoad
from hoshikage.dispatch.making import process_host
from hoshikage.dispatch.ramdisk import RamDisk
from hoshikage.library.selection import SelectedLibrary
from hoshikage.params import AUTO_LAYERS, LoadParams
from tests.conftest import ROOT
from tests.dispatch.fake_host import FakeLibraries, choice
from tests.dispatch.test_lifecycle import Clock
from tests.native.late_over_done import BUSY_MS, COST_MS, SLOW_MS
from tests.native.late_told_done import MODES
from tests.native.test_libraries import checked

TOGETHER: Final = {1: 6_000, 2: 7_000, 4: 9_000, 64: 12_000}
"""Maps so many texts to the microseconds of decodes where four cost little more than one."""
IN_TURN: Final = {1: 6_000, 2: 24_000, 4: 48_000, 64: 48_000}
"""Several are slower together here than one after the other."""
COLD: Final = 5


@pytest.fixture(scope="module")
def late(library_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds libllama.so in front of the newest release."""
    folder = tmp_path_factory.mktemp("late")
    for file in library_file.parent.glob("*ggml*"):
        (folder / file.name).symlink_to(file)
    made = folder / "libllama.so"
    source = Path(__file__).with_name("late.c")
    command = ["cc", "-O1", "-shared", "-fPIC", str(source), "-Wl,--no-as-needed", "-o", str(made), str(library_file)]
    subprocess.run([*command, f"-Wl,-rpath,{library_file.parent}", "-ldl"], check=True)
    return made


def learned(library: Path, real: Path, model: Path, costs: dict[int, int]) -> dict[str, Any]:
    return done("late_done", library, real, model, costs)


def done(program: str, library: Path, real: Path, model: Path, costs: dict[int, int]) -> dict[str, Any]:
    told = " ".join(f"{tokens} {microseconds}" for tokens, microseconds in costs.items())
    environment = {**os.environ, "LLAMA_LATE_REAL": str(real), "LLAMA_LATE_COSTS": told, "LLAMA_LATE_COLD": str(COLD)}
    command = [sys.executable, "-m", f"tests.native.{program}", str(library), str(model)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize(("costs", "group"), [(TOGETHER, 4), (IN_TURN, 1)], ids=["together", "in turn"])
def test_clocks_are_read_when_a_decode_is_done_and_warm(
    costs: dict[int, int], group: int, late: Path, library_file: Path, demo_model: Path
) -> None:
    found = learned(late, library_file, demo_model, costs)
    one = costs[1] / 1e3
    assert one <= found["one_ms"] < 2 * one  # neither its start alone, which is no time, nor a cold one
    assert found["of"]["4"] == pytest.approx(costs[4] / costs[1], rel=0.35)
    assert found["group"] == group
    assert len(found["texts"]) == 4


@pytest.fixture(scope="module")
def told(late: Path, library_file: Path, demo_model: Path) -> dict[str, Any]:
    return done("late_told_done", late, library_file, demo_model, {1: 0})


@pytest.mark.parametrize("mode", MODES)
def test_what_is_told_beside_the_next_decode_is_what_is_told_at_once(told: dict[str, Any], mode: str) -> None:
    """Stop strings that are found when the next token is already being computed, log probabilities, tokens, choices,
    grammars, bounds of thoughts, jobs that are given up; and how much of a conversation is still in memory. The same
    where the device chooses the likeliest tokens from the second one on."""
    found = told[mode]
    assert (found["at once overlaps"], found["late overlaps"]) == (False, True)
    assert found["late"] == found["at once"]
    assert (found["at once went over"], found["late went over"]) == (0, 0)
    assert found["by the device went over"] > 10
    assert found["by the device"] == found["at once"]
    reasons = {name: answer[1][0] for name, answer in found["late"].items() if name.startswith("stop ")}
    assert {"stop", "length"} == set(reasons.values())
    cached = [answer[2][0] for name, answer in found["late"].items() if name.startswith("turn ")]
    assert len(cached) == 3
    assert cached[-1] > cached[0]


@pytest.fixture(scope="module")
def over(late: Path, library_file: Path, demo_model: Path) -> dict[str, Any]:
    return done("late_over_done", late, library_file, demo_model, {1: COST_MS * 1000})


def test_a_card_does_not_wait_for_python(over: dict[str, Any]) -> None:
    """Telling a token takes Python a while: it does not come on top of the decode. The shortest tokens count, of the
    load that was least held up by other work of the machine."""
    shortest_ms = min(told[1] for case in over.values() for told in case["told"].values())
    assert COST_MS < shortest_ms < COST_MS + 0.6 * BUSY_MS


@pytest.mark.parametrize("kind", ["greedy", "top_k,top_p,temperature"])
def test_the_device_chooses_where_that_saves_time(over: dict[str, Any], kind: str) -> None:
    """It is to choose from then on where logits take long to come, and not where choosing takes long."""
    saved_ms, is_to_choose = over["logits are slow"]["known"][kind]
    assert (saved_ms, is_to_choose) == (pytest.approx(SLOW_MS, rel=0.5), True)
    assert over["choosing is slow"]["known"][kind] == [0.0, False]


def test_who_chooses_changes_no_answer(over: dict[str, Any]) -> None:
    texts = {name: [told[0] for told in case["told"].values()] for name, case in over.items()}
    assert texts["logits are slow"] == texts["choosing is slow"] == texts["plain"]
    assert len(texts["plain"][0]) > 100


def test_a_card_whose_driver_holds_the_weights_is_no_other_layout(
    late: Path, library_file: Path, demo_model: Path, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every Vulkan build on a card is such: nothing is locked there, and nothing is logged."""
    for name, value in {"REAL": str(library_file), "COSTS": "1 0", "COLD": "1", "LAYERS": "9999"}.items():
        monkeypatch.setenv(f"LLAMA_LATE_{name}", value)
    found = checked(str(late), "--model", str(demo_model), "--golden", str(golden))
    assert (found["ok"], found["key"], found["golden"]) == (True, None, "passed")
    assert found["handshake"]["load_mode=locked"] == "ok"
    assert [device["kind"] for device in found["devices"]] == ["gpu"]


class LateLibrary(FakeLibraries):
    """This gives late.c, whichever is asked for."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def current(self, params: LoadParams) -> SelectedLibrary:
        return replace(choice("late"), file=self.file)


async def test_layers_that_leave_no_memory_to_compute_with_are_fewer_at_the_next_try(
    late: Path, library_file: Path, demo_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner dies at the first decode with 6, 5 and 4 layers: that is no crash, and no number is tried twice."""
    for name, value in {"REAL": str(library_file), "COSTS": "1 0", "COLD": "1", "LAYERS": "3"}.items():
        monkeypatch.setenv(f"LLAMA_LATE_{name}", value)
    tried: list[int] = []

    def host(library: Path, on_event: Callable[[wire.Event], None], on_exit: Callable[[Exit], None]) -> Host:
        def seen(event: wire.Event) -> None:
            if isinstance(event, wire.Loading) and event.layers is not None:
                tried.append(event.layers)
            on_event(event)

        return process_host(library, seen, on_exit)

    crashes = Crashes(Clock())
    cycle = Lifecycle(LateLibrary(late), host, RamDisk(None), crashes, Policy(0.0, 0.0, 0.0, "en"))
    params = LoadParams(str(demo_model), n_ctx=256, n_threads=1, n_gpu_layers=AUTO_LAYERS)
    try:
        async for _ in cycle.ready(WantedLoad("a", params, (1, 1, 1))):
            pass
        seen = cycle.snapshot()
        assert tried == [6, 5, 4, 3]
        assert (seen.state, seen.crashes, seen.loads) == ("ready", 0, 1)
        assert seen.model is not None
        assert seen.model.n_gpu_layers == 3
        assert not crashes.quarantined("a")
    finally:
        await cycle.stop()
