"""Tests what /v1/status says of the library in use, and what the log says of a model that was loaded."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from hoshikage.dispatch.status import ChosenLibrary, chosen
from hoshikage.infos import ModelInfo
from hoshikage.messages import text
from tests.dispatch.fake_host import MODEL, FakeHouse, choice
from tests.dispatch.test_lifecycle import lifecycle, load


def test_the_release_is_told_where_only_the_files_beside_the_library_know_it() -> None:
    known = replace(choice("slot"), release="b5590")
    assert chosen(known, "unknown") == ChosenLibrary(known.installed, str(known.found), known.release, "b5590")
    assert chosen(known, "v0.5.0") == ChosenLibrary(known.installed, str(known.found), known.release, "v0.5.0")
    assert chosen(None, "unknown") is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (MODEL, []),
        (replace(MODEL, is_busy=True, n_threads=3), [("INFO", text("en", "dispatch.log_busy", threads=3))]),
        (replace(MODEL, warnings=("engine.one_sequence",)), [("WARNING", text("en", "engine.one_sequence"))]),
        (
            replace(MODEL, purposes=("embeddings",)),
            [("INFO", text("en", "dispatch.log_no_text", label="a", purposes="embeddings"))],
        ),
    ],
)
async def test_what_is_not_as_usual_is_in_the_log(
    model: ModelInfo, expected: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    house = FakeHouse()
    house.model = model
    caplog.set_level(logging.INFO)
    await load(lifecycle(house), "a")
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said[2:] == expected, "behind that it is loading, and that it is loaded"
