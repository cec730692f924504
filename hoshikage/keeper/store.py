"""Keeps conversations: a Chroma store, one collection for each scope and embedding model. Keeper process.

    FOLDER/current          the name of the store in use
    FOLDER/store-…/         Chroma's files

Chroma marks what is deleted and leaves its text and vector in its files. So what is forgotten is left out while the
store is written anew beside the old one; `current` then names the new one, and the old one is removed. A kill at any
moment leaves the one or the other whole.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np

from hoshikage import durable
from hoshikage.errors import Unavailable
from hoshikage.keeper import frames
from hoshikage.keeper.frames import MemoryEntry
from hoshikage.keeper.held import PAGE, Held, Holding
from hoshikage.keeper.nearest import Vector

CURRENT: Final = "current"
PREFIX: Final = "store-"
SPARE: Final = 64
"""These records beyond the wanted ones are looked at, too, since some are of the conversation at hand or too old."""
WIDEST: Final = 1000
"""So many of the conversation at hand are passed over on a Chroma server, whose vectors are not held here."""
COSINE: Final = {"hnsw": {"space": "cosine"}}
Keeps = Callable[[str, Mapping[str, Any], str], bool]
"""It tells whether a record stays: by its id, its metadata and its scope."""


class Store:
    """The keeper opens one."""

    def __init__(self, folder: str, url: str) -> None:
        """Raises Unavailable where the server of `url` does not answer."""
        self._folder = None if url else Path(folder)
        self._url = url
        self._client: Any = None
        self._collections: dict[tuple[str, str], Any] = {}
        self._held = Held()
        self._open()

    def remember(self, ask: frames.Remember) -> int:
        """Keeps records and says how many."""
        if not ask.records:
            return 0
        collection = self._collection(ask.scope, ask.model, create=True)
        ids = [one.id for one in ask.records]
        vectors = [np.frombuffer(one.vector, "<f4") for one in ask.records]
        data = [{"role": one.role, "time": one.time, "conversation": one.conversation} for one in ask.records]
        collection.upsert(ids=ids, embeddings=vectors, documents=[one.text for one in ask.records], metadatas=data)
        self._held.add(collection, ids, vectors, data)
        return len(ids)

    def recall(self, ask: frames.Recall) -> list[MemoryEntry]:
        """Returns what is near, the nearest first."""
        collection = self._collection(ask.scope, ask.model)
        if collection is None:
            return []
        vector = np.frombuffer(ask.vector, "<f4")
        held = None if self._folder is None else self._held.of(collection)
        if held is not None and held.is_ready:
            return self._exactly(ask, collection, held, vector)
        near, is_hidden = self._by_index(ask, collection, vector, ask.most + SPARE)
        if near or not is_hidden:
            return near
        if held is not None:
            return self._exactly(ask, collection, held, vector)
        own = len(collection.get(where={"conversation": ask.but}, limit=WIDEST, include=[])["ids"])
        return self._by_index(ask, collection, vector, min(own, WIDEST) + ask.most + SPARE)[0]

    def _by_index(
        self, ask: frames.Recall, collection: Any, vector: Vector, count: int
    ) -> tuple[list[MemoryEntry], bool]:
        """Returns what of the `count` nearest may be recalled, and whether words of the conversation at hand are among
        them: these may hide all others."""
        result = collection.query(
            query_embeddings=[vector], n_results=count, include=["documents", "metadatas", "distances"]
        )
        ids, texts, data, distances = (result[name][0] for name in ("ids", "documents", "metadatas", "distances"))
        near = [
            _entry(ask.scope, name, text, one, float(distance))
            for name, text, one, distance in zip(ids, texts, data, distances, strict=True)
            if distance <= ask.within and one["conversation"] != ask.but and one["time"] >= ask.since
        ]
        return near[: ask.most], any(one["conversation"] == ask.but for one in data)

    def _exactly(self, ask: frames.Recall, collection: Any, held: Holding, vector: Vector) -> list[MemoryEntry]:
        """Returns the nearest entries, which are looked for by every vector that is kept."""
        near = dict(held.vectors().nearest(vector, but=ask.but, within=ask.within, since=ask.since, maximum=ask.most))
        if not near:
            return []
        result = collection.get(ids=list(near), include=["documents", "metadatas"])
        entries = {
            name: _entry(ask.scope, name, text, data, near[name])
            for name, text, data in zip(result["ids"], result["documents"], result["metadatas"], strict=True)
        }
        return [entries[name] for name in near if name in entries]

    def browse(self, ask: frames.Browse) -> tuple[list[MemoryEntry], int]:
        """Returns the newest first, and how many there are."""
        result = [
            _entry(scope, name, text, data)
            for scope, collection in self._of(ask.scope)
            for name, text, data in _records(collection)
            if not ask.conversation or data["conversation"] == ask.conversation
        ]
        result.sort(key=lambda one: (-one.time, one.id))
        end = ask.offset + ask.limit if ask.limit else None
        return result[ask.offset : end], len(result)

    def forget(self, ask: frames.Forget) -> int:
        """Says how many are gone."""
        ids = frozenset(ask.ids)

        def keeps(name: str, data: Mapping[str, Any], scope: str) -> bool:
            if ask.scope and scope != ask.scope:
                return True
            meant = ask.everything or name in ids or (ask.conversation and data["conversation"] == ask.conversation)
            return not (meant or data["time"] < ask.before)

        gone = {
            collection.name: [name for name, _, data in _records(collection) if not keeps(name, data, scope)]
            for scope, collection in self._of("")
        }
        count = sum(map(len, gone.values()))
        if count and self._folder is None:
            for _, collection in self._of(""):
                names = gone[collection.name]
                for start in range(0, len(names), PAGE):
                    collection.delete(ids=names[start : start + PAGE])
        elif count:
            self._held.drop()
            self._rewrite(keeps)
        return count

    # Chroma

    def _open(self) -> None:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        self._collections.clear()
        if self._folder is not None:
            self._client = chromadb.PersistentClient(str(self._current()), settings=settings)
            return
        parts = urlsplit(self._url)
        secure = parts.scheme == "https"
        try:
            self._client = chromadb.HttpClient(
                parts.hostname or "", parts.port or (443 if secure else 8000), ssl=secure, settings=settings
            )
        except Exception as error:  # noqa: BLE001  httpx's and Chroma's own have no common base
            raise Unavailable("remember.chroma_gone", url=self._url, reason=type(error).__name__) from None

    def _current(self) -> Path:
        """Returns the folder of the store in use; what others a kill left behind is removed."""
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark = self._folder / CURRENT
        name = mark.read_text("utf-8").strip() if mark.exists() else ""
        if not name.startswith(PREFIX) or not (self._folder / name).is_dir():
            name = _new_name()
            (self._folder / name).mkdir(mode=0o700)
            durable.replace(mark, name.encode(), mode=0o600)
        for stray in self._folder.glob(f"{PREFIX}*"):
            if stray.name != name:
                shutil.rmtree(stray, ignore_errors=True)
        return self._folder / name

    def _rewrite(self, keeps: Keeps) -> None:
        """Writes what stays into a new store, and puts it in the place of the old one."""
        import chromadb
        from chromadb.config import Settings

        assert self._folder is not None
        name = _new_name()
        (self._folder / name).mkdir(mode=0o700)
        fresh: Any = chromadb.PersistentClient(str(self._folder / name), settings=Settings(anonymized_telemetry=False))
        for scope, collection in self._of(""):
            copy: Any = None
            for page in _pages(collection, vectors=True):
                stay = [
                    place
                    for place, (one, data) in enumerate(zip(page["ids"], page["metadatas"], strict=True))
                    if keeps(one, data, scope)
                ]
                if not stay:
                    continue
                if copy is None:
                    copy = fresh.create_collection(
                        collection.name,
                        metadata=collection.metadata,
                        embedding_function=None,
                        configuration=COSINE,
                    )
                copy.add(
                    ids=[page["ids"][place] for place in stay],
                    embeddings=[page["embeddings"][place] for place in stay],
                    documents=[page["documents"][place] for place in stay],
                    metadatas=[page["metadatas"][place] for place in stay],
                )
        fresh.close()
        self._client.close()
        durable.replace(self._folder / CURRENT, name.encode(), mode=0o600)
        self._open()

    def _collection(self, scope: str, model: str, *, create: bool = False) -> Any:
        """Returns the scope's collection; None where there is none and none is to be made."""
        key = (scope, model)
        if key not in self._collections:
            name = "m" + hashlib.sha256(f"{scope}\0{model}".encode()).hexdigest()[:48]
            if not create and name not in {one.name for one in self._client.list_collections()}:
                return None
            self._collections[key] = self._client.get_or_create_collection(
                name, metadata={"scope": scope, "model": model}, embedding_function=None, configuration=COSINE
            )
        return self._collections[key]

    def _of(self, scope: str) -> Iterator[tuple[str, Any]]:
        """Yields the collections of a scope, or all that are ours."""
        for listed in self._client.list_collections():
            own = (listed.metadata or {}).get("scope")
            if own is not None and (not scope or own == scope):
                yield str(own), self._client.get_collection(listed.name, embedding_function=None)


def _new_name() -> str:
    return f"{PREFIX}{time.time_ns():x}"


def _pages(collection: Any, *, vectors: bool = False) -> Iterator[dict[str, Any]]:
    include = ["documents", "metadatas", *(["embeddings"] if vectors else [])]
    for start in range(0, collection.count(), PAGE):
        yield collection.get(limit=PAGE, offset=start, include=include)


def _records(collection: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for page in _pages(collection):
        yield from zip(page["ids"], page["documents"], page["metadatas"], strict=True)


def _entry(scope: str, name: str, text: str, data: Mapping[str, Any], distance: float = 0.0) -> MemoryEntry:
    return MemoryEntry(name, scope, str(data["role"]), text, float(data["time"]), str(data["conversation"]), distance)
