"""Tests what native code finds when it is loaded: no debugger is to be run on a process that aborts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native.bad_libraries import build

pytestmark = pytest.mark.process

ABORTING = """
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void f(void) {
    fprintf(stderr, "backtrace off: %s\\n", getenv("GGML_NO_BACKTRACE"));
    abort();
}
"""
START = "import sys; from hoshikage.runner.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("program", ["check", "calibrate", "runner"])
def test_no_backtrace_is_asked_for_before_a_library_is_loaded(program: str, tmp_path: Path) -> None:
    file = tmp_path / "libllama.so"
    build(file, ABORTING)
    arguments = {
        "check": ["-m", "hoshikage.runner.check", str(file)],
        "calibrate": ["-m", "hoshikage.runner.calibrate", str(file), "--model", "x", "--journal", str(tmp_path / "j")],
        "runner": ["-c", START, str(file), "20", str(os.getpid())],
    }[program]
    environ = {name: value for name, value in os.environ.items() if name != "GGML_NO_BACKTRACE"}
    with subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert "backtrace off: 1" in said
    assert process.returncode < 0
