"""What embedding models want in front of a text, and how near their vectors lie, by the names of their families.

Values; any thread.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

Use = Literal["query", "passage", "topic"]
"""A text is a question that something is looked for with, a passage that may be found, or a sentence among others of
its kind."""


class Prefixes(NamedTuple):
    """An embedding model expects these texts in front of what it reads."""

    query: str = ""
    passage: str = ""
    topic: str = ""
    distance: float = 0.7
    """Within this cosine distance a passage is what is meant, as docs/MEMORY.md has measured it: of MiniLM, and of e5,
    whose vectors all lie near to each other."""

    def of(self, use: Use) -> str:
        return {"query": self.query, "passage": self.passage, "topic": self.topic}[use]


BGE: Final = "Represent this sentence for searching relevant passages: "
FAMILIES: Final[tuple[tuple[frozenset[str], Prefixes], ...]] = (
    (frozenset({"ruri", "v3"}), Prefixes("検索クエリ: ", "検索文書: ", "トピック: ")),
    (frozenset({"ruri"}), Prefixes("クエリ: ", "文章: ", "文章: ")),
    (frozenset({"e5", "instruct"}), Prefixes()),
    (frozenset({"e5"}), Prefixes("query: ", "passage: ", "query: ", 0.17)),
    (frozenset({"bge", "m3"}), Prefixes()),
    (frozenset({"bge", "en"}), Prefixes(BGE)),
    (frozenset({"nomic", "embed"}), Prefixes("search_query: ", "search_document: ", "clustering: ")),
    (frozenset({"arctic", "embed", "v2"}), Prefixes("query: ")),
    (frozenset({"arctic", "embed"}), Prefixes(BGE)),
    (frozenset({"mxbai", "embed"}), Prefixes(BGE)),
    (
        frozenset({"embeddinggemma"}),
        Prefixes("task: search result | query: ", "title: none | text: ", "task: clustering | query: "),
    ),
    (frozenset({"glucose", "v2"}), Prefixes("query: ", "passage: ", "query: ")),
)
"""The words of a name lead here to what stands in front of its texts. The first whose words are all there decides; a
name with none of them wants nothing."""


def prefixes_of(*names: str) -> Prefixes:
    """Returns the prefixes by the first name that tells: the model's own (`general.name`), its file's, or its label."""
    for name in names:
        words = set(re.findall("[a-z0-9]+", name.lower()))
        for wanted, result in FAMILIES:
            if wanted <= words:
                return result
    return Prefixes()
