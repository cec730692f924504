"""The sequence that a request asks for by its number, as llama-server's `id_slot`. Any thread; pure."""

from __future__ import annotations

from hoshikage.http.ignored import note
from hoshikage.settings import Settings


def chosen_slot(number: int | None, settings: Settings) -> int | None:
    """The number of the sequence; None is any. One that there is not is any, and told."""
    if number is None or number < 0:
        return None
    if number < settings.load_params.n_parallel:
        return number
    note(f"id_slot: {number}")
    return None
