"""Plain JSON values to typed requests, with refusals in the catalogue's words. Any thread.

msgspec judges; its English sentence is only read for its kind, numbers and type names, so that every message exists
in both languages. Status, type and code do not depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from hoshikage.errors import InvalidRequest

T = TypeVar("T")

_PLACE: Final = re.compile(r"^(?P<problem>.*?)(?: - at `(?:key in )?\$(?P<place>[^`]*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_TYPE: Final = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")
_BOUND: Final = re.compile(r"Expected `[^`]+` (?P<relation>[<>]=?) (?P<limit>\S+)")
_LENGTH: Final = re.compile(r"Expected `[^`]+` of length (?P<relation>[<>]=?) (?P<limit>\d+)")
_INDEX: Final = re.compile(r"\[\d+\]")
_STEP: Final = re.compile(r"[^.\[\]]+|\[\]")
MAX_MENDS: Final = 16
"""So many kinds of places are put right in one body at most."""
_JSON_NAMES: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_SIGNS: Final = {"<=": "≤", ">=": "≥", "<": "<", ">": ">"}


def convert(tree: Any, kind: type[T], choices: Mapping[str, tuple[str, ...]]) -> T:
    """Converts `tree` to a `kind`. Raises InvalidRequest whose `param` is the path of the value at fault.

    `choices` maps a path without indices (`messages[].role`) to the words that are allowed there.
    """
    return _convert(tree, kind, choices, MAX_MENDS)


def _convert(tree: Any, kind: type[T], choices: Mapping[str, tuple[str, ...]], mends: int) -> T:
    try:
        return msgspec.convert(tree, kind, strict=True)
    except msgspec.ValidationError as error:
        if not mends or not _mended(tree, str(error), choices):
            raise refusal(str(error), choices) from None
    return _convert(tree, kind, choices, mends - 1)


def _mended(tree: Any, sentence: str, choices: Mapping[str, tuple[str, ...]]) -> bool:
    """Puts values at the place of the refusal right in the tree, there and wherever else the same stands, and returns
    whether it could: `4.0` where a whole number is wanted, `User` where `user` is. Their meaning is clear."""
    parts = _PLACE.match(sentence)
    if parts is None or not parts["place"]:
        return False
    path = _INDEX.sub("[]", parts["place"].removeprefix("."))
    allowed = choices.get(path, ())
    wants_whole = (result := _TYPE.fullmatch(parts["problem"])) is not None and "int" in result["expected"].split(" | ")
    mended = False
    for container, name in _places(tree, _STEP.findall(path)):
        value = container[name]
        if wants_whole and isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
            container[name] = int(value)
        elif isinstance(value, str) and value not in allowed and value.strip().lower() in allowed:
            container[name] = value.strip().lower()
        else:
            continue
        mended = True
    return mended


def _places(tree: Any, steps: list[str]) -> Iterator[tuple[Any, Any]]:
    """Yields every place of a path such as `messages`, `[]`, `role`: what holds the value, and its name or index
    there."""
    holders: list[tuple[Any, Any]] = [([tree], 0)]
    for step in steps:
        inner = [container[name] for container, name in holders]
        if step == "[]":
            holders = [(one, index) for one in inner if isinstance(one, list) for index in range(len(one))]
        else:
            holders = [(one, step) for one in inner if isinstance(one, dict) and step in one]
    yield from holders


def refusal(sentence: str, choices: Mapping[str, tuple[str, ...]]) -> InvalidRequest:
    """Makes msgspec's sentence an error of ours."""
    parts = _PLACE.match(sentence)
    problem, path = (parts["problem"], parts["place"] or "") if parts else (sentence, "")
    path = path.removeprefix(".").removesuffix("[...]")  # msgspec does not tell which of an object's names it is
    place = path or "body"
    param = path or None
    if result := _MISSING.fullmatch(problem):
        path = f"{path}.{result['name']}".removeprefix(".")
        return InvalidRequest("http.field_missing", param=path, place=path)
    if result := _TYPE.fullmatch(problem):
        expected = [_JSON_NAMES.get(name, name) for name in result["expected"].split(" | ") if name != "null"]
        got = _JSON_NAMES.get(result["got"], result["got"])
        return InvalidRequest("http.wrong_type", param=param, place=place, expected=" | ".join(expected), got=got)
    if result := _BOUND.fullmatch(problem):
        relation = f"{_SIGNS[result['relation']]} {result['limit'].removesuffix('.0')}"
        return InvalidRequest("http.out_of_bounds", param=param, place=place, relation=relation)
    if result := _LENGTH.fullmatch(problem):
        relation = f"{_SIGNS[result['relation']]} {result['limit']}"
        return InvalidRequest("http.wrong_length", param=param, place=place, relation=relation)
    if allowed := choices.get(_INDEX.sub("[]", path)):
        return InvalidRequest("http.not_a_choice", param=param, place=place, allowed=", ".join(allowed))
    return InvalidRequest("http.invalid_value", param=param, place=place)
