"""A sequence's state that was copied and put back is gone on from as if nothing had happened, whatever it is of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import RELEASES, ROOT, SPOILING
from tests.engine_models import write_llama, write_mamba
from tests.hybrid_models import write_jamba, write_lfm2
from tests.tiny_decoders import write_decoder

WRITE: Final[dict[str, Callable[[Path], Path]]] = {
    "llama": write_llama,
    "mamba": write_mamba,
    "lfm2": write_lfm2,
    "jamba": write_jamba,
    "gemma2": lambda file: write_decoder(file, "gemma2", window=64),
}
OLD: Final = {RELEASES[0]: ("llama", "mamba"), SPOILING: ("llama", "mamba", "gemma2")}
"""These can be loaded by the releases that know no parts of a state."""
WHOLE: Final = {("b6301", "lfm2"), ("b6301", "jamba")}
"""Of these that release leaves out nothing."""
NOISE: Final = 0.02
"""The noise is of logits of the size of 10, where a sequence's cells stand elsewhere; on the wrong state they are off
by 0.5."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: write(folder / f"{kind}.gguf") for kind, write in WRITE.items()}


@pytest.mark.parametrize("release", [*RELEASES, SPOILING])
def test_a_state_put_back_is_the_state(
    release: str, libraries: dict[str, Path], spoiling_library: Path, models: dict[str, Path]
) -> None:
    library = libraries.get(release, spoiling_library)
    for kind in OLD.get(release, WRITE):
        command = [sys.executable, "-m", "tests.llama.states_put_back", str(library), str(models[kind])]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stderr[-2000:]
        found: dict[str, Any] = json.loads(ran.stdout)
        assert found["damaged"] is False
        assert found["has_part"] is (release not in OLD)
        assert found["n_sequences"] == (1 if release in OLD and kind == "mamba" else 2)
        assert max(found["whole_off"], found.get("part_off", 0), found.get("other_off", 0)) < NOISE, kind
        if found["has_part"]:
            is_whole = kind in ("llama", "mamba") or (release, kind) in WHOLE
            assert (found["part"] == found["whole"]) is is_whole, kind
