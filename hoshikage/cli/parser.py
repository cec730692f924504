"""Parses the command line: argparse with its words, its help and its errors in the user's language. Main thread."""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections.abc import Iterable
from functools import partial
from typing import Any, Final, NoReturn

from hoshikage.errors import UsageError
from hoshikage.messages import Language, text

REASONS: Final = (
    (re.compile(r"the following arguments are required: (?P<names>.+)"), "cli.missing_arguments"),
    (re.compile(r"unrecognized arguments: (?P<names>.+)"), "cli.unknown_arguments"),
    (re.compile(r"argument (?P<name>.+): expected .+"), "cli.missing_value"),
    (re.compile(r"argument (?P<name>.+): invalid \w+ value: '(?P<value>.*)'"), "cli.wrong_value"),
    (re.compile(r"argument (?P<name>.+): invalid choice: '(?P<value>.*)' \((?:choose from|.*:) (?P<allowed>.+)\)"),
     "cli.wrong_choice"),
)  # fmt: skip
"""These match argparse's error texts (3.10 to 3.14), which it offers in no other form. One not listed is shown as it
is."""


class Parser(argparse.ArgumentParser):
    """This parses the arguments of one command. Wrong use raises UsageError instead of leaving the process."""

    def __init__(self, *, language: Language, lenient: bool = True, **options: Any) -> None:
        """With `lenient`, `parse_known_args` gives back what it does not know."""
        formatter = partial(Formatter, language=language)
        super().__init__(**options, add_help=False, allow_abbrev=False, formatter_class=formatter)
        self.language = language
        self._lenient = lenient
        self._mixing = False
        self._positionals.title = self.text("cli.help_arguments")
        self._optionals.title = self.text("cli.help_options")

    def text(self, key: str, /, **details: object) -> str:
        return text(self.language, key, **details)

    def offer_help(self) -> None:
        self.add_argument("-h", "--help", action="help", help=self.text("cli.help_help"))

    def add_json(self) -> None:
        """Adds `--json`: main prints the result's data instead of its view."""
        self.add_argument("--json", action="store_true", help=self.text("cli.help_json"))

    def commands(self, *, dest: str) -> Commands:
        """Makes the verbs under this parser; `dest` is the attribute of the parsed arguments that names the chosen
        one."""
        action = self.add_subparsers(
            dest=dest,
            prog=self.prog,  # else argparse takes it from the usage line, whose first word is translated
            metavar=self.text("cli.help_command"),
            title=self.text("cli.help_commands"),
        )
        return Commands(action, self.language)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses as argparse does. A verb's parser itself refuses what it does not know, so that its help is named, and
        takes arguments behind options too, which argparse has not for those that may be left out."""
        if self._lenient or self._mixing:
            return super().parse_known_args(args, namespace)
        parsed = self._mixed if self._may_be_left_out() else super().parse_known_args
        result, unknown = parsed(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return result, unknown

    def _mixed(self, args: Any, namespace: Any) -> Any:
        self._mixing = True
        usage = self.format_usage().removeprefix(self.text("cli.help_usage") + ": ").strip()
        self.usage = usage.replace("%", "%%")  # argparse would cut an English word off its beginning
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing, self.usage = False, None

    def _may_be_left_out(self) -> bool:
        """Returns whether there are arguments without a name that need not be given."""
        return any(action.nargs in ("?", "*") for action in self._get_positional_actions())

    def error(self, message: str) -> NoReturn:
        for pattern, key in REASONS:
            if match := pattern.fullmatch(message):
                message = self.text(key, **match.groupdict())
                break
        raise UsageError("cli.usage", reason=message, help=f"{self.prog} --help")


class Commands:
    """A command's `register` adds its parser here."""

    def __init__(self, action: argparse._SubParsersAction[Parser], language: Language) -> None:
        self._action = action
        self.language = language

    def text(self, key: str, /, **details: object) -> str:
        return text(self.language, key, **details)

    def add(self, name: str, summary: str, *, aliases: Iterable[str] = ()) -> Parser:
        """Adds a new verb's parser. `summary` is its line in the list of verbs and the head of its own help."""
        parser = self._action.add_parser(
            name, language=self.language, lenient=False, help=summary, description=summary, aliases=tuple(aliases)
        )
        parser.offer_help()
        return parser


class Formatter(argparse.HelpFormatter):
    """This writes help whose lines are wrapped by the columns that they take: a Japanese character takes two."""

    def __init__(self, *args: Any, language: Language, **options: Any) -> None:
        super().__init__(*args, **options)
        self._language = language

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix or text(self._language, "cli.help_usage") + ": ")

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for part in text.splitlines() for line in wrap(part, width - len(indent)))


def wrap(words: str, width: int) -> list[str]:
    """Breaks words into lines of at most `width` columns, at spaces and between wide characters."""
    lines, line, columns = [], "", 0
    for piece in re.findall(r"[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+|\s+", words):
        size = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in piece)
        if columns + size > width and line.strip():
            lines.append(line.rstrip())
            line, columns = "", 0
            if piece.isspace():
                continue
        line, columns = line + piece, columns + size
    return [*lines, line.rstrip()]
