"""Holds the vectors of collections in memory: read in the background at the first recall, then kept up to date.
Chroma's own index finds a few of many fast, but not past what must be left out. Keeper's main thread, and one that
reads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hoshikage.keeper.nearest import Vector, VectorIndex

PAGE: Final = 1000
MAX_HELD: Final = 200_000
"""All collections together have so many vectors; what was used longest ago goes. 300 MB of 384 numbers each."""
Data = Mapping[str, Any]


class Holding:
    """These are the vectors of one collection."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self._vectors = VectorIndex()
        self._later: list[tuple[Sequence[str], Sequence[Vector], Sequence[Data]]] = []
        """These records were kept while the collection was read, and are newer."""
        self._stops = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, name="vectors", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Tells whether asking for the vectors waits for nothing."""
        return not self._thread.is_alive()

    @property
    def has_failed(self) -> bool:
        """Tells whether the collection could not be read to its end."""
        return self._error is not None

    def __len__(self) -> int:
        return len(self._vectors)

    def add(self, ids: Sequence[str], vectors: Sequence[Vector], data: Sequence[Data]) -> None:
        """Tells what is kept from now on."""
        self._later.append((ids, vectors, data))

    def vectors(self) -> VectorIndex:
        """Returns all of them; waits until they are read. Raises what reading them did."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        for later in self._later:
            self._put(*later)
        self._later.clear()
        return self._vectors

    def stop(self) -> None:
        """Returns when nothing reads the collection any more."""
        self._stops.set()
        self._thread.join()

    def _read(self) -> None:
        try:
            for start in range(0, self._collection.count(), PAGE):
                if self._stops.is_set():
                    return
                page = self._collection.get(limit=PAGE, offset=start, include=["embeddings", "metadatas"])
                self._put(page["ids"], page["embeddings"], page["metadatas"])
        except Exception as error:  # noqa: BLE001  raised where the vectors are asked for
            self._error = error

    def _put(self, ids: Sequence[str], vectors: Sequence[Vector], data: Sequence[Data]) -> None:
        self._vectors.add(
            ids, vectors, [str(one["conversation"]) for one in data], [float(one["time"]) for one in data]
        )


class Held:
    """Holds the vectors of the collections that were asked last."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, Holding] = OrderedDict()

    def of(self, collection: Any) -> Holding:
        """Returns the collection's vectors; they are read in the background where they are not here."""
        name = str(collection.name)
        if name not in self._of or self._of[name].has_failed:
            self._of[name] = Holding(collection)
        self._of.move_to_end(name)
        while len(self._of) > 1 and sum(map(len, self._of.values())) > MAX_HELD:
            self._of.popitem(last=False)[1].stop()
        return self._of[name]

    def add(self, collection: Any, ids: Sequence[str], vectors: Sequence[Vector], data: Sequence[Data]) -> None:
        """Tells what is kept from now on, where the collection's vectors are held."""
        if collection.name in self._of:
            self._of[collection.name].add(ids, vectors, data)

    def drop(self) -> None:
        """Forgets all, before what they were read from is closed or written anew."""
        for holding in self._of.values():
            holding.stop()
        self._of.clear()
