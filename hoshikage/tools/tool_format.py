"""Defines what a format of calls is: which control tokens it needs to see, and its parser. Any thread."""

from __future__ import annotations

import re
from collections.abc import Callable

from hoshikage.frozen import Frozen
from hoshikage.tools.call_schema import Hold, by_name
from hoshikage.tools.calls import Calls, new_id
from hoshikage.tools.cursor import Steps, TextCursor
from hoshikage.tools.instruction import Call, write_tagged
from hoshikage.tools.known_formats import BY_NAME
from hoshikage.tools.layout import CallLayout
from hoshikage.tools.thought_marks import ThoughtMarks

Parser = Callable[[TextCursor, Calls], Steps[None]]


class ToolFormat(Frozen, frozen=True, eq=False):
    """One way in which models write calls."""

    name: str
    """The format has this name in `known_formats`, too."""
    parse: Parser
    """Reads a whole answer, without thoughts in front unless `whole_answer`."""
    special_text: tuple[str, ...] = ()
    """`special_text` has texts of control tokens that the parser reads; as tokens they have none."""
    opens: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    """Marks before a call, and behind it: a call that is broken ends at one of these."""
    new_id: Callable[[], str] = new_id
    write: Callable[[list[Call]], str] = write_tagged
    """`write` writes calls as the model does, for templates that do not."""
    reads_bare_json: bool = False
    """An answer that begins with JSON is the parser's own affair."""
    held: re.Pattern[str] | None = None
    """`held` finds what stands up to where a call holds what `hold` or `layout` has, as params.HeldCalls.header does;
    None where nothing can."""
    hold: Hold = by_name
    """`hold` says what stands there, by the function that `held` has met."""
    layout: CallLayout | None = None
    """`layout` is what stands there where that is no JSON."""
    lead: str = ""
    """`lead` stands in front of an answer that a grammar holds: where a model's answer names its reader."""
    after_thoughts: str = ""
    """`after_thoughts` stands between the thoughts of such an answer and what a grammar holds."""
    own_thoughts: ThoughtMarks | None = None
    """These marks of thoughts are read by the format's own parser: every answer begins with thoughts."""

    @property
    def whole_answer(self) -> bool:
        """Tells whether the format has a frame around every answer, so that it is parsed also where there are no
        tools."""
        return BY_NAME[self.name].whole_answer
