"""Pictures and sound give mtmd's own answers, token for token: as LLaVA has them, Qwen2-VL (M-RoPE), Gemma 3 (not
causal) and Ultravox."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.engine.media_done import ALL_MODES, FEWER_MODES, KINDS, MODES
from tests.media_library import media_library
from tests.projector_files import GEMMA3_TOKENS, LLAVA_TOKENS, SOUND_TOKENS

pytestmark = [pytest.mark.native, pytest.mark.process]
Done = dict[str, Any]
RUN = [(kind, mode) for kind in KINDS for mode in (MODES if kind == ALL_MODES else FEWER_MODES)]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    command = [sys.executable, "-m", "tests.engine.media_done", str(media_library()), str(tmp_path_factory.mktemp("m"))]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: Done = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize(("kind", "mode"), RUN)
def test_answers_and_counts_are_mtmds_own(done: Done, kind: str, mode: str) -> None:
    """There are several conversations, of one picture to three, one behind the other or together; then each comes
    twice."""
    bare = done[kind]["bare small" if "small" in mode else "bare"]
    told = done[kind][mode]
    assert [(each["tokens"], each["prompt"]) for each in told["answers"]] == [
        (each["tokens"], each["prompt"]) for each in bare
    ]
    assert [each["tokens"] for each in told["again"]] == [each["tokens"] for each in bare for _ in range(2)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_answers_tell_pictures_apart(done: Done, kind: str) -> None:
    answers = [each["tokens"] for each in done[kind]["bare"]]
    assert len({*map(tuple, answers)}) == len(answers)
    assert done[kind]["one"]["sees"] == [kind != "ultravox", kind == "ultravox"]


@pytest.mark.parametrize("mode", [mode for mode in MODES if "prefix" in mode])
def test_a_kept_prompt_ends_before_a_picture_or_behind_it(done: Done, mode: str) -> None:
    """The same conversation again needs its last token alone; one that begins with another picture, all of that."""
    told = done["qwen2vl"][mode]
    first, again = told["again"][::2], told["again"][1::2]
    if "together" in mode:  # some begin while the first of them is still running
        assert any(each["cached"] for each in again)
    else:
        assert [each["cached"] for each in again] == [each["prompt"] - 1 for each in again]
        assert first[0]["cached"] == 0
    shares = [each["cached"] for each in told["answers"]]
    assert all(0 <= share < each["prompt"] for share, each in zip(shares, told["answers"], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_read_is_refused_alone(done: Done, kind: str) -> None:
    told = done[kind]["one"]
    unreadable = "engine.sound_unreadable" if kind == "ultravox" else "engine.picture_unreadable"
    assert told["nothing"] == {"error": unreadable, "kind": "InvalidRequest"}
    assert told["other"]["error"] == ("media.no_image" if kind == "ultravox" else "media.no_audio")
    if kind != "ultravox":
        assert told["broken"]["error"] == unreadable
    assert told["behind"]["tokens"] == done[kind]["bare"][0]["tokens"]


@pytest.mark.parametrize("kind", KINDS)
def test_choices_share_the_picture_and_counting_sees_it(done: Done, kind: str) -> None:
    told = done[kind]["one"]
    assert told["both choices"] == [done[kind]["bare"][2]["tokens"]] * 2
    assert told["counts"] == [each["prompt"] for each in done[kind]["bare"]]
    media = {"llava": LLAVA_TOKENS, "gemma3": GEMMA3_TOKENS, "ultravox": SOUND_TOKENS}.get(kind)
    if media is not None:
        assert told["counts"][3] - told["counts"][0] > 2 * media


def test_a_projector_that_does_not_fit_is_refused_in_the_librarys_words(done: Done) -> None:
    told = done["llava"]["misfit"]
    assert told["narrow"][:2] == ["ModelLoadFailed", "engine.projector_refused"]
    assert "mismatch between text model (n_embd = 64) and mmproj (n_embd = 48)" in told["narrow"][2]
    assert told["cut"][:2] == ["ModelLoadFailed", "model.gguf_incomplete"]
    assert told["text"][:2] == ["ModelLoadFailed", "model.mmproj_kind"]


def test_damaged_projectors_are_refused_or_used(tmp_path: Path) -> None:
    """A few bytes of the header are changed, or the file is cut off: none ends the process that loads it."""
    command = [sys.executable, "-m", "tests.engine.projector_damage", str(media_library()), str(tmp_path), "40", "1"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    for counts in json.loads(ran.stdout).values():
        assert {*counts} <= {"used", "refused by its header", "refused by the library"}
        assert counts["refused by its header"] > counts.get("used", 0)


def test_what_must_be_one_decode_is_refused_where_it_does_not_fit(done: Done) -> None:
    """The library would end its process."""
    told = done["gemma3"]["too small"]
    assert {each["error"] for each in (*told["answers"], *told["again"])} == {"engine.medium_large"}
