"""Defines the ways in which the stress asks for answers: greedily, drawn by a seed, held in a grammar. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from hoshikage.params import Grammar, SamplingParams

GREEDY: Final = SamplingParams(temperature=0)
DRAWN: Final = SamplingParams(temperature=1.0, top_k=8, top_p=1.0)
SEEDS: Final = (1, 7)
HOT: Final = {"playback": 8.0}
"""Maps a kind of model to a temperature at which the draw matters there."""
APART: Final = {"demo": 0.2, "mamba": 0.02, "lfm2": 0.1, "playback": 0.0, "llama": 0.2}
"""Maps a kind of model to how many of the answers that are drawn or held in a grammar may part from the lone run's,
where every log probability up to there agrees: a draw near the border of two tokens falls to the other side by noise
alone, and of what a grammar leaves, two may be near without being the likeliest."""
SHARE: Final = 0.35
"""This share of the jobs is asked for in another way than greedily."""
_SCHEMA: Final = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "count": {"type": "integer"}},
    "required": ["name", "count"],
    "additionalProperties": False,
}
_TALK: Final = (
    Grammar("json_schema", json.dumps(_SCHEMA), "response_format"),
    Grammar("gbnf", 'root ::= ("star" | "shadow" | " and ")+ "."', "grammar"),
)
_WORDS: Final = (
    Grammar("gbnf", 'root ::= (" word" [0-9]? [02468])+', "grammar"),
    Grammar("gbnf", 'root ::= (" word" [1-4] [0-9] " word" [5-9] [0-9])+', "grammar"),
)


@dataclass(frozen=True, slots=True)
class Way:
    sampling: SamplingParams = GREEDY
    grammar: Grammar | None = None

    @property
    def is_plain(self) -> bool:
        """Tells whether the answer is the likeliest text, of which a lone run tells where it nearly was another."""
        return self.sampling is GREEDY and self.grammar is None

    def of_choice(self, choice: int) -> Way:
        """Returns the way in which this one of several choices is answered alone."""
        if self.sampling is GREEDY:
            return self
        return replace(self, sampling=replace(self.sampling, seed=self.sampling.seed + choice))


PLAIN: Final = Way()


def chosen(kind: str, chance: Random) -> Way:
    if chance.random() >= SHARE:
        return PLAIN
    drawn = replace(DRAWN, seed=chance.choice(SEEDS), temperature=HOT.get(kind, DRAWN.temperature))
    grammar = chance.choice(_TALK if kind == "demo" else _WORDS)
    return chance.choice(
        (Way(drawn), Way(replace(drawn, repeat_penalty=1.3)), Way(GREEDY, grammar), Way(drawn, grammar))
    )
