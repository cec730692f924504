"""How the texts of settings become values: one function for each kind. Any thread; pure.

A function raises ValueError for a text that it cannot take.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

AUTO_LAYERS: Final = -2
"""As `params.AUTO_LAYERS`."""
ORIGIN: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.*-]+|\[[0-9a-f:.]+\])(?::(?:[0-9]{1,5}|\*))?|file://|null|\*"
)


def whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = int(value)
        if not minimum <= number <= maximum:
            raise ValueError(value)
        return number

    return parse


def decimal(minimum: float, maximum: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        number = float(value)
        if not minimum <= number <= maximum:  # refuses NaN too
            raise ValueError(value)
        return number

    return parse


def layers(value: str) -> int:
    return AUTO_LAYERS if value.strip().lower() == "auto" else whole(-1, 100_000)(value)


def gpu(value: str) -> int | None:
    return whole(0, 127)(value) if value.strip() else None


def shares(value: str) -> tuple[float, ...]:
    """`3,1`: what each GPU gets of the model, in proportion."""
    found = tuple(decimal(0.0, 1_000_000.0)(item) for item in value.split(",")) if value.strip() else ()
    if found and not any(found):
        raise ValueError(value)
    return found


def switch(value: str) -> bool:
    return one_of("off", "on")(value) == "on"


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in choices:
            raise ValueError(value)
        return value.lower()

    return parse


def path(value: str) -> Path:
    """An absolute path; a relative one is taken from the working directory, once, at start."""
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
    """A list with commas, each item once."""

    def parse_all(value: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(parse(item.strip()) for item in value.split(",") if item.strip()))

    return parse_all


def host_name(value: str) -> str:
    """A Host header's name, in small letters, without a port; an IPv6 address with or without brackets."""
    name = value.lower().removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f.]*:[0-9a-f:.]*", name):
        raise ValueError(value)
    return name


def base_path(value: str) -> str:
    """`/path` of `/path/`, `path` or `/path`; empty for none."""
    parts = [part for part in value.strip().split("/") if part]
    if not all(re.fullmatch(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*", part) for part in parts):
        raise ValueError(value)
    return "".join(f"/{part}" for part in parts)


def origin(value: str) -> str:
    """`https://example.com:8443` as a browser sends it, `null`, or a pattern; a slash at the end is taken off."""
    value = value.lower()
    if value.removesuffix("//") == value:
        value = value.removesuffix("/")
    if not ORIGIN.fullmatch(value):
        raise ValueError(value)
    return value


def origins(value: str) -> tuple[str, ...]:
    """A list of them; `none` alone is an empty one."""
    return () if value.strip().lower() == "none" else several(origin)(value)
