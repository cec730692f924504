"""Defines one setting: its name, what it takes, where it may be set. Values; any thread."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal

from hoshikage.env_trust import Here
from hoshikage.frozen import Frozen
from hoshikage.setting_values import Decimal, Optional, Whole

Value = int | float | bool | str | list[str]
"""Such a value stands in model_map.json."""
Scope = Literal["server", "load", "sample"]


class Option(Frozen, frozen=True):
    """This is one setting. `parse` makes the value of a text and raises ValueError; `allowed` says in one line, for
    both languages, what it takes."""

    name: str
    parse: Callable[[str], Any]
    allowed: str
    variable: str = ""
    """`variable` is the environment's name for it; empty where only models have it."""
    default: str = ""
    """`default` is the text of the value that holds where nobody sets one; only with a variable."""
    scope: Scope = "server"
    """`load` names a field of LoadParams, `sample` one of SamplingParams."""
    own: bool = False
    """`own` tells whether a model may have its own, in model_map.json and by a flag of `hoshikage add`."""
    kind: type[Value] = str
    """`kind` is the type of what stands in model_map.json."""
    aliases: tuple[str, ...] = ()
    """`aliases` are names that older versions had for the variable; in one source, the variable wins."""
    here: Here = "never"
    """`here` tells whether a working folder's `.env` may set it. `never` stands for what names an address or a path
    outside, or loosens access; and for whatever nobody has thought about."""

    usual: bool = True
    """`usual` is what holds of a bool where nobody says anything; its flag says the other."""

    @property
    def flag(self) -> str:
        """Gives the command line's name for a model's own."""
        return self._switch(to=not self.usual)

    @property
    def way_back(self) -> str:
        """Gives the flag that says of a bool what is usual."""
        return self._switch(to=self.usual)

    @property
    def minimum(self) -> float:
        return self._number.minimum

    @property
    def maximum(self) -> float:
        return self._number.maximum

    @property
    def words(self) -> tuple[str, ...]:
        """Gives the words that it may be: beside a number, or of a text the only ones."""
        return tuple(getattr(self.parse, "words", ()))

    @property
    def form(self) -> str:
        """Gives the regular expression of the texts that it may be; empty for any."""
        return getattr(self.parse, "form", "")

    def check(self, value: Any) -> Value:
        """Returns the value of a JSON file as it is kept; an empty one is none. Raises ValueError."""
        if value == "" or (value == [] and self.kind is list):
            return ""
        if isinstance(value, str) and value in self.words:
            return value
        if self.kind is str:
            if (
                isinstance(value, str)
                and is_text(value)
                and not self.words
                and re.fullmatch(self.form or ".*", value, re.S)
            ):
                self.parse(value)
                return value
        elif self.kind is list:
            if isinstance(value, list) and 0 < len(value) <= MAX_FILES and all(map(is_text, value)):
                for one in value:
                    self.parse(one)
                return value
        elif self.kind is bool:
            if isinstance(value, bool):
                return value
        elif type(value) in (int, self.kind) and self.minimum <= value <= self.maximum:  # refuses NaN too
            return self.kind(value)
        raise ValueError(value)

    def read(self, text: str) -> Value:
        """Returns the value that was typed, as it is kept. Raises ValueError."""
        return self.check(text if self.kind is str or text in ("", *self.words) else self.kind(text))

    def _switch(self, *, to: bool) -> str:
        return f"--{'no-' if self.kind is bool and not to else ''}{self.name.replace('_', '-')}"

    @property
    def _number(self) -> Whole | Decimal:
        number = self.parse.value if isinstance(self.parse, Optional) else self.parse
        assert isinstance(number, Whole | Decimal), self.name
        return number


MAX_FILES: Final = 16
"""A list of one model's files may have this many."""


def is_text(value: Any) -> bool:
    """Returns whether it can name a file and be sent on: not empty, no NUL, no half of a surrogate pair."""
    return isinstance(value, str) and value != "" and not re.search("[\0\ud800-\udfff]", value)
