"""Detects which format a model's calls have, from its chat template. Any thread; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from hoshikage.frozen import Frozen
from hoshikage.tools import thought_marks
from hoshikage.tools.known_formats import FORMATS, GENERIC, KnownFormat
from hoshikage.tools.thought_marks import ThoughtMarks

if TYPE_CHECKING:
    from hoshikage.tools.tool_format import ToolFormat

SIGNS: Final = re.compile(r"""(?P<opens>\{[{%])|(?P<closes>\})|(?<!['".\w])tools(?!['"\w])""")
"""These are looked for in one pass, since the text is anybody's: a search for the whole of it would begin anew at every
mark."""
MESSAGE_TOOLS: Final = re.compile(r"""message(?:\.tools\b|\[['"]tools['"]\])""")
EFFORT: Final = "reasoning_effort"
EFFORTS: Final = ("none", "no_think", "minimal", "low", "medium", "high", "xhigh", "max")
"""These words say how much is thought, in their order."""
MAX_CHARACTERS: Final = 2_000_000
"""A longer template is not looked at; it is refused when it is compiled."""
Place = Literal["variable", "system", "nowhere"]


class ChatFormat(Frozen, frozen=True):
    """This says how one model's template and the model itself deal with tools and thoughts."""

    known: KnownFormat = GENERIC
    thinking: ThoughtMarks | None = None
    place: Place = "nowhere"
    """The template looks for tools here; with `nowhere` they are told in a system text, and answers are generic."""
    writes_calls: bool = False
    """`writes_calls` tells whether the template writes the calls of the conversation by itself."""
    efforts: tuple[str, ...] = ()
    """`efforts` are the words for how much is thought that the template knows; empty where it names none, or takes
    any."""

    @property
    def form(self) -> ToolFormat:
        """Gives the format by which the model's calls are read and written."""
        return self.known.form

    @classmethod
    def of(cls, template_source: str | None, marks: frozenset[str] = frozenset()) -> ChatFormat:
        """Returns what a chat template shows; None is a model without one. `marks`: the vocabulary's tokens that may be
        such, which tell the format of a template that lists tools and leaves the rest to the model."""
        source = template_source if template_source and len(template_source) <= MAX_CHARACTERS else ""
        place = place_of_tools(source)
        known = detect(source)
        if known is GENERIC and place != "nowhere":
            known = next((one for one in FORMATS if one.vocabulary and marks.issuperset(one.vocabulary)), known)
        return cls(
            known=known if place != "nowhere" or known.whole_answer else GENERIC,
            thinking=thought_marks.detect(source) or known.thinking,
            place=place,
            writes_calls=place != "nowhere" and "tool_calls" in source,
            efforts=_efforts(source),
        )


def detect(template_source: str | None) -> KnownFormat:
    """Returns the format of the model's calls; generic for a template that shows none, or None for no template."""
    source = template_source or ""
    for candidate in FORMATS:
        if any(all(sign in source for sign in group) for group in candidate.signs):
            return candidate
    return GENERIC


def _efforts(source: str) -> tuple[str, ...]:
    result = tuple(word for word in EFFORTS if EFFORT in source and (f"'{word}'" in source or f'"{word}"' in source))
    return result if "low" in result and len(result) > 1 else ()


def place_of_tools(template_source: str | None) -> Place:
    """A template looks for the request's tools in a variable, in the system message, or not at all."""
    source = template_source or ""
    inside = False
    for met in SIGNS.finditer(source):
        if met.lastgroup is None and inside:
            return "variable"
        if met.lastgroup is not None:
            inside = met.lastgroup == "opens"
    return "system" if MESSAGE_TOOLS.search(source) else "nowhere"
