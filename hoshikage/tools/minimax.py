"""MiniMax M2: calls and their parameters as tags. Any thread; pure.

<minimax:tool_call>
<invoke name="weather">
<parameter name="city">東京</parameter>
</invoke>
</minimax:tool_call>
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.deltas import Content
from hoshikage.tools.tool_format import ToolFormat
from hoshikage.tools.typed import Arguments

OPEN: Final = "<minimax:tool_call>"
CLOSES: Final = "</minimax:tool_call>"


@dataclass(frozen=True, slots=True)
class Tags:
    """How one format writes calls and their parameters."""

    invoke: str
    invoke_end: str
    parameter: str
    parameter_end: str
    name_ends: Markers = Markers('">', spaced=False)  # noqa: RUF009 - it never changes


TAGS: Final = Tags('<invoke name="', "</invoke>", '<parameter name="', "</parameter>")
OPENS: Final = Markers(OPEN)


def parse(cursor: TextCursor, calls: Calls) -> Steps[None]:
    while (yield from cursor.until(OPENS, Content)) is not None:
        yield from calls.attempt(cursor, invokes(cursor, calls, TAGS.invoke, (CLOSES,), partial(invoked, TAGS)))


def invokes(
    cursor: TextCursor,
    calls: Calls,
    invoke: str,
    closes: tuple[str, ...],
    call: Callable[[TextCursor, Calls], Steps[None]],
) -> Steps[None]:
    """Calls up to the tag that closes them; `call` reads one, from behind its `invoke` on."""
    yield from cursor.space()
    yield from cursor.expect(invoke)
    while True:
        yield from call(cursor, calls)
        yield from cursor.space()
        if (yield from cursor.skip(invoke, *closes)) != invoke:
            cursor.begin()
            yield from cursor.space()
            return


def invoked(tags: Tags, cursor: TextCursor, calls: Calls) -> Steps[None]:
    """One call, from behind the tag that opens it on."""
    name, _ = yield from cursor.collect(tags.name_ends)
    yield calls.start(name)
    arguments = Arguments(calls, name)
    ends = Markers(tags.parameter_end, spaced=False)
    while True:
        yield from cursor.space()
        if (yield from cursor.expect(tags.parameter, tags.invoke_end)) == tags.invoke_end:
            break
        head, _ = yield from cursor.collect(tags.name_ends)
        key, quote, said = head.partition('" string="')
        yield arguments.key(key)
        if quote and said == "true" and arguments.schema(key) is None:
            yield from arguments.string(cursor, ends)
        else:
            yield from arguments.text(cursor, key, ends)
    yield arguments.close()
    calls.end(cursor)


FORMAT: Final = ToolFormat(
    "minimax",
    parse,
    signs=(("<minimax:tool_call>", "<invoke"),),
    special_text=(OPEN, CLOSES),
    opens=(OPEN,),
    closes=("</invoke>", CLOSES),
)
