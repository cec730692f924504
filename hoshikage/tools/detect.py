"""Which format a model's calls have, from its chat template. Any thread; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from hoshikage.tools import (
    apertus,
    command_r,
    deepseek,
    dsml,
    functionary,
    gemma4,
    generic,
    gigachat,
    glm,
    granite,
    harmony,
    hermes,
    hy3,
    kimi,
    kimi_k3,
    lfm2,
    llama3,
    minicpm5,
    minimax,
    minimax_m3,
    mistral,
    muse,
    nemotron,
    phi4,
    solar,
    tagged_functions,
    thinking,
)
from hoshikage.tools.thinking import ThoughtMarks
from hoshikage.tools.tool_format import ToolFormat

FORMATS: Final[tuple[ToolFormat, ...]] = (
    muse.FORMAT,
    harmony.FORMAT,
    gemma4.FORMAT,
    solar.FORMAT,
    apertus.FORMAT,
    gigachat.FORMAT,
    minimax_m3.FORMAT,
    minimax.FORMAT,
    nemotron.FORMAT,
    dsml.FORMAT,
    deepseek.FORMAT,
    kimi.FORMAT,
    kimi_k3.FORMAT,
    hy3.FORMAT,
    lfm2.FORMAT,
    glm.FORMAT,
    tagged_functions.FORMAT,
    minicpm5.FORMAT,
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
EFFORT: Final = "reasoning_effort"
EFFORTS: Final = ("none", "no_think", "minimal", "low", "medium", "high", "xhigh", "max")
"""Words for how much is thought, in their order."""
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
    efforts: tuple[str, ...] = ()
    """The words for how much is thought that the template knows; empty where it names none, or takes any."""

    @classmethod
    def of(cls, template_source: str | None, marks: frozenset[str] = frozenset()) -> ChatFormat:
        """What a chat template shows; None is a model without one. `marks`: the vocabulary's tokens that may be such,
        which tell the format of a template that lists tools and leaves the rest to the model."""
        source = template_source if template_source and len(template_source) <= MAX_CHARACTERS else ""
        place = place_of_tools(source)
        form = detect(source)
        if form is generic.FORMAT and place != "nowhere":
            form = next((one for one in FORMATS if one.vocabulary and marks.issuperset(one.vocabulary)), form)
        return cls(
            form=form if place != "nowhere" or form.whole_answer else generic.FORMAT,
            thinking=thinking.detect(source) or form.thinking,
            place=place,
            writes_calls=place != "nowhere" and "tool_calls" in source,
            efforts=_efforts(source),
        )


def detect(template_source: str | None) -> ToolFormat:
    """The format of the model's calls; generic for a template that shows none, or None for no template."""
    source = template_source or ""
    for candidate in FORMATS:
        if any(all(sign in source for sign in group) for group in candidate.signs):
            return candidate
    return generic.FORMAT


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
