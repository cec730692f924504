"""Reads calls that a grammar has forced: JSON and nothing else. Any thread; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import EndOfText, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.json_text import json_calls
from hoshikage.tools.layout import Node, one_of
from hoshikage.tools.tool_format import ToolFormat

NAMED: Final = re.compile(r'[\s,\[]*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")')
"""This is the head of a call, to the end of its name."""


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    yield from calls.attempt(cursor, _calls(cursor, calls), forced=True)
    yield from cursor.space()
    if cursor.rest:
        yield Content(cursor.take(len(cursor.rest)))


def _calls(cursor: TextCursor, calls: Calls) -> Steps[None]:
    """Reads the calls; one that ends behind its name is told as begun. Raises NotACall, EndOfText."""
    try:
        yield from json_calls(cursor, calls)
    except EndOfText:
        cursor.take(len(cursor.rest))
        met = None if calls.is_open else NAMED.match(cursor.since)
        if met is not None and (name := str(json.loads(met[1], strict=False))) in calls.schemas:
            yield calls.start(name)
        raise


def layout(arguments: Mapping[str, Node], maximum: int | None) -> dict[str, Any]:
    """Returns a layout, as CallLayout.of does, of a call of one of these functions, or of a list of up to `maximum`;
    `arguments` has the layout of each function's."""
    names = {name: json.dumps(name, ensure_ascii=False) for name in arguments}
    options = [("seq", *_joined((names[name], ",", '"arguments"', ":")), node) for name, node in arguments.items()]
    call: Node = ("seq", *_joined(("{", '"name"', ":")), one_of(options), SPACE, "}")
    more = (("maybe", ("seq", SPACE, ",", SPACE, ("rule", "call"))),) * ((maximum or 1) - 1)
    listed: Node = ("seq", "[", SPACE, ("rule", "call"), *more, SPACE, "]")
    return {"start": ("rule", "call") if maximum is None else listed, "rules": {"call": call}}


def _joined(signs: Iterable[str]) -> Iterator[Node]:
    for sign in signs:
        yield from (sign, SPACE)


SPACE: Final[Node] = ("maybe", ("text", "", {"re": " |\n{1,2}[ \t]{0,20}"}, ""))
FORMAT: Final = ToolFormat("forced", parse, reads_bare_json=True)
