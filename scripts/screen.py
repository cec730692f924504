"""Knows what a script shows and in which language; how it ends. Main thread; standard library only."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

ROOT: Final = Path(__file__).resolve().parent.parent
"""This is the clone. Its package is imported from here for what it already knows, before it is installed."""
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from texts import TEXTS  # noqa: E402  the path has to be set first

MIN_PYTHON: Final = (3, 10)
if sys.version_info < MIN_PYTHON:  # before anything of the package is imported, which an older Python cannot read
    sys.exit("\n".join(words.format(found=sys.version.split()[0]) for words in TEXTS["python_too_old"]))

from hoshikage.errors import HoshikageError  # noqa: E402
from hoshikage.messages import LANGUAGES, Language, describe, language_of  # noqa: E402

INDENT: Final = "      "


class Refused(Exception):
    """A step failed. `key` is a row of TEXTS and `details` fill it."""

    def __init__(self, key: str, /, **details: object) -> None:
        super().__init__(key)
        self.key = key
        self.details = details


class Screen:
    """Prints steps and progress to stdout, as they come."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._count = 0
        self._columns = 0

    def text(self, key: str, /, **details: object) -> str:
        return TEXTS[key][LANGUAGES.index(self.language)].format_map(details)

    def say(self, key: str, /, **details: object) -> None:
        self.line(self.text(key, **details))

    def line(self, words: str = "") -> None:
        self._wipe()
        print(words, flush=True)

    def note(self, words: str) -> None:
        """Writes a line that belongs to the running step."""
        self.line("\n".join(INDENT + line for line in words.splitlines()))

    def write(self, words: str) -> None:
        """Writes a piece of a line, at once."""
        print(words, end="", flush=True)

    def progress(self, words: str) -> None:
        """Shows what goes on just now: replaces the last progress on a terminal, and is left out elsewhere."""
        if sys.stdout.isatty():
            self._wipe()
            shown = (INDENT + words)[: os.get_terminal_size().columns - 1]
            self.write(shown)
            self._columns = 2 * len(shown)  # a Japanese character takes two

    @contextmanager
    def step(self, key: str, /, **details: object) -> Iterator[Callable[[], None]]:
        """Shows a step with its head and its time. What it yields is to be called where nothing was left to do."""
        self._count += 1
        self.line(f"[{self._count}] {self.text(key, **details)}")
        ending = ["step_done"]
        started = time.monotonic()
        yield lambda: ending.__setitem__(0, "step_ready")
        self.note(self.text(ending[0], seconds=time.monotonic() - started))

    def _wipe(self) -> None:
        if self._columns:
            self.write("\r" + " " * min(self._columns, os.get_terminal_size().columns - 1) + "\r")
            self._columns = 0


def run(body: Callable[[Screen], int]) -> int:
    """Returns the exit status of a script's body; its failures become one message on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), _leave)
    screen = Screen(language_of(os.environ))
    try:
        return body(screen)
    except Refused as refused:
        reason = screen.text(refused.key, **refused.details)
    except HoshikageError as error:
        reason = describe(screen.language, error)
    except KeyboardInterrupt:
        screen.line()
        screen.say("interrupted")
        return 130
    screen.line()
    print(screen.text("error", reason=reason), file=sys.stderr, flush=True)
    return 1


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    """A closed terminal or a SIGTERM ends a script as Ctrl-C does, so that its children are ended too."""
    raise KeyboardInterrupt
