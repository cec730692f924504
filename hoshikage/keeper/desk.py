"""Does what the keeper does for each request: it sends it to whoever knows how. Keeper's main thread."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hoshikage.errors import InferenceFailed
from hoshikage.keeper import frames

if TYPE_CHECKING:
    from hoshikage.keeper.sentence_bert import SentenceBert
    from hoshikage.keeper.store import Store

MAX_VECTORS: Final = 20_000
"""So many vectors of sentences are kept, so that a growing conversation is embedded once: 30 MB of 384 numbers each."""


class Desk:
    """Holds what outlives a request."""

    def __init__(self) -> None:
        self._vectors: OrderedDict[bytes, bytes] = OrderedDict()
        self._bert: SentenceBert | None = None
        self._store: Store | None = None
        self._importing: threading.Thread | None = None

    def reply(self, ask: frames.Ask) -> frames.Reply:
        """Raises HoshikageError, and whatever a library does."""
        if isinstance(ask, frames.SplitTexts):
            if ask.clusters and self._importing is None:
                self._importing = threading.Thread(target=_import_clustering, name="import", daemon=True)
                self._importing.start()
            return self._split(ask)
        if isinstance(ask, frames.Learn):
            self._learn(ask.model, ask.texts, ask.vectors)
            return frames.Done(ask.number, len(ask.texts))
        if self._importing is not None and isinstance(ask, frames.Choose | frames.Encode | frames.OpenStore):
            self._importing.join()  # these import, too, and two threads at it may see halves of a package
        if isinstance(ask, frames.Choose):
            return self._choose(ask)
        if isinstance(ask, frames.Encode):
            return self._encode(ask)
        return self._keep(ask)

    def _split(self, ask: frames.SplitTexts) -> frames.Sentences:
        from hoshikage.keeper.sentences import sentences_of

        pieces = tuple(tuple(sentences_of(text)) for text in ask.texts)
        every = dict.fromkeys(piece for result in pieces for piece in result)
        unknown = tuple(piece for piece in every if _key(ask.model, piece) not in self._vectors)
        return frames.Sentences(ask.number, pieces, unknown)

    def _learn(self, model: str, texts: Sequence[str], vectors: Sequence[bytes]) -> None:
        for text, vector in zip(texts, vectors, strict=True):
            self._vectors[_key(model, text)] = vector

    def _choose(self, ask: frames.Choose) -> frames.ChosenSentences:
        import numpy as np

        from hoshikage.keeper.choosing import chosen

        rows: list[bytes] = []
        for one in ask.sentences:
            key = _key(ask.model, one.text)
            if key not in self._vectors:
                raise InferenceFailed("remember.vector_unknown")
            self._vectors.move_to_end(key)
            rows.append(self._vectors[key])
        vectors = np.frombuffer(b"".join(rows), "<f4").reshape(len(rows), -1)
        result = chosen(ask, vectors)
        while len(self._vectors) > max(MAX_VECTORS, len(rows)):
            self._vectors.popitem(last=False)
        return frames.ChosenSentences(ask.number, tuple(result))

    def _keep(
        self, ask: frames.OpenStore | frames.Remember | frames.Recall | frames.Browse | frames.Forget
    ) -> frames.Reply:
        """Does what the store does."""
        from hoshikage.keeper.store import Store

        if isinstance(ask, frames.OpenStore):
            self._store = Store(ask.folder, ask.url)
            return frames.Done(ask.number)
        if self._store is None:
            raise InferenceFailed("remember.not_open")
        if isinstance(ask, frames.Remember):
            return frames.Done(ask.number, self._store.remember(ask))
        if isinstance(ask, frames.Recall):
            result = self._store.recall(ask)
            return frames.Entries(ask.number, tuple(result), len(result))
        if isinstance(ask, frames.Browse):
            listed, total = self._store.browse(ask)
            return frames.Entries(ask.number, tuple(listed), total)
        return frames.Done(ask.number, self._store.forget(ask))

    def _encode(self, ask: frames.Encode) -> frames.Vectors:
        from hoshikage.keeper.sentence_bert import SentenceBert

        if self._bert is None or self._bert.name != ask.model:
            self._bert = SentenceBert(ask.model)
        return frames.Vectors(ask.number, self._bert.encode(ask.texts))


def _import_clustering() -> None:
    """Where it is missing, whoever clusters says so."""
    with contextlib.suppress(ImportError):
        from hoshikage.keeper.choosing import prepare

        prepare()


def _key(model: str, text: str) -> bytes:
    return hashlib.sha256(f"{model}\0{text}".encode("utf-8", "surrogatepass")).digest()
