"""Frozen values are what frozen dataclasses are: for who compares, changes or lists them nothing differs."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from typing import Any, Final

import msgspec
import pytest

from hoshikage.frozen import Frozen


class Moon(Frozen, frozen=True):
    name: str
    days: float = 27.3
    seen: tuple[str, ...] = ()


class Planet(Frozen, frozen=True):
    name: str
    moons: tuple[Moon, ...] = ()
    notes: dict[str, Moon] = msgspec.field(default_factory=dict)


EARTH: Final = Planet("earth", (Moon("moon"),))


def test_a_value_is_changed_by_making_another() -> None:
    changed = replace(EARTH, name="mars", moons=(replace(EARTH.moons[0], days=0.3),))
    assert changed == Planet("mars", (Moon("moon", 0.3),))
    assert Planet("earth", (Moon("moon"),)) == EARTH, "the first is as it was"
    unknown: dict[str, Any] = {"rings": 7}
    with pytest.raises(TypeError, match="rings"):
        replace(EARTH, **unknown)


def test_no_field_of_a_value_is_set() -> None:
    with pytest.raises(AttributeError):
        EARTH.name = "mars"  # type: ignore[misc]


def test_its_fields_are_told_with_their_defaults() -> None:
    assert is_dataclass(Moon)
    assert [(field.name, field.default) for field in fields(Moon)] == [
        ("name", MISSING),
        ("days", 27.3),
        ("seen", ()),
    ]
    assert [field.name for field in fields(EARTH)] == ["name", "moons", "notes"]


def test_it_becomes_a_dictionary_with_all_that_is_in_it() -> None:
    moon = {"name": "moon", "days": 27.3, "seen": ()}
    assert asdict(replace(EARTH, notes={"x": Moon("moon")})) == {
        "name": "earth",
        "moons": (moon,),
        "notes": {"x": moon},
    }


def test_values_are_equal_by_what_they_hold_and_by_their_kind() -> None:
    class Other(Frozen, frozen=True):
        name: str
        days: float = 27.3
        seen: tuple[str, ...] = ()

    assert Moon("io") == Moon("io")
    assert Moon("io") != Moon("io", 1.8)
    other: object = Other("io")
    assert Moon("io") != other
    assert len({Moon("io"), Moon("io"), Moon("europa")}) == 2


def test_a_default_is_made_anew_for_each() -> None:
    assert Planet("x").notes is not Planet("x").notes
