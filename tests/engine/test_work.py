"""Embeddings, scores and gaps with each generation of libraries: an encoder, a reranker and a model made for text."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import NEWEST, RELEASES, ROOT
from tests.small_models import with_gaps, write_encoder

MEAN, CLS, RANK = 1, 2, 4
LONG: Final = "zqxj" * 70
NEAR: Final = 0.05
"""Releases differ in how they round; vectors of length 1 are this near, or they are of something else."""
Done = Mapping[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, demo_model: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "text": demo_model,
        "gaps": with_gaps(demo_model, folder / "gaps.gguf"),
        "mean": write_encoder(folder / "mean.gguf", MEAN),
        "cls": write_encoder(folder / "cls.gguf", CLS),
        "rank": write_encoder(folder / "rank.gguf", RANK),
    }


WORKS: Final[dict[str, list[list[Any]]]] = {
    "text": [
        ["Embedding", [["Hello", LONG, "Hello"]]],
        ["Embedding", [["Hello"], 8]],
        ["Ranking", ["star", ["night"]]],
        ["InfillPrompt", ["a", "b"]],
        ["Embedding", [[LONG] * 2000], "cancelled"],
        ["Embedding", [["Hello"]]],
    ],
    "gaps": [["InfillPrompt", ["ab", "c"]], ["InfillPrompt", ["ab", "c", [["file", "d"]]]]],
    "mean": [["Embedding", [["star night", "night star", "cat"]]], ["TextPrompt", ["star"]]],
    "cls": [["Embedding", [["star night"]]], ["Embedding", [["dog " * 63]]]],
    "rank": [["Ranking", ["star", ["night", "dog"]]], ["Embedding", [["star"]]]],
}


@pytest.fixture(scope="module", params=RELEASES)
def done(request: pytest.FixtureRequest, libraries: dict[str, Path], files: dict[str, Path]) -> Done:
    return run(libraries[request.param], files)


@pytest.fixture(scope="module")
def newest(libraries: dict[str, Path], files: dict[str, Path]) -> Done:
    return run(libraries[NEWEST], files)


def run(library: Path, files: dict[str, Path]) -> Done:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.engine.work_done", str(library)],
        input=json.dumps([[str(files[name]), works] for name, works in WORKS.items()]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    return dict(zip(WORKS, json.loads(ran.stdout), strict=True))


def distance(one: list[float], other: list[float]) -> float:
    return math.dist(one, other)


@pytest.mark.parametrize("model", ["text", "mean", "cls"])
def test_vectors_have_length_one_and_are_those_of_the_newest(done: Done, newest: Done, model: str) -> None:
    found, expected = done[model][0]["vectors"], newest[model][0]["vectors"]
    assert len(found) == len(WORKS[model][0][1][0])
    for one, other in zip(found, expected, strict=True):
        assert math.hypot(*one) == pytest.approx(1, abs=1e-5)
        assert distance(one, other) < NEAR


def test_a_text_of_several_batches_leaves_nothing_behind(done: Done) -> None:
    first, long, again = done["text"][0]["vectors"]
    assert first == pytest.approx(again, abs=1e-6)
    assert distance(first, long) > NEAR
    assert len(done["text"][0]["progress"]) > 4


def test_work_that_is_cancelled_ends_and_the_next_is_done(done: Done) -> None:
    cancelled, after = done["text"][4:]
    assert cancelled["reason"] == "cancelled"
    assert len(cancelled["vectors"]) < 2000
    assert after["vectors"][0] == pytest.approx(done["text"][0]["vectors"][0], abs=1e-6)


def test_fewer_numbers_are_the_first_ones_at_length_one(done: Done) -> None:
    whole, short = done["text"][0]["vectors"][0][:8], done["text"][1]["vectors"][0]
    assert short == pytest.approx([x / math.hypot(*whole) for x in whole], abs=1e-5)


def test_an_encoder_sees_order_and_writes_nothing(done: Done) -> None:
    one, other, third = done["mean"][0]["vectors"]
    assert min(distance(one, other), distance(one, third)) > 1e-3
    assert done["mean"][1]["error"] == "engine.no_writer"
    assert done["cls"][1]["error"] == "engine.input_too_long"


def test_the_first_token_and_the_mean_are_two_things(done: Done) -> None:
    assert distance(done["mean"][0]["vectors"][0], done["cls"][0]["vectors"][0]) > NEAR


def test_a_reranker_scores_and_does_not_embed(done: Done, newest: Done) -> None:
    assert done["rank"][0]["scores"] == pytest.approx(newest["rank"][0]["scores"], abs=NEAR)
    assert len(set(done["rank"][0]["scores"])) == 2
    assert done["rank"][0]["prompt_tokens"] == 2 * len(["[CLS]", "star", "[SEP]", "night", "[SEP]"])
    assert done["rank"][1]["error"] == "engine.no_embedder"
    assert done["text"][2]["error"] == "engine.no_ranker"


def test_a_gap_is_framed_by_its_tokens_where_the_model_has_them(done: Done) -> None:
    assert done["text"][3]["error"] == "engine.no_infill"
    plain, with_file = done["gaps"]
    assert plain["echo"] == "<|endoftext|>ab<|im_start|>c<|im_end|>"
    assert with_file["echo"] == "\n\n--- snippet ---\n\nd\n" + plain["echo"]
