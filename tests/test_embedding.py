"""Tests hoshikage.Engine and AsyncEngine: a model in this process, over a real library; and the example of the
manual."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

import hoshikage
from hoshikage.errors import InvalidRequest, ModelLoadFailed, SettingInvalid

EXAMPLE: Final = Path(__file__).resolve().parent.parent / "examples" / "embedding.py"
QUESTION: Final = "星影とは何ですか？"


@pytest.fixture
def engine(home: Path, library_file: Path, demo_model: Path) -> Iterator[hoshikage.Engine]:
    with hoshikage.Engine(model=demo_model, library=library_file, n_ctx=512) as engine:
        yield engine


@pytest.mark.process
def test_an_answer_whole_and_piece_by_piece(engine: hoshikage.Engine) -> None:
    pieces = list(engine.stream([{"role": "user", "content": QUESTION}], temperature=0))
    assert len(pieces) > 5
    assert engine.chat(QUESTION, temperature=0) == "".join(pieces)
    assert "星影" in "".join(pieces)
    schema = {"type": "object", "properties": {"name": {"enum": ["星影"]}}, "required": ["name"]} | {
        "additionalProperties": False
    }
    told = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    assert json.loads(engine.chat(QUESTION, response_format=told, max_tokens=40)) == {"name": "星影"}


@pytest.mark.process
def test_an_answer_left_early_gives_its_place_up_and_close_may_come_twice(engine: hoshikage.Engine) -> None:
    for _ in range(3):
        with closing(engine.stream(QUESTION, temperature=0)) as pieces:
            assert next(pieces)
    assert engine.chat(QUESTION, temperature=0, max_tokens=2)
    engine.close()
    engine.close()
    assert "hoshikage-engine" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.process
async def test_two_answers_at_once(home: Path, library_file: Path, demo_model: Path) -> None:
    async with hoshikage.AsyncEngine(model=demo_model, library=library_file, n_ctx=1024, n_parallel=2) as engine:
        alone = [await engine.chat(question, temperature=0) for question in ("こんにちは", QUESTION)]
        both = await asyncio.gather(*(engine.chat(question, temperature=0) for question in ("こんにちは", QUESTION)))
    assert both == alone
    assert all(alone)


@pytest.mark.process
def test_what_cannot_be_is_refused(engine: hoshikage.Engine, home: Path, tmp_path: Path, library_file: Path) -> None:
    with pytest.raises(TypeError, match="not tools"):
        engine.chat(QUESTION, tools=[])
    with pytest.raises(InvalidRequest) as refused:
        engine.chat(QUESTION, temperature="hot")
    assert refused.value.param == "temperature"
    with pytest.raises(TypeError, match="unknown settings: N_CTXX"):
        hoshikage.Engine("model.gguf", n_ctxx=1)
    with pytest.raises(SettingInvalid):
        hoshikage.Engine("model.gguf", n_ctx="many")
    with hoshikage.Engine(tmp_path / "missing.gguf", library_file) as other, pytest.raises(ModelLoadFailed):
        other.chat(QUESTION)


@pytest.mark.process
def test_the_example_runs(home: Path, library_file: Path, demo_model: Path) -> None:
    ran = subprocess.run(
        [sys.executable, EXAMPLE, demo_model, library_file], capture_output=True, text=True, timeout=120, check=True
    )
    assert len(ran.stdout.splitlines()) == 4
    assert "GGUF" in ran.stdout


def test_the_server_does_not_pay_for_it() -> None:
    assert set(hoshikage.__all__) == {"AsyncEngine", "Engine", "__version__"}
    with pytest.raises(AttributeError, match="Engines"):
        hoshikage.Engines  # noqa: B018 - the lookup is what is tested
