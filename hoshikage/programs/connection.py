"""Holds what a program is told of a server: its address, a token, its models. Values; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from hoshikage.programs.edits import Edit

NO_TOKEN: Final = "none"
"""This is the key for programs that insist on one where the server asks for none."""
ANSWER_SHARE: Final = 4
"""A program that has to be told how long an answer may be is given this part of the context."""
Form = Literal["responses", "messages", "chat", "ollama", "infill"]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model as GET /v1/capabilities describes it."""

    id: str
    purpose: str
    context_length: int
    tools: bool
    images: bool
    thinking: bool
    infill: bool
    trained_length: int = 0
    """`trained_length` is the longest context that it was trained for; 0 where that is not told."""

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> ServedModel:
        able = value["capabilities"]
        return cls(
            id=str(value["id"]),
            purpose=str(value["purpose"]),
            context_length=int(value["context_length"]),
            trained_length=int(value.get("context_length_trained") or 0),
            **{name: bool(able[name]) for name in ("tools", "images", "thinking", "infill")},
        )

    @property
    def max_answer(self) -> int:
        return max(1, self.context_length // ANSWER_SHARE)

    @property
    def max_prompt(self) -> int:
        return max(1, self.context_length - self.max_answer)


@dataclass(frozen=True, slots=True)
class ProgramContext:
    """This is the server as a program is to see it."""

    url: str
    """`url` has no path, and no slash at its end."""
    token: str | None
    model: ServedModel
    """`model` is the one that is used where the program chooses one."""
    models: tuple[ServedModel, ...]
    """`models` are all that write text, `model` among them."""
    home: Path
    environ: Mapping[str, str]
    system: str
    """`system` is `sys.platform`."""

    @property
    def key(self) -> str:
        return self.token or NO_TOKEN

    def folder(self, variable: str, *default: str) -> Path:
        """Returns the folder that the environment names, else one in the home."""
        value = self.environ.get(variable)
        return Path(value) if value else self.home.joinpath(*default)


@dataclass(frozen=True, slots=True)
class Setup:
    """A program is told like this: its files, what to run, and what else to know (keys of messages)."""

    edits: Sequence[Edit] = ()
    commands: Sequence[str] = ()
    """`commands` are lines for a shell: what starts the program, or sets it up where it has no file to write."""
    notes: Sequence[str] = ()
