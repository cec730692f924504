"""Changes programs' configuration files: a file of our own, values in a JSON file, a marked block. Pure.

None of them touches what is not ours: `applied` gives the whole new text, which differs from the old one there alone.
What is put in has the file's own line ends, and a byte-order mark stays where it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from hoshikage.errors import UsageError
from hoshikage.programs import jsonc, lines
from hoshikage.programs.jsonc_node import JsonFault

BEGIN: Final = "# >>> hoshikage >>>"
END: Final = "# <<< hoshikage <<<"
_LINE: Final = r"(?:\A|(?<=[\r\n]))"


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
        first, rest = lines.parted(text)
        return first + self.text.replace("\n", lines.ending(rest))


@dataclass(frozen=True, slots=True)
class JsonValues:
    """These are values in a JSON file of the program's, each at its path."""

    file: Path
    values: Sequence[tuple[Sequence[jsonc.Step], Any]]

    def applied(self, text: str) -> str:
        first, text = lines.parted(text)
        try:
            for path, value in self.values:
                text = jsonc.put(text, path, value)
        except JsonFault as fault:
            raise UsageError(fault.key, file=str(self.file), line=fault.line, column=fault.column) from None
        return first + text


def members(section: Sequence[jsonc.Step], values: Mapping[str, Any]) -> list[tuple[Sequence[jsonc.Step], Any]]:
    """Returns each value with its place in the section: what a person has put beside them there stays."""
    return [((*section, name), value) for name, value in values.items()]


@dataclass(frozen=True, slots=True)
class MarkedLines:
    """Lines between two marks, in a file of `NAME=VALUE` lines."""

    file: Path
    lines: Sequence[str]

    def applied(self, text: str) -> str:
        first, text = lines.parted(text)
        block = lines.ending(text).join((BEGIN, *self.lines, END))
        begin = _mark(BEGIN).search(text)
        if begin is not None:
            end = _mark(END).search(text, begin.end())
            if end is None:
                raise UsageError("connect.mark_missing", file=str(self.file), mark=END)
            before, after = text[: begin.start()], text[end.end() :]
        else:
            before, after = lines.closed(text), lines.ending(text)
        for line in self.lines:
            name = line.partition("=")[0]
            if re.search(rf"{_LINE}\s*(?:export\s+)?{re.escape(name)}\s*=", before + after):
                raise UsageError("connect.name_taken", file=str(self.file), name=name)
        return first + before + block + after


def _mark(mark: str) -> re.Pattern[str]:
    """Returns what finds the line with the mark, without its end."""
    return re.compile(rf"{_LINE}{re.escape(mark)}[ \t]*(?![^\r\n])")
