"""Makes the command line's options for a model's or a persona's own settings, one for each row of options.OWN."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from hoshikage.cli.parser import Parser
from hoshikage.errors import UsageError
from hoshikage.option import Option
from hoshikage.options import OWN
from hoshikage.registry import is_file, read_template

METAVARS: Final = {int: "N", float: "X", str: "FILE|chatml|gguf:NAME", list: "FILE[:SCALE]"}
FORMS: Final = {"tensor_split": "X,Y,…", "override_tensor": "REGEX=BUFFER,…"}
"""Options that have a form are checked by it."""
FILES: Final = ("draft", "mmproj")
"""These options name one file."""
LISTS: Final = {row.name: row.parse for row in OWN if row.kind is list}
"""Maps the lists of files with scales, by name, to what divides one into both."""
Number = TypeVar("Number", int, float)


def add_options(parser: Parser, rows: Iterable[Option]) -> None:
    """Adds `--n-ctx N` and the like; a switch as what it is not by default, and its way back: `--pin`, `--no-pin`."""
    group = parser.add_argument_group(parser.text("cli.help_model_options"), parser.text("cli.help_may_go"))
    for row in rows:
        words = parser.text(f"option.{row.name}")
        if row.kind is bool:
            back = parser.text("cli.help_way_back", flag=row.flag)
            for flag, value, help_ in ((row.flag, not row.usual, words), (row.way_back, row.usual, back)):
                group.add_argument(flag, dest=row.name, action="store_const", const=value, help=help_)
        else:
            metavar = "|".join((*(["N"] if row.kind is int else []), *row.words)) if row.words else METAVARS[row.kind]
            if row.form:
                metavar = FORMS[row.name]
            elif row.name in FILES:
                metavar = "FILE"
            action = "append" if row.kind is list else "store"
            group.add_argument(row.flag, dest=row.name, metavar=metavar, help=words, action=action)


def chosen(args: argparse.Namespace, rows: Iterable[Option]) -> dict[str, Any]:
    """Returns the options that were given, by name. Raises UsageError; ModelLoadFailed for a template that cannot be
    read."""
    result: dict[str, Any] = {}
    rows = tuple(rows)
    for row in rows:
        value = getattr(args, row.name)
        if value is not None:
            result[row.name] = _read(row, [] if value == [""] else value)
    template = result.get("chat_template")
    if template and is_file(template):
        result["chat_template"] = str(Path(template).absolute())
        read_template(result["chat_template"])
    for name in FILES:
        if result.get(name):
            result[name] = str(Path(result[name]).absolute())
    for row in (row for row in rows if row.kind is list and result.get(row.name)):
        result[row.name] = [f"{Path(path).absolute()}:{scale:f}" for path, scale in map(row.parse, result[row.name])]
    return result


def number_of(name: str, value: str, kind: Callable[[str], Number], minimum: float, maximum: float) -> Number:
    """Returns the number that was typed behind the option `name`. Raises UsageError."""
    try:
        result = kind(value)
        if not minimum <= result <= maximum:  # refuses NaN too
            raise ValueError(value)
    except ValueError:
        raise UsageError("cli.wrong_choice", name=name, value=value, allowed=f"{minimum} … {maximum}") from None
    return result


def shown(options: Mapping[str, Any]) -> str:
    """Writes options as `n_ctx=8192 temperature=0.7`; needs no translation."""
    return " ".join(f"{name}={_checked(name, value)}" for name, value in options.items())


def _checked(name: str, value: Any) -> str:
    """Shows files with their scales as `style.gguf:0.8,calm.gguf:1`."""
    if name not in LISTS:
        return _short(value)
    return ",".join(f"{Path(path).name}:{scale:g}" for path, scale in map(LISTS[name], value))


def _read(row: Option, value: bool | str | list[str]) -> Any:
    if isinstance(value, bool):
        return value if value != row.usual else ""  # what is usual need not be said: the entry's own goes away
    try:
        return row.check(value) if isinstance(value, list) else row.read(value)
    except ValueError:
        raise UsageError("cli.wrong_choice", name=row.flag, value=_short(value), allowed=row.allowed) from None


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_short, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else Path(value).name if isinstance(value, str) else str(value)
