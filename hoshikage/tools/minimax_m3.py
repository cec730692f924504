"""MiniMax M3: calls, arguments and the values in them as tags, each behind a token of its own. Any thread; pure.

]<]minimax[>[<tool_call>
]<]minimax[>[<invoke name="weather">]<]minimax[>[<city>東京]<]minimax[>[</city>]<]minimax[>[</invoke>
]<]minimax[>[</tool_call>
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, NotACall, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.tags import NAME_ENDS
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import MAX_VALUE, Arguments, typed, types_of

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
        value = yield from _value(cursor, key, arguments.schema(key), 1)
        yield arguments.key(key)
        yield arguments.value(value)
    yield arguments.close()
    calls.end(cursor)


def _value(cursor: TextCursor, key: str, schema: Any, depth: int) -> Steps[Any]:
    """What stands between the tags of `key`: text, entries, or items. Raises NotACall, EndOfText."""
    if depth > MAX_DEPTH:
        raise NotACall
    kinds = types_of(schema)
    text, _ = yield from cursor.collect(MARKS, MAX_VALUE)
    if (yield from cursor.skip(f"</{key}>")):
        if not text and kinds in ({"array"}, {"object"}):
            return [] if kinds == {"array"} else {}
        return typed(text, kinds)
    if text.strip():
        raise NotACall
    within = schema if isinstance(schema, Mapping) else {}
    properties = within.get("properties")
    entries: dict[str, Any] = {}
    items: list[Any] = []
    listed = (yield from cursor.look(f"<{ITEM}>")) is not None and "object" not in kinds
    while True:
        yield from cursor.expect("<")
        name, _ = yield from cursor.name(KEY_ENDS)
        own = properties.get(name) if isinstance(properties, Mapping) else None
        value = yield from _value(cursor, name, within.get("items") if listed else own, depth + 1)
        items.append(value)
        entries[name] = value
        yield from cursor.space()
        yield from cursor.expect(MARK)
        if (yield from cursor.skip(f"</{key}>")):
            return items if listed else entries


FORMAT: Final = ToolFormat(
    "minimax_m3",
    parse,
    signs=((MARK, "<invoke name="),),
    special_text=(MARK, "<tool_call>", "</tool_call>"),
    opens=(OPEN,),
    closes=(INVOKE_END, CLOSE),
)
