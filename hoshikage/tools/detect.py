"""Which format a model's calls have, from its chat template. Any thread; pure."""

from __future__ import annotations

import re
from typing import Final, Literal

from hoshikage.tools import (
    command_r,
    deepseek,
    functionary,
    generic,
    glm,
    granite,
    harmony,
    hermes,
    kimi,
    lfm2,
    llama3,
    mistral,
    phi4,
    tagged_functions,
)
from hoshikage.tools.form import Format

FORMATS: Final[tuple[Format, ...]] = (
    harmony.FORMAT,
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
"""From the most particular signs to the most common ones."""
TOOLS: Final = re.compile(r"""\{[{%](?:[^}%]|%(?!\}))*?(?<!['".\w])tools(?!['"\w])""")
MESSAGE_TOOLS: Final = re.compile(r"""message(?:\.tools\b|\[['"]tools['"]\])""")
Place = Literal["variable", "system", "nowhere"]


def detect(template_source: str | None) -> Format:
    """The format of the model's calls; generic for a template that shows none, or None for no template."""
    source = template_source or ""
    for candidate in FORMATS:
        if any(all(sign in source for sign in group) for group in candidate.signs):
            return candidate
    return generic.FORMAT


def place_of_tools(template_source: str | None) -> Place:
    """Where a template looks for the request's tools: in a variable, in the system message, or not at all."""
    source = template_source or ""
    if TOOLS.search(source):
        return "variable"
    return "system" if MESSAGE_TOOLS.search(source) else "nowhere"
