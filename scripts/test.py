"""Brings what a lane of the tests needs and runs it: environment, libllama releases, ruff, mypy, pytest.

`python3 scripts/test.py [--full] [--matrix] [--fast] [pytest arguments]`. Main thread; standard library only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Final

import lanes
import libraries
from bootstrap import Environment, prepare
from lanes import LANES, Lane
from screen import ROOT, Refused, Screen, run

MATRIX: Final = ROOT / "scripts" / "matrix.py"
OLDEST: Final = ("--python-version", "3.10") if sys.version_info < (3, 12) else ()
"""Types are checked for the oldest Python where the packages' own types can be read so: numpy's for 3.12 cannot."""
LINTERS: Final = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy", *OLDEST))


def main(screen: Screen) -> int:
    options, pytest_arguments = parser(screen).parse_known_args()
    lane: Lane = options.lane or (lanes.FULL if options.matrix else lanes.UNIT)
    with screen.step("test_environment") as nothing_to_do:
        environment, changed = prepare(screen, lane.extras)
        if not changed:
            nothing_to_do()
    _bring_libraries(screen, "all" if options.matrix else lane.libraries)
    if lane.lint and not options.fast:
        _lint(screen, environment)
    if options.matrix:
        _examine(screen, environment)
    screen.line()
    variables = {libraries.TEST_LIBS: str(libraries.folder()), **lane.variables}
    chosen = ("-m", marks) if (marks := lanes.marks(lane)) else ()
    return _call(environment, variables, "pytest", *chosen, *lane.arguments, *pytest_arguments)


def parser(screen: Screen) -> argparse.ArgumentParser:
    """Makes an option for every lane; at most one of them may be given."""
    made = argparse.ArgumentParser(
        description=screen.text("test_about"), usage="test.py [--LANE] [--matrix] [pytest …]"
    )
    one = made.add_mutually_exclusive_group()
    for lane in LANES:
        words = screen.text(f"test_{lane.name}_help")
        one.add_argument(f"--{lane.name}", dest="lane", action="store_const", const=lane, help=words)
    made.add_argument("--matrix", action="store_true", help=screen.text("test_matrix_help"))
    made.add_argument("--fast", action="store_true", help=screen.text("test_fast_help"))
    return made


def _bring_libraries(screen: Screen, which: str) -> None:
    wanted = {"none": (), "tested": libraries.needed(), "all": libraries.table()}[which]
    if wanted:
        with screen.step("test_libraries", count=len(wanted)) as nothing_to_do:
            if not libraries.bring(screen, wanted):
                nothing_to_do()


def _examine(screen: Screen, environment: Environment) -> None:
    """Examines every release of libllama. Raises Refused where one does not agree."""
    with screen.step("test_matrix", count=len(libraries.table())):
        if subprocess.run([environment.python, MATRIX], cwd=ROOT, check=False).returncode != 0:
            raise Refused("test_matrix_failed")


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
    """Runs a tool of the environment in the clone; its output is shown as it comes."""
    command = [str(environment.python), "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode


if __name__ == "__main__":
    sys.exit(run(main))
