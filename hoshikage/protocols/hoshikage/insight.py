"""Keeps what a server can tell of itself: where its settings came from, its log's last lines. Any thread.

It is handed in by whoever starts the server; a server that is embedded may have none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web
from msgspec import field

from hoshikage.frozen import Frozen


def _no_lines(_number: int) -> tuple[int, list[str]]:
    return 0, []


class Insight(Frozen, frozen=True):
    """`sources` are those of `settings.LoadedSettings`, `environ` is where libraries are looked for."""

    sources: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    lines: Callable[[int], tuple[int, list[str]]] = _no_lines
    """`lines` returns the last line's number and the lines behind a given one, as `logs.Tail.after` does."""


INSIGHT: Final = web.AppKey("insight", Insight)
