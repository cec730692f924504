"""Makes values as `dataclass(slots=True)` does, frozen or not, for a fiftieth of its time at import: what
`dataclass(slots=True)` makes, frozen or not, for a fiftieth of its time at import. Any thread.

A dataclass writes and compiles source for each of its methods, 0.7 ms a class; a start makes a hundred of them. What
dataclasses' own functions do (`replace`, `fields`, `asdict`) they do with these values, too.
"""

from __future__ import annotations

from dataclasses import MISSING, field, make_dataclass
from typing import Any, ClassVar

from msgspec import NODEFAULT, Struct


class _Fields:
    """Tells dataclasses' functions what fields a value has. Made when one of them asks."""

    def __init__(self) -> None:
        self.known: dict[type[Struct], Any] = {}

    def __get__(self, _value: object, kind: type[Struct]) -> Any:
        if kind not in self.known:
            rows = [(name, Any, field(default=default)) for name, default in _defaults(kind)]
            alike: Any = make_dataclass(kind.__name__, rows, init=False, repr=False, eq=False)
            self.known[kind] = alike.__dataclass_fields__
        return self.known[kind]


def _defaults(kind: type[Struct]) -> list[tuple[str, Any]]:
    names, defaults = kind.__struct_fields__, kind.__struct_defaults__
    missing = [NODEFAULT] * (len(names) - len(defaults))
    return [
        (name, MISSING if one is NODEFAULT else one) for name, one in zip(names, (*missing, *defaults), strict=True)
    ]


class Frozen(Struct, frozen=True):
    """Frozen values have this base. A default that is made anew for each is a `msgspec.field`."""

    __dataclass_fields__: ClassVar[Any] = _Fields()


class Mutable(Struct):
    """Values that change have this base."""

    __dataclass_fields__: ClassVar[Any] = _Fields()
