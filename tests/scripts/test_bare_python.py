"""Tests scripts that a person starts before anything is installed import the standard library alone."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Final

import pytest

from tests.conftest import ROOT

STARTED: Final = re.compile(r"(?<![\w/])python3 scripts/(\w+)\.py")
PAGES: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / ".ci" / "run", *(ROOT / "docs").glob("*.md"))
SCRIPTS: Final = sorted({name for page in PAGES for name in STARTED.findall(page.read_text("utf-8"))})


def test_the_documents_name_what_is_started_so() -> None:
    assert {"bench", "quickstart", "test"} <= {*SCRIPTS}


@pytest.mark.process
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_needs_no_package(name: str) -> None:
    code = f"import sys; sys.path[:0] = {[str(ROOT / 'scripts'), str(ROOT)]!r}; import {name}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
