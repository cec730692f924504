"""Chooses the sentences that stand for a long conversation: the same for the same ones. Keeper process; pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hoshikage.keeper.frames import Choose, Sentence

Matrix = NDArray[np.float32]
SEED: Final = 0
SHARE: Final = 10
MAX_OF_ONE: Final = 5
"""Of a cluster of n sentences, ceil(n / SHARE) are taken, and no more than MAX_OF_ONE."""
WORD: Final = re.compile(
    "[A-Za-z\u00c0-\u024f][A-Za-z\u00c0-\u024f'’-]*|[0-9][0-9.,:/-]*|[\u30a1-\u30fa\u30fc]+|[\u4e00-\u9fff\u3005]+"
)
"""Words, numbers, runs of katakana and of kanji carry meaning. Hiragana is mostly grammar."""
ASKS: Final = re.compile(r"[?？]\s*$|(?:か|かな|でしょうか)[。.]?\s*$")
EXACT: Final = re.compile(r"[0-9]|[\u30a1-\u30fa]{2}")
NAMES: Final = re.compile(r"(?<=[a-z,;:] )[A-Z][a-z]+")
"""A name is a capital within a sentence."""
OWN: Final = re.compile(r"\b(?:I|I'm|I've|my|mine|our|we|we're)\b|私|僕|俺|うち|わたし|ぼく", re.IGNORECASE)
LIKE: Final = 0.75
"""Two sentences say the same where their vectors, seen from the middle of all, point so much the same way; the second
is worth nothing. Seen from the origin, some models find all sentences alike."""


def chosen(ask: Choose, vectors: Matrix) -> list[int]:
    """Returns the places of the chosen sentences, the best first. One row of `vectors` for each sentence."""
    if not ask.sentences:
        return []
    if ask.choice == "facts":
        return _facts(ask.sentences, vectors)
    return _clusters(vectors, clusters(len(ask.sentences), ask))


def prepare() -> None:
    """Does what the first clustering of a process costs: its imports, and looking at what computes for it."""
    _clusters(np.eye(2, dtype=np.float32), 1)


def clusters(count: int, ask: Choose) -> int:
    return min(max(ask.least, min(ask.most, count // ask.divisor)), count)


def _clusters(vectors: Matrix, k: int) -> list[int]:
    """Returns the nearest to each centre, then the second nearest of each, and so on: as many as a cluster's size
    allows."""
    from sklearn.cluster import KMeans

    fitted: Any = KMeans(n_clusters=k, n_init=1, random_state=SEED).fit(vectors)
    ranked: list[tuple[int, float, int]] = []
    for cluster in range(k):
        members = np.flatnonzero(fitted.labels_ == cluster)
        away = np.linalg.norm(vectors[members] - fitted.cluster_centers_[cluster], axis=1)
        maximum = min(math.ceil(len(members) / SHARE), MAX_OF_ONE)
        for rank, index in enumerate(np.argsort(away, kind="stable")[:maximum]):
            ranked.append((rank, float(away[index]), int(members[index])))
    return [place for _, _, place in sorted(ranked)]


def _facts(sentences: Sequence[Sentence], vectors: Matrix) -> list[int]:
    """Chooses by what each sentence says that the others do not: rare words, numbers and names, said and not asked, by
    the user rather than by the model. Leaves out what has been chosen already in other words."""
    words = [set(map(str.lower, WORD.findall(one.text))) for one in sentences]
    seen = Counter(word for result in words for word in result)
    worth = np.array([_worth(one, result, seen, len(sentences)) for one, result in zip(sentences, words, strict=True)])
    order: list[int] = []
    free = worth > 0
    apart = vectors - vectors.mean(axis=0)
    apart /= np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    for place in np.argsort(-worth, kind="stable"):
        if not free[place]:
            continue
        order.append(int(place))
        free &= apart @ apart[place] < LIKE
        free[place] = False
    return order


def _worth(one: Sentence, words: set[str], seen: Counter[str], count: int) -> float:
    """Returns how much a sentence tells, for what it costs."""
    rare = sum(math.log(count / seen[word]) for word in words)
    exact = len(EXACT.findall(one.text)) > 0
    named = len(NAMES.findall(one.text)) > 0
    worth = rare / math.log(count + 1) * (1 + 0.5 * exact + 0.5 * named)
    if OWN.search(one.text):
        worth *= 1.5
    if ASKS.search(one.text):
        worth *= 0.3
    if not one.by_user:
        worth *= 0.5
    return worth / math.sqrt(8 + len(one.text.encode()))
