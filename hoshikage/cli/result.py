"""Holds what a command gives back, and is the one place that prints. Main thread.

Answers go to stdout; errors, notes and progress go to stderr. rich is imported when something is drawn with it.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from hoshikage.errors import HoshikageError, UsageError
from hoshikage.frozen import Frozen
from hoshikage.messages import Language, text

if TYPE_CHECKING:
    from rich.console import Console

WIDE: Final = 400
"""Output that is not a terminal has so many columns: a pipe or a file gets whole lines, not lines cut at 80."""


CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""These are all control characters but the tab and the line's end. What joins emoji stays."""
TURNS: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Turns the order of letters round: right in a text in Arabic, but it would disguise a name."""


class CommandResult(Frozen, frozen=True):
    """`data` is printed for `--json`; else `lines` are, and `view` draws on the console it is given."""

    exit_status: int = 0
    data: Any = None
    view: Callable[[Console], None] | None = None
    lines: tuple[str, ...] = ()


def show(result: CommandResult, *, as_json: bool) -> int:
    """Prints a result and gives its exit status."""
    if as_json:
        print(json.dumps(result.data, ensure_ascii=False, indent=2))
    else:
        for line in result.lines:
            print(printable(line))
        if result.view is not None:
            result.view(console())
    sys.stdout.flush()
    return result.exit_status


def show_error(error: HoshikageError, language: Language) -> int:
    """Writes one message on stderr, and returns the exit status: the error's, 1 where it has none of its own."""
    mark, words = text(language, "cli.error"), text(language, error.key, **error.details)
    print(f"{mark}: {printable(words)}", file=sys.stderr)
    return error.exit_status if isinstance(error, UsageError) else 1


def show_unexpected(error: BaseException, language: Language, *, debug: bool) -> int:
    """Shows an error nobody foresaw: its traceback for `LOG_LEVEL=debug`, else how to see it."""
    if debug:
        traceback.print_exception(type(error), error, error.__traceback__)
    shown = f"{type(error).__name__}: {error}"
    print(f"{text(language, 'cli.error')}: {text(language, 'cli.unexpected', error=shown)}", file=sys.stderr)
    return 1


def console(*, progress: bool = False) -> Console:
    """Makes a console on stdout, or on stderr for progress. Square brackets in texts are texts, not markup."""
    from rich.console import Console
    from rich.text import Text

    class Cleaning(Console):
        """Every string that is drawn comes by here; what a command makes a Text of has been through `one_line`."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options)

    file = sys.stderr if progress else sys.stdout
    narrow = file.isatty() or "COLUMNS" in os.environ
    return Cleaning(file=file, markup=False, highlight=False, emoji=False, width=None if narrow else WIDE)


def write(words: str) -> None:
    """Writes a piece of an answer, at once, without a line's end."""
    sys.stdout.write(printable(words) if sys.stdout.isatty() else words)
    sys.stdout.flush()


def note(line: str) -> None:
    """Writes a line for the person, beside the answer."""
    print(printable(line), file=sys.stderr, flush=True)


def transient(words: str) -> None:
    """Writes a line on the terminal that the next one, or nothing (`""`), takes the place of; nowhere else is it
    shown."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{printable(words)}")
        sys.stderr.flush()


def ask(prompt: str) -> str:
    """Returns the next line that a person types. Raises EOFError, KeyboardInterrupt."""
    return input(prompt)


def printable(words: str) -> str:
    """Returns the text without control characters, with which a model or a file could drive the terminal."""
    return CONTROLS.sub("\ufffd", words.replace("\r", ""))


def one_line(words: str) -> str:
    """Makes a value from elsewhere, as a name of a file or a text of a person's, fit for one line of a list."""
    return TURNS.sub("\ufffd", printable(words.replace("\n", "\\n"))).replace("\t", " ")


def prepare_streams() -> None:
    """A character that the terminal's encoding lacks becomes a question mark instead of an exception."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def drop_stdout() -> None:
    """Drops stdout after a reader such as `head` has gone: what is left to flush at exit goes nowhere, without a
    traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
