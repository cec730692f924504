"""What a format of calls is: how it is known, which control tokens it needs to see, and its parser. Any thread."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hoshikage.tools.call_schema import Hold, by_name
from hoshikage.tools.calls import Calls, new_id
from hoshikage.tools.cursor import Steps, TextCursor
from hoshikage.tools.instruction import Call, write_tagged
from hoshikage.tools.layout import CallLayout
from hoshikage.tools.thinking import ThoughtMarks

Parser = Callable[[TextCursor, Calls], Steps[None]]


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """One way in which models write calls."""

    name: str
    parse: Parser
    """Reads a whole answer, without thoughts in front unless `whole_answer`."""
    signs: tuple[tuple[str, ...], ...] = ()
    """A chat template is of this format if all texts of one of these groups stand in it."""
    vocabulary: tuple[str, ...] = ()
    """Tokens that tell the format where the chat template has no sign of it; empty where others have the same."""
    special_text: tuple[str, ...] = ()
    """Texts of control tokens that the parser reads; as tokens they have none."""
    opens: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    """Marks before a call, and behind it: a call that is broken ends at one of these."""
    new_id: Callable[[], str] = new_id
    write: Callable[[list[Call]], str] = write_tagged
    """Calls as the model writes them, for templates that do not."""
    reads_bare_json: bool = False
    """An answer that begins with JSON is the parser's own affair."""
    held: re.Pattern[str] | None = None
    """Up to where a call holds what `hold` or `layout` has, as params.HeldCalls.header; None where nothing can."""
    hold: Hold = by_name
    """What stands there, by the function that `held` has met."""
    layout: CallLayout | None = None
    """What stands there where that is no JSON."""
    lead: str = ""
    """What stands in front of an answer that a grammar holds: where a model's answer names its reader."""
    after_thoughts: str = ""
    """The same behind thoughts."""
    thinking: ThoughtMarks | None = None
    """The marks of the model's thoughts, where they do not stand in a chat template as they are."""
    own_thoughts: ThoughtMarks | None = None
    """The same where the format's own parser reads them: every answer begins with thoughts."""
    efforts: tuple[str, ...] = ()
    """The words for how much is thought that the model knows, where its chat template takes any."""
    whole_answer: bool = False
    """The format has a frame around every answer, so that it is parsed also where there are no tools."""
