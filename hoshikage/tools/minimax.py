"""MiniMax M2: calls and their parameters as tags. Any thread; pure.

<minimax:tool_call>
<invoke name="weather">
<parameter name="city">東京</parameter>
</invoke>
</minimax:tool_call>
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

OPENS: Final = Markers("<minimax:tool_call>")
CLOSES: Final = "</minimax:tool_call>"
INVOKE: Final = '<invoke name="'
PARAMETER: Final = '<parameter name="'
NAME_ENDS: Final = Markers('">', spaced=False)
VALUE_ENDS: Final = Markers("</parameter>", spaced=False)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, invokes(cursor, calls, INVOKE, CLOSES, _call))


def invokes(
    cursor: TextCursor,
    calls: Calls,
    invoke: str,
    closes: str,
    call: Callable[[TextCursor, Calls], Steps[None]],
) -> Steps[None]:
    """Calls up to the tag that closes them; `call` reads one, from behind its `invoke` on."""
    yield from cursor.space()
    yield from cursor.expect(invoke)
    while True:
        yield from call(cursor, calls)
        yield from cursor.space()
        if (yield from cursor.skip(invoke, closes)) != invoke:
            cursor.begin()
            yield from cursor.space()
            return


def _call(cursor: TextCursor, calls: Calls) -> Steps[None]:
    name, _ = yield from cursor.collect(NAME_ENDS)
    yield calls.start(name)
    arguments = Arguments(calls, name)
    while True:
        yield from cursor.space()
        if (yield from cursor.expect(PARAMETER, "</invoke>")) == "</invoke>":
            break
        key, _ = yield from cursor.collect(NAME_ENDS)
        yield arguments.key(key)
        yield from arguments.text(cursor, key, VALUE_ENDS)
    yield arguments.close()
    calls.end(cursor)


FORMAT: Final = ToolFormat(
    "minimax",
    parse,
    signs=(("<minimax:tool_call>", "<invoke"),),
    special_text=("<minimax:tool_call>", CLOSES),
    opens=("<minimax:tool_call>",),
    closes=("</invoke>", CLOSES),
)
