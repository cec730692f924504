"""Finds the sequence that a request asks for by its number, as llama-server's `id_slot`. Any thread; pure."""

from __future__ import annotations

from hoshikage.http.ignored import note
from hoshikage.settings import Settings


def chosen_slot(number: int | None, settings: Settings) -> int | None:
    """Returns the number of the sequence; None is any. A number that there is not counts as any, and is told."""
    if number is None or number < 0:
        return None
    if number < settings.load_params.n_parallel:
        return number
    note(f"id_slot: {number}")
    return None
