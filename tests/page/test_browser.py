"""Debian's Chromium drives the page: every case of `web/tests`, against real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.media_library import media_library
from tests.projector_files import write_llava, write_qwen2vl, write_qwen2vl_text, write_ultravox
from tests.tiny_decoders import write_decoder

PATIENCE_S: Final = 460
pytestmark = [pytest.mark.page, pytest.mark.process]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with tiny models and, apart from them, their projectors."""
    write_decoder(tmp_path / "star.gguf")
    write_qwen2vl_text(tmp_path / "qwen2vl.gguf")
    projectors = tmp_path / "projectors"
    projectors.mkdir()
    for name, write in (("pictures", write_llava), ("sound", write_ultravox), ("qwen2vl", write_qwen2vl)):
        write(projectors / f"{name}.gguf")
    return tmp_path


def test_every_case_in_the_browser(packages: Path, chromium: str, libraries: dict[str, Path], models: Path) -> None:
    cases = sorted(str(file.relative_to(packages)) for file in (packages / "tests").glob("*.test.mjs"))
    assert cases
    folder = libraries["v0.5.0"].parents[3]
    environ = {
        **os.environ, "CHROMIUM": chromium, "HOSHIKAGE_PYTHON": sys.executable, "HOSHIKAGE_TEST_LIBS": str(folder),
        "HOSHIKAGE_TEST_MTMD": str(media_library()), "HOSHIKAGE_PAGE_MODELS": str(models),
    }  # fmt: skip
    command = ["node", "--test", "--test-concurrency=2", "--test-reporter=spec", *cases]
    running = subprocess.Popen(
        command, cwd=packages, env=environ, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = running.communicate(timeout=PATIENCE_S)
    finally:
        with suppress(ProcessLookupError):  # servers and browsers of a run that was given up
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 0, said
