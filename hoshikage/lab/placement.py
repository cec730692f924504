"""Judges where fields were found, and names the layout that they make. Pure; one thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hoshikage._ffi.layout import CALIBRATED, Layout, rows_of
from hoshikage._ffi.layouts import FIELDS


class Uncalibrated(Exception):
    """Fields could not be placed, or not without doubt. The words say which; they are for the log and the refusal."""


def layout_of(places: Mapping[str, int], written: int, known: Sequence[Layout]) -> Layout:
    """Makes the layout with these fields. Raises Uncalibrated where they overlap or stand in an order never seen."""
    offsets = dict(sorted(places.items(), key=lambda item: item[1]))
    end, last = 0, ""
    for name, at in offsets.items():
        if at < end:
            raise Uncalibrated(f"{last} and {name} overlap")
        end, last = at + FIELDS[name].size, name
    fitting = [layout for layout in known if _has_order(layout, list(offsets))]
    if not fitting:
        raise Uncalibrated(f"no known layout has the order {' '.join(offsets)}")
    nearest = min(reversed(fitting), key=lambda layout: len(_shifts(layout, offsets)))
    name = "".join([nearest.name, *_shifts(nearest, offsets), " (calibrated)"])
    return Layout(name, -(-written // 8) * 8, CALIBRATED, rows_of(offsets))


def window(name: str, places: Mapping[str, int], known: Sequence[Layout]) -> tuple[int, int]:
    """Returns between which offsets, both excluded, the field can stand: as it stands to the found ones in every
    layout."""
    minimum, maximum = -1, 1 << 16
    for other, at in places.items():
        sides = {order[name] > order[other] for layout in known if {name, other} <= (order := layout.offsets()).keys()}
        if sides == {True}:
            minimum = max(minimum, at)
        elif sides == {False}:
            maximum = min(maximum, at)
    return minimum, maximum


def _has_order(layout: Layout, names: Sequence[str]) -> bool:
    """Returns whether those of `names` that the layout has stand there in the same order, and it has most of them."""
    order = [name for name in layout.offsets() if name in names]
    return order == [name for name in names if name in order] and len(order) > len(names) // 2


def _shifts(layout: Layout, offsets: Mapping[str, int]) -> list[str]:
    """Returns where something came in (+4@24) or fell out, seen by the fields behind it."""
    shifts, before = [], 0
    for name, at in layout.offsets().items():
        if name in offsets:
            shift = offsets[name] - at
            if shift != before:
                shifts.append(f"{shift - before:+d}@{at + before}")
            before = shift
    return shifts
