"""Brings what the tests need and runs all of them: environment, libllama releases, ruff, mypy, pytest.

`python3 scripts/test.py [--fast] [--matrix] [--nightly] [pytest arguments]`. Main thread; standard library only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Final

import libraries
from bootstrap import Environment, prepare
from screen import ROOT, Refused, Screen, run

MATRIX: Final = ROOT / "scripts" / "matrix.py"
NIGHTLY: Final = {"STRESS_ANSWERS": "1000"}
"""What makes tests long that are short otherwise."""
LINTERS: Final = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))


def main(screen: Screen) -> int:
    parser = argparse.ArgumentParser(
        description=screen.text("test_about"), usage="test.py [--fast] [--matrix] [--nightly] [pytest ...]"
    )
    parser.add_argument("--fast", action="store_true", help=screen.text("test_fast_help"))
    parser.add_argument("--matrix", action="store_true", help=screen.text("test_matrix_help"))
    parser.add_argument("--nightly", action="store_true", help=screen.text("test_nightly_help"))
    options, pytest_arguments = parser.parse_known_args()
    with screen.step("test_environment") as nothing_to_do:
        environment, changed = prepare(screen, ("test", "dev"))
        if not changed:
            nothing_to_do()
    wanted = libraries.table() if options.matrix else libraries.needed()
    with screen.step("test_libraries", count=len(wanted)) as nothing_to_do:
        if not libraries.bring(screen, wanted):
            nothing_to_do()
    if not options.fast:
        _lint(screen, environment)
    if options.matrix:
        with screen.step("test_matrix", count=len(wanted)):
            if subprocess.run([environment.python, MATRIX], cwd=ROOT, check=False).returncode != 0:
                raise Refused("test_matrix_failed")
    screen.line()
    variables = {libraries.TEST_LIBS: str(libraries.folder()), **(NIGHTLY if options.nightly else {})}
    return _call(environment, variables, "pytest", *pytest_arguments)


def _lint(screen: Screen, environment: Environment) -> None:
    """Runs every linter, so that one look shows what all of them found. Raises Refused."""
    failed = []
    for tool, *arguments in LINTERS:
        shown = " ".join([tool, *arguments])
        with screen.step("test_tool", tool=shown):
            if _call(environment, {}, tool, *arguments) != 0:
                failed.append(shown)
    if failed:
        raise Refused("test_tool_failed", tool=", ".join(failed))


def _call(environment: Environment, variables: dict[str, str], module: str, *arguments: str) -> int:
    """A tool of the environment, in the clone, its output shown as it comes."""
    command = [str(environment.python), "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode


if __name__ == "__main__":
    sys.exit(run(main))
