"""Makes values of the texts of settings: one function for each kind. Any thread; pure.

A function raises ValueError for a text that it cannot take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import field

from hoshikage.frozen import Frozen
from hoshikage.params import Scaled

ENDPOINT: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
ORIGIN: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.*-]+|\[[0-9a-f:.]+\])(?::(?:[0-9]{1,5}|\*))?|file://|null|\*"
)

SCALE: Final = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,12})?")


class Whole(Frozen, frozen=True):
    """This takes a whole number within its bounds, or a word that stands for one."""

    minimum: int
    maximum: int
    words: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, text: str) -> int:
        word = self.words.get(text.strip().lower())
        number = int(text) if word is None else word
        if word is None and not self.minimum <= number <= self.maximum:
            raise ValueError(text)
        return number


class Decimal(Frozen, frozen=True):
    """A Decimal is a number within its bounds, or a word that stands for one."""

    minimum: float
    maximum: float
    words: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, text: str) -> float:
        word = self.words.get(text.strip().lower())
        if word is not None:
            return word
        number = float(text)
        if not self.minimum <= number <= self.maximum:  # refuses NaN too
            raise ValueError(text)
        return number


class OneOf(Frozen, frozen=True):
    """This takes one of these words, in small or capital letters."""

    words: tuple[str, ...]

    def __call__(self, text: str) -> str:
        if text.lower() not in self.words:
            raise ValueError(text)
        return text.lower()


class Switch(Frozen, frozen=True):
    """This takes `off` or `on`."""

    words: tuple[str, ...] = ("off", "on")

    def __call__(self, text: str) -> bool:
        return OneOf(self.words)(text) == "on"


class Shares(Frozen, frozen=True):
    """`3,1` says what each GPU gets of the model, in proportion."""

    form: str = r" *\d{1,6}(?:\.\d+)? *(?:, *\d{1,6}(?:\.\d+)? *)*"

    def __call__(self, text: str) -> tuple[float, ...]:
        result = tuple(Decimal(0.0, 1_000_000.0)(item) for item in text.split(",")) if text.strip() else ()
        if result and not any(result):
            raise ValueError(text)
        return result


def scaled(text: str) -> Scaled:
    """Reads `FILE` or `FILE:SCALE`. Raises ValueError."""
    path, colon, scale = text.rpartition(":")
    if colon and path and SCALE.fullmatch(scale):
        return Scaled(path, Decimal(-100.0, 100.0)(scale))
    if not text.strip():
        raise ValueError(text)
    return Scaled(text)


class Overrides(Frozen, frozen=True):
    """This takes `REGEX=BUFFER,…`: tensors whose names the expression is found in lie there. No comma can be in one."""

    form: str = r" *(?:[^=,]+=[^=,]+(?:,[^=,]+=[^=,]+)*)?"

    def __call__(self, text: str) -> tuple[tuple[str, str], ...]:
        pairs = [item.rpartition("=")[::2] for item in text.split(",")] if text.strip() else []
        if not all(pattern.strip() and buffer.strip() for pattern, buffer in pairs):
            raise ValueError(text)
        return tuple((pattern.strip(), buffer.strip()) for pattern, buffer in pairs)


class Endpoints:
    """`box:50052,[fd00::7]:50052` names servers on other machines."""

    most: int = 16
    """The library knows no more."""

    def __call__(self, text: str) -> tuple[str, ...]:
        result = tuple(dict.fromkeys(item.strip() for item in text.split(","))) if text.strip() else ()
        for item in result:
            matched = ENDPOINT.fullmatch(item)
            if matched is None or not 1 <= int(matched[1]) <= 65535:
                raise ValueError(text)
        if len(result) > self.most:
            raise ValueError(text)
        return result


class Optional(Frozen, frozen=True):
    """This takes a value, or None for an empty text."""

    value: Whole

    def __call__(self, text: str) -> int | None:
        return self.value(text) if text.strip() else None


def words(text: str) -> str:
    """Returns the text as it is."""
    return text


def label(text: str) -> str | None:
    """Returns a name; None for an empty text."""
    return text.strip() or None


def chroma_url(text: str) -> str | None:
    """Returns the address of a Chroma server; None for an empty text."""
    address = text.strip().rstrip("/")
    if address and not re.fullmatch(r"https?://(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", address):
        raise ValueError(text)
    return address or None


def one_of(*choices: str) -> OneOf:
    return OneOf(choices)


def path(value: str) -> Path:
    """Returns an absolute path; a relative one is taken from the working directory, once, at start."""
    if not value.strip():
        raise ValueError(value)
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:  # `~name` of a user who does not exist
        raise ValueError(value) from None


def optional_path(value: str) -> Path | None:
    return path(value) if value.strip() else None


def path_or_off(value: str) -> Path | None:
    return None if value.strip().lower() == "off" else optional_path(value)


def host(value: str) -> str:
    if not value.strip() or any(c.isspace() or c in "/@?#" for c in value.strip()):
        raise ValueError(value)
    return value.strip()


def several(parse: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    """Makes what reads a list with commas, each item once."""

    def parse_all(value: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(parse(item.strip()) for item in value.split(",") if item.strip()))

    return parse_all


def host_name(value: str) -> str:
    """Returns a Host header's name, in small letters, without a port; an IPv6 address with or without brackets."""
    name = value.lower().removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f.]*:[0-9a-f:.]*", name):
        raise ValueError(value)
    return name


def base_path(value: str) -> str:
    """Returns `/path` of `/path/`, `path` or `/path`; empty for none."""
    parts = [part for part in value.strip().split("/") if part]
    if not all(re.fullmatch(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*", part) for part in parts):
        raise ValueError(value)
    return "".join(f"/{part}" for part in parts)


def origin(value: str) -> str:
    """Returns `https://example.com:8443` as a browser sends it, `null`, or a pattern; a slash at the end is taken
    off."""
    value = value.lower()
    if value.removesuffix("//") == value:
        value = value.removesuffix("/")
    if not ORIGIN.fullmatch(value):
        raise ValueError(value)
    return value


def origins(value: str) -> tuple[str, ...]:
    """Reads a list of them; `none` alone is an empty one."""
    return () if value.strip().lower() == "none" else several(origin)(value)
