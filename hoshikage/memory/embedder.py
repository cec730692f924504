"""Makes vectors of texts, by an embedding model beside the one that answers. Event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Final, Protocol

from hoshikage import wire
from hoshikage.dispatch.client import Note
from hoshikage.errors import EmbeddingModelNeeded, GgufInvalid, InferenceFailed
from hoshikage.gguf import read_model
from hoshikage.keeper import frames
from hoshikage.memory.keeper_process import KeeperProcess
from hoshikage.memory.prefixes import Prefixes, Use, prefixes_of
from hoshikage.params import Embedding, Work
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import Settings

BATCH: Final = 32
"""One job has so many texts: whoever wants one vector waits for no more than these."""


class Generating(Protocol):
    """Memory needs this of the dispatcher."""

    def generate(self, spec: ModelSpec, request: Work, /) -> AsyncGenerator[Note, None]:
        """Yields notes, the task's own events among them; raises HoshikageError."""
        ...


class TextEmbedder:
    """Embeds texts by EMBEDDING_MODEL, a registered label, or by SENTENCE_BERT_MODEL in the keeper."""

    def __init__(self, settings: Settings, dispatcher: Generating, registry: Registry, keeper: KeeperProcess) -> None:
        """`dispatcher` brings texts to the embedding model."""
        self._label = settings.embedding_model
        self._sentence_bert = settings.sentence_bert_model
        self._registry = registry
        self._keeper = keeper
        self._dispatcher = dispatcher
        self._prefixes: dict[str, Prefixes] = {}

    async def name(self) -> str:
        """Returns what tells this model's vectors from another's. Raises InvalidRequest where none is set."""
        if not self._label and self._sentence_bert:
            return f"sentence-bert:{self._sentence_bert}"
        spec = await self._spec()
        state = await asyncio.to_thread(spec.file.stat)
        return f"{spec.label}:{state.st_size}"

    async def embed(self, texts: Sequence[str], use: Use) -> list[bytes]:
        """Returns a vector for each text: 32-bit floats, little-endian, of length 1. Raises HoshikageError."""
        if not texts:
            return []
        if not self._label and self._sentence_bert:
            name = self._sentence_bert
            before = prefixes_of(name).of(use)
            prefixed = tuple(before + text for text in texts)
            return list((await self._keeper.ask(lambda n: frames.Encode(n, name, prefixed), frames.Vectors)).values)
        spec = await self._spec()
        before = (await self._prefixes_of(spec)).of(use)
        result: list[bytes] = []
        for start in range(0, len(texts), BATCH):
            result += await self._vectors(spec, [before + text for text in texts[start : start + BATCH]])
        return result

    async def distance(self) -> float:
        """Within what cosine distance a passage of this model is near. Raises InvalidRequest where none is set."""
        if not self._label and self._sentence_bert:
            return prefixes_of(self._sentence_bert).distance
        return (await self._prefixes_of(await self._spec())).distance

    async def _vectors(self, spec: ModelSpec, texts: Sequence[str]) -> list[bytes]:
        result: list[bytes] = []
        async with aclosing(self._dispatcher.generate(spec, Embedding(tuple(texts), None, True))) as notes:
            async for note in notes:
                if isinstance(note, wire.Vector):
                    result.append(note.values)
        if len(result) != len(texts):
            raise InferenceFailed("http.answer_cut")
        return result

    async def _spec(self) -> ModelSpec:
        if not self._label:
            raise EmbeddingModelNeeded("remember.no_embedding_model", param="memory")
        return await asyncio.to_thread(self._registry.resolve, self._label)

    async def _prefixes_of(self, spec: ModelSpec) -> Prefixes:
        key = str(spec.file)
        if key not in self._prefixes:
            own = ""
            with suppress(OSError, GgufInvalid):  # the load says what is wrong with it
                own = (await asyncio.to_thread(read_model, spec.file)).name
            self._prefixes[key] = prefixes_of(own, spec.file.stem, spec.label)
        return self._prefixes[key]
