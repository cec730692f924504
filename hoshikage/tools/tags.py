"""Reads tags with names around calls and their parameters, as several formats have them. Any thread; pure.

<invoke name="weather">
<parameter name="city">東京</parameter>
</invoke>
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hoshikage.tools.calls import Calls
from hoshikage.tools.cursor import Markers, Steps, TextCursor
from hoshikage.tools.layout import TagLayout, TextForm, text_up_to
from hoshikage.tools.typed import Arguments

NAME_ENDS: Final = Markers('">', spaced=False)
CDATA: Final = "<![CDATA["
CDATA_END: Final = "]]>"
CDATA_ENDS: Final = Markers(CDATA_END, spaced=False)


@dataclass(frozen=True, slots=True)
class CallTags:
    """This says how one format writes them. The openings go up to the quote in front of the name."""

    call: str
    call_end: str
    parameter: str
    parameter_end: str
    has_cdata: bool = False
    """`has_cdata` tells whether values may stand in CDATA."""
    says_text: bool = False
    """`says_text` tells whether a parameter's tag says if its value is text."""

    def read(self, cursor: TextCursor, calls: Calls) -> Steps[None]:
        """Reads one call, from behind the tag that opens it on. `string="true"` says that a value is text."""
        name, _ = yield from cursor.name(NAME_ENDS)
        yield calls.start(name)
        arguments = Arguments(calls, name)
        ends = Markers(self.parameter_end, spaced=False)
        while True:
            yield from cursor.space()
            if (yield from cursor.expect(self.parameter, self.call_end)) == self.call_end:
                break
            head, _ = yield from cursor.name(NAME_ENDS)
            key, quote, said = head.partition('" string="')
            yield arguments.key(key)
            if self.has_cdata and (yield from cursor.skip(CDATA)) is not None:
                yield from arguments.text(cursor, key, CDATA_ENDS)
                yield from cursor.space()
                yield from cursor.expect(self.parameter_end)
            elif quote and said == "true" and (arguments.schema(key) is None or "string" in arguments.kinds(key)):
                yield from arguments.string(cursor, ends)
            else:
                yield from arguments.text(cursor, key, ends)
        yield arguments.close()
        calls.end(cursor)

    @property
    def layout(self) -> TagLayout:
        """Returns the layout of a call, from behind the quote in front of its name."""
        key, end = f"{self.parameter}{{}}", self.parameter_end
        forms = text_up_to(end)
        if self.has_cdata:
            in_cdata = TextForm(CDATA, f"{CDATA_END}{end}", (CDATA_END,))
            forms = (TextForm(behind=end, without=(end,), not_first=CDATA), in_cdata)
        return TagLayout(
            head=('{}">',),
            key=(f'{key}" string="true">' if self.says_text else f'{key}">',),
            end=end,
            close=self.call_end,
            forms=forms,
            json_key=(f'{key}" string="false">',) if self.says_text else (),
        )
