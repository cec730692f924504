"""Changes programs' configuration files: a file of our own, values in a JSON file, a marked block. Pure.

None of them touches what is not ours: `applied` gives the whole new text, which differs from the old one there alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from hoshikage.errors import UsageError
from hoshikage.programs import jsonc

BEGIN: Final = "# >>> hoshikage >>>"
END: Final = "# <<< hoshikage <<<"


class Edit(Protocol):
    """This is one file's change."""

    @property
    def file(self) -> Path: ...

    def applied(self, text: str) -> str:
        """Returns the whole new text. Raises UsageError where the file is not what it has to be."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """Nobody else writes this file."""

    file: Path
    text: str

    def applied(self, text: str) -> str:
        del text
        return self.text


@dataclass(frozen=True, slots=True)
class JsonValues:
    """These are values in a JSON file of the program's, each at its path."""

    file: Path
    values: Sequence[tuple[Sequence[jsonc.Step], Any]]

    def applied(self, text: str) -> str:
        try:
            for path, value in self.values:
                text = jsonc.put(text, path, value)
        except (ValueError, RecursionError) as error:
            raise UsageError("connect.file_not_json", file=str(self.file), reason=str(error)[:200]) from None
        return text


def members(section: Sequence[jsonc.Step], values: Mapping[str, Any]) -> list[tuple[Sequence[jsonc.Step], Any]]:
    """Returns each value with its place in the section: what a person has put beside them there stays."""
    return [((*section, name), value) for name, value in values.items()]


@dataclass(frozen=True, slots=True)
class MarkedLines:
    """Lines between two marks, in a file of `NAME=VALUE` lines."""

    file: Path
    lines: Sequence[str]

    def applied(self, text: str) -> str:
        block = "\n".join((BEGIN, *self.lines, END)) + "\n"
        before, mark, rest = text.partition(BEGIN + "\n")
        if mark:
            _, end, after = rest.partition(END + "\n")
            if not end:
                raise UsageError("connect.mark_missing", file=str(self.file), mark=END)
            others = before + after
        else:
            before += "" if not before or before.endswith("\n") else "\n"
            after, others = "", before
        for line in self.lines:
            name = line.partition("=")[0]
            if re.search(rf"^\s*(?:export\s+)?{re.escape(name)}\s*=", others, re.MULTILINE):
                raise UsageError("connect.name_taken", file=str(self.file), name=name)
        return before + block + after
