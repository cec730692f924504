"""Prompts go on from checkpoints where a memory cannot be cut, and the answers are those of prompts computed anew."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pytest

from hoshikage.engine import checkpoints as module
from hoshikage.engine.checkpoints import SPAN, TAIL, Checkpoints, marks
from hoshikage.engine.kv_sequence import KvSequence
from tests.conftest import NEWEST, RELEASES, ROOT, SPOILING
from tests.engine.checkpoints_done import EVERY, LENGTH, NEW
from tests.engine_models import write_mamba
from tests.hybrid_models import write_jamba, write_lfm2
from tests.tiny_decoders import write_decoder

WRITE: Final[dict[str, Callable[[Path], Path]]] = {
    "mamba": write_mamba,
    "lfm2": write_lfm2,
    "jamba": write_jamba,
    "gemma2": lambda file: write_decoder(file, "gemma2", window=64),
}
RUNS: Final = [
    *((release, "mamba", 1) for release in (RELEASES[0], SPOILING)),
    *((release, kind, 1) for release in ("b6301", NEWEST) for kind in WRITE),
    *((NEWEST, kind, 3) for kind in WRITE),
    ("b8390", "lfm2", 3),
]
NOISE: Final = 0.01
"""The noise is of log probabilities, by how tokens share a batch; a text computed on the wrong state is off by 0.05 and
more."""
CONTROL: Final = 1


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: write(folder / f"{kind}.gguf") for kind, write in WRITE.items()}


@pytest.mark.parametrize(("release", "kind", "n_parallel"), RUNS)
def test_prompts_go_on_from_checkpoints(
    release: str,
    kind: str,
    n_parallel: int,
    libraries: dict[str, Path],
    spoiling_library: Path,
    models: dict[str, Path],
) -> None:
    library = libraries.get(release, spoiling_library)
    command = [sys.executable, "-m", "tests.engine.checkpoints_done", str(library), str(models[kind]), str(n_parallel)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout)
    asked: dict[str, list[dict[str, Any]]] = found["asked"]
    for name, answers in asked.items():
        for one in answers:
            assert one["answers"]
            for answer in one["answers"]:
                compare(answer, one["right"], f"{name}, {one['length']} tokens")
    cached = {name: [one["cached"] for one in answers] for name, answers in asked.items()}
    near = SPAN + TAIL
    assert cached["turns"][0] == 0
    assert cached["turns"][1] >= LENGTH - near
    assert cached["turns"][2] >= LENGTH + NEW - near
    assert cached["again"][1] >= LENGTH + 3 * NEW - near
    assert cached["choices"][0] >= LENGTH + 3 * NEW - near
    assert 300 - EVERY - near <= cached["edited"][0] <= 300
    assert cached["of another"] == [0]
    assert cached["given up"][0] >= 300 - EVERY
    assert cached["given up"][1] >= LENGTH - near
    assert all(one >= LENGTH - near for one in cached["bounded"][1:])
    bound = found["bound"]
    assert bound["held"] == bound["bytes"] <= bound["most"]
    assert bound["count"] >= 2


def compare(one: list[list[Any]], other: list[list[Any]], where: str) -> None:
    assert [text for text, _ in one] == [text for text, _ in other], where
    assert len(one) > 8
    assert max(abs(mine[1] - its[1]) for mine, its in zip(one, other, strict=True)) < NOISE, where


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        # A chat: 1 begins and ends its messages. Behind the newest one stands what opens the answer.
        ([1, 7, *[5] * 90, 1, 9, 1, 7, *[6] * 80, 1, 9, 1, 8, 9], (95, 176)),
        ([1, 7, *[5] * 90, 1, 9, 1, 7, 6, 6, 1, 9, 1, 8, 9], (1, 92)),  # a short message is behind the mark as a whole
        ([*[5] * 100], (100 - TAIL,)),  # a text
        ([1, *[5] * 100], (1, 101 - TAIL)),
        ([5] * TAIL, ()),
        ([5], ()),
    ],
)
def test_marks_are_where_a_later_prompt_still_agrees(tokens: list[int], expected: tuple[int, ...]) -> None:
    assert marks(tokens, lambda token: token == CONTROL) == expected


class States:
    """Stands for a library whose states have one byte a token; those of a part have one all in all."""

    has_part = True

    def __init__(self, *, part: bool) -> None:
        self.part = part
        self.n_past = 0

    def size(self, seq_id: int, *, part: bool = False) -> int:
        return 1 if part and self.part else self.n_past

    def get(self, seq_id: int, *, part: bool = False) -> Any:
        return np.zeros(self.size(seq_id, part=part), np.uint8)

    def put(self, seq_id: int, state: Any, *, part: bool = False) -> bool:
        return True


class Cuttable:
    def shorten(self, seq_id: int, begin: int) -> bool:
        return True


def opened(monkeypatch: pytest.MonkeyPatch, *, part: bool, most: int = 1000, every: int = 0) -> Checkpoints:
    monkeypatch.setattr(module, "SequenceStates", lambda _context: States(part=part))
    return Checkpoints(cast("Any", Cuttable()), lambda token: token == CONTROL, most, every)


def sequence_of(tokens: Sequence[int], number: int = 0) -> KvSequence:
    sequence = KvSequence(number)
    sequence.tokens = list(tokens)
    return sequence


def computed(checkpoints: Checkpoints, sequence: KvSequence, batch: int) -> list[int]:
    """Computes a prompt; where its decodes ended."""
    checkpoints.watch(sequence)
    assert sequence.room is not None
    ends = []
    while sequence.n_past < len(sequence.tokens):
        sequence.n_past += min(sequence.room(batch), len(sequence.tokens) - sequence.n_past)
        checkpoints._states.n_past = sequence.n_past  # type: ignore[attr-defined]
        ends.append(sequence.n_past)
    return ends


def test_decodes_end_where_a_checkpoint_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(monkeypatch, part=True, every=200)
    assert computed(checkpoints, sequence_of([5] * 500), 150) == [150, 200, 350, 400, 484, 500]
    assert [one.n_past for one in checkpoints._all] == [200, 400, 484]
    checkpoints = opened(monkeypatch, part=True)
    assert computed(checkpoints, sequence_of([5] * 500), 512) == [484, 500]
    checkpoints = opened(monkeypatch, part=True)
    assert computed(checkpoints, sequence_of([5] * (SPAN + TAIL - 1)), 512) == [SPAN + TAIL - 1], "not worth a decode"


def test_all_together_stay_within_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ones unused for longest go; what is too large is not kept, and within a text only what many fit of."""
    checkpoints = opened(monkeypatch, part=False, most=1000)
    for number, length in enumerate((300, 300, 300, 300)):
        computed(checkpoints, sequence_of([10 + number] * length), 512)
    assert [one.n_past for one in checkpoints._all] == [284] * 3
    assert checkpoints.n_bytes == 3 * 284
    found = checkpoints.alike([11] * 300, "", 299)
    assert found is not None
    assert checkpoints.put(found, sequence_of([], 0))
    computed(checkpoints, sequence_of([20] * 300), 512)
    assert checkpoints.alike([11] * 300, "", 299) is found
    assert checkpoints.alike([12] * 300, "", 299) is None
    computed(checkpoints, sequence_of([30] * 1100), 512)
    assert checkpoints.alike([30] * 1100, "", 1099) is None
    checkpoints = opened(monkeypatch, part=False, most=1000, every=100)
    computed(checkpoints, sequence_of([5] * 500), 512)
    assert [one.n_past for one in checkpoints._all] == [100, 484]


