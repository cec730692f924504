"""Knows the calls of MiniMax M3: calls, arguments and the values in them as tags, each behind a token of its own. Any
thread; pure.

]<]minimax[>[<tool_call>
]<]minimax[>[<invoke name="weather">]<]minimax[>[<city>東京]<]minimax[>[</city>]<]minimax[>[</invoke>
]<]minimax[>[</tool_call>
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.layout import CallLayout, Node, Parameters, TextForm
from hoshikage.tools.nested import Notation, listed
from hoshikage.tools.tags import NAME_ENDS
from hoshikage.tools.texts import ANY, Unwritable
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import MAX_VALUE, Arguments, property_of, resolved, typed, types_of

MARK: Final = "]<]minimax[>["
OPEN: Final = f"{MARK}<tool_call>"
CLOSE: Final = f"{MARK}</tool_call>"
INVOKE: Final = f'{MARK}<invoke name="'
INVOKE_END: Final = f"{MARK}</invoke>"
OPENS: Final = Markers(OPEN)
MARKS: Final = Markers(MARK, spaced=False)
KEY_ENDS: Final = Markers(">", spaced=False)
ITEM: Final = "item"
MAX_DEPTH: Final = 32


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, calls.several(cursor, INVOKE, (CLOSE,), _call))


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    name, _ = yield from cursor.name(NAME_ENDS)
    yield calls.start(name)
    arguments = Arguments(calls, name)
    while True:
        yield from cursor.space()
        if (yield from cursor.skip(INVOKE_END)):
            break
        yield from cursor.expect(f"{MARK}<")
        key, _ = yield from cursor.name(KEY_ENDS)
        value = yield from _value(cursor, key, arguments.schema(key), arguments.root, 1)
        yield arguments.key(key)
        yield arguments.value(value)
    yield arguments.close()
    calls.end(cursor)


def _value(cursor: TextCursor, key: str, schema: Any, root: Mapping[str, Any], depth: int) -> Steps[Any]:
    """Reads what stands between the tags of `key`: text, entries, or items. Raises NotACall, EndOfText."""
    if depth > MAX_DEPTH:
        raise NotACall
    kinds = types_of(schema, root)
    text, _ = yield from cursor.collect(MARKS, MAX_VALUE)
    if (yield from cursor.skip(f"</{key}>")):
        if not text and kinds in ({"array"}, {"object"}):
            return [] if kinds == {"array"} else {}
        return typed(text, kinds)
    if text.strip():
        raise NotACall
    within = resolved(schema, root)
    items_schema = within.get("items") if isinstance(within, Mapping) else None
    entries: dict[str, Any] = {}
    items: list[Any] = []
    listed = (yield from cursor.look(f"<{ITEM}>")) is not None and "object" not in kinds
    while True:
        yield from cursor.expect("<")
        name, _ = yield from cursor.name(KEY_ENDS)
        own = items_schema if listed else property_of(within, name)
        value = yield from _value(cursor, name, own, root, depth + 1)
        items.append(value)
        entries[name] = value
        yield from cursor.space()
        yield from cursor.expect(MARK)
        if (yield from cursor.skip(f"</{key}>")):
            return items if listed else entries


class _Notation(Notation):
    """This writes values between tags, those of lists between tags of an item."""

    def call(self) -> Node:
        """Returns the layout of one call of the function."""
        head = f'{self.name}">'
        if self.is_free:  # what a tag has opened cannot be closed by a name that is not known
            return ("seq", head, TextForm(behind=INVOKE_END, without=(INVOKE_END,)).node(ANY))
        return ("seq", head, *self._entries(self.parameters(self.root, f"tools.{self.name}")), INVOKE_END)

    def _entries(self, parameters: Parameters) -> list[Node]:
        if parameters.more is not None:
            raise Unwritable
        entries: list[Node] = []
        for one in parameters.known:
            entry: Node = ("seq", f"{MARK}<{one.name}>", self.value(one.schema, one.place, one.name))
            entries.append(entry if one.required else ("maybe", entry))
        return entries

    def held(self, schema: Any, place: str, key: str) -> Node:
        """Returns a text, or tags within tags."""
        end = f"{MARK}</{key}>"
        options = self.options(schema)
        ((kind, keywords), *others) = options
        if kind in ("array", "object") and not others and self.is_plain(schema, kind):
            if kind == "object":
                inner = self._entries(self.parameters(schema, place))
                return self.rule(("seq", *inner, end))
            item = self.rule(
                ("seq", f"{MARK}<{ITEM}>", self.value(keywords.get("items", True), f"{place}.items", ITEM))
            )
            return ("seq", listed(item, keywords), end)
        if any(one in ("array", "object") for one, _ in options):
            raise Unwritable
        values = self.values(schema, place)
        if values.text is None:
            return ("seq", *(("json", one) for one in values.schemas), end)
        return TextForm(behind=end, without=(MARK,)).node(values.bare)

    def anything(self, place: str, key: str) -> Node:
        """Returns any text."""
        return TextForm(behind=f"{MARK}</{key}>", without=(MARK,)).node({"left_out": place})


def _laid_out(name: str, schema: Mapping[str, Any] | None, rules: dict[str, Node]) -> Node:
    return _Notation(name, schema, rules).call()


HELD: Final = re.compile(re.escape(INVOKE))
FORMAT: Final = ToolFormat(
    "minimax_m3",
    parse,
    special_text=(MARK, "<tool_call>", "</tool_call>"),
    opens=(OPEN,),
    closes=(INVOKE_END, CLOSE),
    held=HELD,
    layout=CallLayout(_laid_out),
)
