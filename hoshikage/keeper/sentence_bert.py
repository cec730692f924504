"""Makes vectors by sentence-transformers, where somebody has it installed. Keeper's main thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hoshikage.errors import NotSupported, Unavailable


class SentenceBert:
    """This is a model of sentence-transformers that is on this machine; none is ever fetched."""

    def __init__(self, name: str) -> None:
        """Raises NotSupported without the package, Unavailable without the model."""
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise NotSupported("remember.no_sentence_transformers", name=name) from None
        self.name = name
        try:
            self._model: Any = SentenceTransformer(name, local_files_only=True)
        except (OSError, ValueError) as error:
            raise Unavailable("remember.no_sentence_bert", name=name, reason=str(error)[:300]) from None

    def encode(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        made = np.asarray(self._model.encode(list(texts), normalize_embeddings=True), "<f4")
        return tuple(row.tobytes() for row in made)
