"""Records what the program says, byte for byte, and compares: a change that should change nothing can be shown to.

`.venv/bin/python scripts/freeze.py record FOLDER | compare FOLDER`. Main thread. What is recorded stands in
tests/frozen: answers of every protocol, answers to made-up requests, what commands print, every text, and counts.
"""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from screen import Refused, Screen, run

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS: Final = ("words", "commands", "answers", "fuzzed", "counts")
MAX_LINES: Final = 40
"""So many lines of difference are shown of one file."""
KEPT: Final = ("PATH", "SYSTEMROOT", "TEMP", "TMP")
PLAIN: Final = {"HOSHIKAGE_LANG": "en", "COLUMNS": "100", "TZ": "UTC", "NO_COLOR": "1"}
"""The environment is this while a part is recorded, beside what is kept of it."""


def main(screen: Screen) -> int:
    parser = argparse.ArgumentParser(description=screen.text("freeze_about"))
    parser.add_argument("what", choices=("record", "compare"), help=screen.text("freeze_what_help"))
    parser.add_argument("folder", type=Path, help=screen.text("freeze_folder_help"))
    parser.add_argument("--only", choices=PARTS, action="append", help=screen.text("freeze_only_help"))
    options = parser.parse_args()
    folder: Path = options.folder.absolute()
    if options.what == "compare" and not folder.is_dir():
        raise Refused("freeze_nothing", folder=folder)
    result: dict[str, str] = {}
    for part in options.only or PARTS:
        with screen.step("freeze_part", part=part):
            result.update(recorded(part))
    if options.what == "record":
        write(folder, result)
        screen.say("freeze_recorded", count=len(result), folder=folder)
        return 0
    before = read(folder)
    if options.only:
        before = {name: text for name, text in before.items() if name in result}
    different = differences(before, result)
    for lines in different.values():
        screen.line("\n".join(lines[:MAX_LINES]))
        if len(lines) > MAX_LINES:
            screen.say("freeze_more", count=len(lines) - MAX_LINES)
    screen.say("freeze_differs" if different else "freeze_same", count=len(different or result))
    return 1 if different else 0


def recorded(part: str) -> dict[str, str]:
    """Maps each file name to the text of one part, recorded in an empty home."""
    with tempfile.TemporaryDirectory(prefix="hoshikage-freeze-") as name, _inside(Path(name).resolve()) as scratch:
        result: dict[str, str] = import_module(f"tests.frozen.{part}").record(scratch)
    return result


@contextmanager
def _inside(scratch: Path) -> Iterator[Path]:
    """An empty home is this process's, and `scratch` its working folder, until the block ends."""
    home = scratch / "home"
    home.mkdir()
    former, folder = dict(os.environ), Path.cwd()
    kept: dict[str, str] = {name: former[name] for name in KEPT if name in former}
    os.environ.clear()
    os.environ.update(kept, **PLAIN, HOME=str(home), USERPROFILE=str(home), APPDATA=str(home), LOCALAPPDATA=str(home))
    logging.disable()  # the faults are wanted here
    os.chdir(scratch)
    try:
        yield scratch
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(former)
        logging.disable(logging.NOTSET)


def write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))


def read(folder: Path) -> dict[str, str]:
    return {file.name: file.read_bytes().decode("utf-8", "surrogatepass") for file in sorted(folder.glob("*.txt"))}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str]]:
    """Maps a file name to the lines that differ, as `diff -u` shows them; only files that differ."""
    return {
        name: list(
            difflib.unified_diff(
                before.get(name, "").split("\n"), after.get(name, "").split("\n"), f"before/{name}", f"after/{name}",
                n=1, lineterm="",
            )
        )
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(main))