def test_whole_ones_are_found_by_their_text_and_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(monkeypatch, part=False, most=10_000, every=100)
    computed(checkpoints, sequence_of([5] * 300), 512)
    computed(checkpoints, sequence_of([5] * 300, 1), 512)
    assert [one.n_past for one in checkpoints._all] == [100, 200, 284], "the same text is kept once"
    for text, scope, maximum, expected in (
        ([5] * 300, "", 299, 284),
        ([5] * 150 + [6] * 150, "", 299, 100),
        ([5] * 300, "", 250, 200),
        ([6] * 300, "", 299, 0),
        ([5] * 300, "other", 299, 0),
    ):
        found = checkpoints.alike(text, scope, maximum)
        assert (0 if found is None else found.n_past) == expected


def test_a_part_goes_with_the_last_sequence_that_holds_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = opened(monkeypatch, part=True, every=100)
    source, target = sequence_of([5] * 300), sequence_of([5] * 300, 1)
    computed(checkpoints, source, 512)
    checkpoints.shared(source, target, 200)
    checkpoints.cut(source, 150)
    assert [one.n_past for one in checkpoints._all] == [100, 200]
    assert checkpoints.held(source, 300) is checkpoints._all[0]
    assert checkpoints.held(target, 300) is checkpoints._all[1]
    assert checkpoints.alike([5] * 300, "", 299) is None
    checkpoints.cut(target, 0)
    checkpoints.cut(source, 0)
    assert (len(checkpoints), checkpoints.n_bytes) == (0, 0)
