"""Writes numbers and times as people read them, in every language alike. Any thread; pure."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hoshikage.gguf import GgufHeader


def size(count: int) -> str:
    """Writes a size as `770 MiB`; three digits at least from a KiB on."""
    amount, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1000 or unit == "TiB":
            break
        amount /= 1024
    return f"{count} B" if unit == "B" else f"{_three(amount)} {unit}"


def parameters(count: int) -> str:
    """Writes a count of parameters as `1.24 B`, `361 K`; models are named by it."""
    for unit, minimum in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if count >= minimum:
            return f"{_three(count / minimum)} {unit}"
    return str(count)


def moment(at: float) -> str:
    """Returns a Unix time as the clock here shows it: `2026-03-01 09:30`."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def describe(header: GgufHeader) -> str:
    """Describes a model as `llama · 1.24 B · Q4_K_M · 770 MiB`."""
    parts = (header.architecture, parameters(header.n_params), header.file_type, size(header.size_bytes))
    return " · ".join(part for part in parts if part)


def _three(amount: float) -> str:
    return f"{amount:.0f}" if amount >= 99.95 else f"{amount:.1f}" if amount >= 9.995 else f"{amount:.2f}"
