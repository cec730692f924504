"""Which format a model's calls have, from its chat template. Any thread; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from hoshikage.tools import (
    apertus,
    command_r,
    deepseek,
    functionary,
    gemma4,
    generic,
    gigachat,
    glm,
    granite,
    harmony,
    hermes,
    kimi,
    lfm2,
    llama3,
    minimax,
    mistral,
    nemotron,
    phi4,
    solar,
    tagged_functions,
    thinking,
)
from hoshikage.tools.thinking import ThoughtMarks
from hoshikage.tools.tool_format import ToolFormat

FORMATS: Final[tuple[ToolFormat, ...]] = (
    harmony.FORMAT,
    gemma4.FORMAT,
    solar.FORMAT,
    apertus.FORMAT,
    gigachat.FORMAT,
    minimax.FORMAT,
    nemotron.FORMAT,
    deepseek.FORMAT,
    kimi.FORMAT,
    lfm2.FORMAT,
    glm.FORMAT,
    tagged_functions.FORMAT,
    functionary.RECIPIENTS,
    functionary.FUNCTIONS,
    phi4.FORMAT,
    granite.FORMAT,
    command_r.FORMAT,
    mistral.FORMAT,
    hermes.FORMAT,
    llama3.FORMAT,
)
"""The most particular signs come first, the most common ones last."""
SIGNS: Final = re.compile(r"""(?P<opens>\{[{%])|(?P<closes>\})|(?<!['".\w])tools(?!['"\w])""")
"""What is looked for in one pass, since the text is anybody's: a search for the whole of it would begin anew at every
mark."""
MESSAGE_TOOLS: Final = re.compile(r"""message(?:\.tools\b|\[['"]tools['"]\])""")
MAX_CHARACTERS: Final = 2_000_000
"""A longer template is not looked at; it is refused when it is compiled."""
Place = Literal["variable", "system", "nowhere"]


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """How one model's template and the model itself deal with tools and thoughts."""

    form: ToolFormat = generic.FORMAT
    thinking: ThoughtMarks | None = None
    place: Place = "nowhere"
    """The template looks for tools here; with `nowhere` they are told in a system text, and answers are generic."""
    writes_calls: bool = False
    """Whether the template writes the calls of the conversation by itself."""

    @classmethod
    def of(cls, template_source: str | None) -> ChatFormat:
        """What a chat template shows; None is a model without one."""
        source = template_source if template_source and len(template_source) <= MAX_CHARACTERS else ""
        place = place_of_tools(source)
        form = detect(source)
        return cls(
            form=form if place != "nowhere" or form.whole_answer else generic.FORMAT,
            thinking=thinking.detect(source),
            place=place,
            writes_calls=place != "nowhere" and "tool_calls" in source,
        )


def detect(template_source: str | None) -> ToolFormat:
    """The format of the model's calls; generic for a template that shows none, or None for no template."""
    source = template_source or ""
    for candidate in FORMATS:
        if any(all(sign in source for sign in group) for group in candidate.signs):
            return candidate
    return generic.FORMAT


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
