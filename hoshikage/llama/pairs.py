"""Writes a query and a document as the tokens that a reranker was trained on. Used in the engine thread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hoshikage.llama.vocab import NO_TOKEN, Vocab

PLACES: Final = re.compile(r"(\{query\}|\{document\})")
TWICE: Final = "</s>"
"""RoBERTa's family has this separator; BERT's `[SEP]` stands there once."""


@dataclass(frozen=True, slots=True)
class Pair:
    """These are the tokens in front of the document, its own, and those behind it."""

    before: list[int]
    document: list[int]
    after: list[int]

    def tokens(self, longest: int, cut: str) -> list[int]:
        """Returns all of them; `cut` has the document lose what is more than `longest`, at its `right` or `left`
        end."""
        room = max(0, longest - len(self.before) - len(self.after))
        document = self.document
        if cut and len(document) > room:
            document = document[:room] if cut == "right" else document[len(document) - room :]
        return [*self.before, *document, *self.after]


def pair(vocab: Vocab, template: str | None, query: str, document: str) -> Pair:
    """Writes both texts as the file's template for them says (Qwen3-Reranker), else between the model's own begin,
    separators and end: `[CLS] query [SEP] document [SEP]`, or `<s> query </s></s> document </s>`."""
    if template is not None:
        return _by_template(vocab, template, query, document)
    begin = [vocab.bos] if vocab.tokenize(query, parse_special=False, add_special=True)[:1] == [vocab.bos] else []
    end = vocab.sep if vocab.eos == NO_TOKEN else vocab.eos
    between = end if vocab.sep == NO_TOKEN else vocab.sep
    times = 2 if vocab.sep != NO_TOKEN and vocab.text(vocab.sep) == TWICE else 1
    return Pair(
        [*begin, *_plain(vocab, query), *([] if between == NO_TOKEN else [between] * times)],
        _plain(vocab, document),
        [] if end == NO_TOKEN else [end],
    )


def _by_template(vocab: Vocab, template: str, query: str, document: str) -> Pair:
    """What the template writes may be control tokens, what stands in the texts may not."""
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    at = 0
    for part in PLACES.split(template):
        if part == "{document}" and not at:
            parts[1].extend(_plain(vocab, document))
            at = 2
        elif part == "{query}":
            parts[at].extend(_plain(vocab, query))
        else:
            parts[at].extend(vocab.tokenize(part, parse_special=True))
    return Pair(*parts)


def _plain(vocab: Vocab, text: str) -> list[int]:
    return vocab.tokenize(text, parse_special=False)
