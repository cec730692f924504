"""Measures how large a grammar, a schema or a pattern may be, before it is compiled. Pure.

A deadline cannot interrupt a call into native code, so what would take one long, or nest too deep for its stack, is not
begun. Every scan is linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

MAX_TEXT: Final = 1_000_000
"""A grammar or schema has so many characters at most."""
MAX_CHAIN: Final = 512
"""Rules, references and parentheses may stand so deep inside of each other; what leads back to itself counts once."""
MAX_EXPANDED: Final = 1_000_000
"""A grammar's rules come to so many characters and classes at most, written out, each as often as it may be
repeated."""
MAX_PATTERN: Final = 8_192
MAX_PATTERN_DEPTH: Final = 64
MAX_PATTERN_SIZE: Final = 200_000
"""One regular expression comes to at most so much, counted as for MAX_EXPANDED."""
MAX_MERGED: Final = 10_000
"""`allOf` and `$ref` come to so many schemas in one place at most, and multiply to no more alternatives."""
MAX_ITEMS: Final = 100_000
COUNTS: Final = ("minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains")


class TooLarge(ValueError):
    """`limit` is its name in this module."""

    def __init__(self, limit: str, maximum: int) -> None:
        super().__init__(limit)
        self.limit = limit.lower()
        self.most = maximum


def check_text(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise TooLarge("MAX_TEXT", MAX_TEXT)


def check_rules(root: str, uses: Mapping[str, Mapping[str, int]], sizes: Mapping[str, int]) -> None:
    """Refuses a grammar that is too large or too deep. `uses` leads from a rule to the rules in it, and how often each;
    `sizes` says what else is in it."""
    depths: dict[str, int] = {}
    expanded: dict[str, int] = {}
    for name in _inner_first(root, lambda name: uses[name]):
        inner = [other for other in uses[name] if other in depths]
        depths[name] = 1 + max((depths[other] for other in inner), default=0)
        expanded[name] = sizes[name] + sum(uses[name][other] * expanded[other] for other in inner)
        if depths[name] > MAX_CHAIN:
            raise TooLarge("MAX_CHAIN", MAX_CHAIN)
        if expanded[name] > MAX_EXPANDED:
            raise TooLarge("MAX_EXPANDED", MAX_EXPANDED)


def check_pattern(text: str) -> None:
    """Raises TooLarge for a regular expression by its shape alone: what it means is for others to judge."""
    if len(text) > MAX_PATTERN:
        raise TooLarge("MAX_PATTERN", MAX_PATTERN)
    open_groups = [[0, 0]]
    """These are the size of each without its last element, and of that."""
    at = 0
    while at < len(text):
        sign, size, end = text[at], 1, at + 1
        group = open_groups[-1]
        if sign == "(":
            open_groups.append([0, 0])
            if len(open_groups) > MAX_PATTERN_DEPTH:
                raise TooLarge("MAX_PATTERN_DEPTH", MAX_PATTERN_DEPTH)
            at = end
            continue
        if sign == ")" and len(open_groups) > 1:
            size = sum(open_groups.pop())
            group = open_groups[-1]
        elif sign == "\\":
            end = at + 2
        elif sign == "[":
            end = _class_end(text, at)
        elif sign == "{" and (maximum := _times(text, at)) is not None:
            group[1] *= max(1, maximum[0])
            size, end = 0, maximum[1]
        elif sign in "*+?":
            size = 0
        if size:
            group[0] += group[1]
            group[1] = size
        if sum(map(sum, open_groups)) > MAX_PATTERN_SIZE:
            raise TooLarge("MAX_PATTERN_SIZE", MAX_PATTERN_SIZE)
        at = end


def check_schema(schema: Any) -> None:
    """Refuses a schema for its depth over references, for what `allOf` and references come to, for patterns and
    counts."""
    depths: dict[int, int] = {}
    merged: dict[int, int] = {}
    ways: dict[int, int] = {}
    nodes = {id(schema): schema}

    def parts(key: int) -> list[int]:
        result = [*_inside(nodes[key]), *referred(schema, nodes[key])]
        nodes.update((id(part), part) for part in result)
        return [id(part) for part in result]

    for key in _inner_first(id(schema), parts):
        node = nodes[key]
        depths[key] = 1 + max((depths.get(part, 0) for part in parts(key)), default=0)
        if depths[key] > MAX_CHAIN:
            raise TooLarge("MAX_CHAIN", MAX_CHAIN)
        if not isinstance(node, dict):
            continue
        _check_node(node)
        both = [*_listed(node, "allOf"), *referred(schema, node)]
        options = [*_listed(node, "anyOf"), *_listed(node, "oneOf")]
        merged[key] = 1 + sum(merged.get(id(part), 1) for part in (*both, *options))
        ways[key] = max(1, sum(ways.get(id(part), 1) for part in options))
        for part in both:
            ways[key] *= ways.get(id(part), 1)
        if max(merged[key], ways[key]) > MAX_MERGED:
            raise TooLarge("MAX_MERGED", MAX_MERGED)


def _check_node(node: dict[str, Any]) -> None:
    patterns = [node.get("pattern"), *(node["patternProperties"] if _is_object(node, "patternProperties") else ())]
    for pattern in patterns:
        if isinstance(pattern, str):
            check_pattern(pattern)
    for name in COUNTS:
        count = node.get(name)
        if isinstance(count, (int, float)) and count > MAX_ITEMS:
            raise TooLarge("MAX_ITEMS", MAX_ITEMS)


def _is_object(node: dict[str, Any], name: str) -> bool:
    return isinstance(node.get(name), dict)


def _listed(node: dict[str, Any], name: str) -> list[Any]:
    result = node.get(name)
    return result if isinstance(result, list) else []


def _inside(node: Any) -> list[Any]:
    values: Iterable[Any] = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [value for value in values if isinstance(value, (dict, list))]


def referred(schema: Any, node: Any) -> list[Any]:
    """Returns what a `$ref` of this node leads to inside of the schema."""
    place = node.get("$ref") if isinstance(node, dict) else None
    if not isinstance(place, str) or not place.startswith("#"):
        return []
    result = schema
    for step in place[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(result, dict) and name in result:
            result = result[name]
        elif isinstance(result, list) and name.isdecimal() and int(name) < len(result):
            result = result[int(name)]
        else:
            return []
    return [result] if isinstance(result, (dict, list)) else []


def _inner_first(root: Any, parts: Callable[[Any], Iterable[Any]]) -> list[Any]:
    """Lists everything that the root leads to, what is inside of a thing before it; ways back are not followed."""
    done: list[Any] = []
    seen = {root}
    pending = [(root, iter(parts(root)))]
    while pending:
        name, rest = pending[-1]
        for part in rest:
            if part not in seen:
                seen.add(part)
                pending.append((part, iter(parts(part))))
                break
        else:
            done.append(name)
            pending.pop()
    return done


def _class_end(text: str, at: int) -> int:
    at += 2 if text.startswith("[^", at) else 1
    first = at
    while at < len(text) and (text[at] != "]" or at == first):
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _times(text: str, at: int) -> tuple[int, int] | None:
    """Returns how often `{m,n}` repeats at most, and where it ends; None for a brace that is a letter."""
    end = text.find("}", at, at + 24)
    minimum, _, maximum = text[at + 1 : end].partition(",")
    if end < 0 or not (minimum.isdecimal() or maximum.isdecimal()):
        return None
    return max(int(number) for number in (minimum, maximum) if number.isdecimal()), end + 1
