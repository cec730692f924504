"""Finds the fields of a body that its schema does not know, or that change nothing. Any thread; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from msgspec import Struct, inspect

ECHOED: Final = "ECHOED"
"""A struct's class variable of this name names the fields which every client sends and nobody need hear of."""
Inner = tuple[type[Struct] | None, type[Struct] | None]
"""These are the struct that a field may be, and the one that the items of a list in its place are."""


def unknown_fields(tree: Any, kind: type[Any], *, maximum: int) -> list[str]:
    """Returns the places of up to `maximum` fields that `kind` has no row for, indices left out:
    `messages[].brand_new`.

    Not those in a struct's ECHOED: what comes back from an answer, or marks something for another's cache, is no wish.
    """
    result: dict[str, None] = {}
    pending: list[tuple[Any, type[Struct], str]] = [(tree, kind, "")] if _is_struct(kind) else []
    while pending and len(result) < maximum:
        value, struct, before = pending.pop()
        if not isinstance(value, dict):
            continue
        known = _fields(struct)
        for name, inner in value.items():
            place = f"{before}{name}"
            if name not in known:
                if name not in getattr(struct, ECHOED, ()):
                    result[place] = None
                continue
            one, item = known[name]
            if item is not None and isinstance(inner, list):
                pending.extend((part, item, f"{place}[].") for part in inner)
            elif one is not None:
                pending.append((inner, one, f"{place}."))
    return sorted(result)


def idle_fields(tree: Any, without_effect: Mapping[str, str]) -> Iterator[str]:
    """Yields the fields without effect that the body gives a value."""
    for place in without_effect:
        value = tree
        for name in place.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            yield place


@cache
def _fields(kind: type[Struct]) -> dict[str, Inner]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: _inner(field.type) for field in info.fields}


def _inner(kind: inspect.Type) -> Inner:
    if isinstance(kind, inspect.Metadata):
        return _inner(kind.type)
    if isinstance(kind, inspect.StructType):
        return kind.cls, None
    if isinstance(kind, inspect.ListType):
        return None, _inner(kind.item_type)[0]
    if isinstance(kind, inspect.UnionType):
        result = [_inner(one) for one in kind.types]
        return next((one for one, _ in result if one), None), next((item for _, item in result if item), None)
    return None, None


def _is_struct(kind: type[Any]) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)
