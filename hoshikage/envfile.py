"""A `.env` file: the variables in it, and the lines that say nothing. Any thread; blocking; no state."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from hoshikage.errors import SettingInvalid


@dataclass(frozen=True, slots=True)
class EnvFile:
    values: dict[str, str | None]
    damaged_lines: tuple[int, ...]
    """Numbers of the lines that are no `NAME=value`; they were passed over."""


def read(file: Path) -> EnvFile | None:
    """None where there is no such file. Raises SettingInvalid for one that cannot be read or is not UTF-8."""
    try:
        if not file.is_file():
            return None
        content = file.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingInvalid("settings.env_unreadable", file=str(file), reason=reason) from None
    try:
        words = content.decode("utf-8-sig")  # editors on Windows begin a file with a mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingInvalid("settings.env_encoding", file=str(file), line=line, offset=error.start) from None
    from dotenv import dotenv_values  # only here: most folders have no such file
    from dotenv.parser import parse_stream

    bindings = list(parse_stream(StringIO(words)))
    # What is damaged is left out beforehand: python-dotenv would tell it by itself, in English and without the file.
    sound = "".join(binding.original.string for binding in bindings if not binding.error)
    damaged = tuple(binding.original.line for binding in bindings if binding.error)
    return EnvFile(dict(dotenv_values(stream=StringIO(sound))), damaged)
