"""Tests what the library keeps of a long text after it is embedded: as much as is estimated, and no more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hoshikage.gguf.memory import F32_BYTES, MIB
from tests.small_models import write_encoder

SHORT, LONG, WORDS = "cat dog", "star " * 500, 60_000
ROOM = len(LONG.split()) * WORDS * F32_BYTES
"""The long text would have so many bytes of the logits that nobody computes."""


def embedded(library: Path, model: Path, n_batch: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        subprocess.run(
            [sys.executable, "-m", "tests.engine.embedding_room_done", str(library), str(model), str(n_batch)],
            input=json.dumps([SHORT, LONG, SHORT]),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
    )
    return found


@pytest.mark.native
def test_what_a_text_longer_than_a_batch_took_is_given_back(library_file: Path, tmp_path: Path) -> None:
    model = write_encoder(tmp_path / "large.gguf", 1, n_ctx=512, more_words=WORDS)
    found = embedded(library_file, model, 64)
    first, after, again = found["done"]
    assert found["most"] - first["held"] > ROOM, "the library no longer takes it: has_outgrown can go"
    assert after["held"] - first["held"] < ROOM / 4
    assert after["prompt_tokens"] == 502
    assert again["vectors"] == first["vectors"], "the context that is made anew computes the same"
    kept = embedded(library_file, model, 512)["done"]
    assert kept[2]["held"] - kept[0]["held"] > ROOM - 8 * MIB, "what is estimated is kept, and no context made anew"
    assert kept[1]["vectors"] == after["vectors"]
