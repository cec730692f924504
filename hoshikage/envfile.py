"""Reads a `.env` file: the variables in it, and the lines that say nothing. Any thread; blocking; no state."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hoshikage.errors import SettingInvalid
from hoshikage.frozen import Frozen

if TYPE_CHECKING:
    from dotenv.parser import Binding

MAX_BYTES: Final = 1 << 20
"""A `.env` file may have this many bytes; one that has more was not written by a person."""


class EnvFile(Frozen, frozen=True):
    """An EnvFile holds what a `.env` file says, and which of its lines nobody could read."""

    values: dict[str, str | None]
    damaged_lines: tuple[int, ...]
    """`damaged_lines` has the numbers of the lines that are no `NAME=value`; they were passed over."""


def read(file: Path) -> EnvFile | None:
    """Reads the file; None where there is none. Raises SettingInvalid for one that is unreadable, too large or not
    UTF-8."""
    try:
        if not file.is_file():
            return None
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingInvalid("settings.env_unreadable", file=str(file), reason=reason) from None
    if len(content) > MAX_BYTES:
        raise SettingInvalid("settings.env_too_large", file=str(file), most=MAX_BYTES)
    try:
        words = content.decode("utf-8-sig")  # editors on Windows begin a file with a mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingInvalid("settings.env_encoding", file=str(file), line=line, offset=error.start) from None
    from dotenv import dotenv_values  # only here: most folders have no such file
    from dotenv.parser import parse_stream

    bindings = list(parse_stream(StringIO(words)))
    # What is damaged is left out beforehand: python-dotenv would tell it by itself, in English and without the file.
    sound = "".join(binding.original.string for binding in bindings if not _is_damaged(binding))
    damaged = tuple(_line(binding) for binding in bindings if _is_damaged(binding))
    return EnvFile(dict(dotenv_values(stream=StringIO(sound))), damaged)


def _is_damaged(binding: Binding) -> bool:
    """Returns whether it is no `NAME=value`; a name alone is none. Comments and empty lines have no name."""
    return binding.error or (binding.key is not None and binding.value is None)


def _line(binding: Binding) -> int:
    """Returns the number of its line; python-dotenv counts from the empty lines above it."""
    words = binding.original.string
    above = words[: len(words) - len(words.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\r|\n", above))
