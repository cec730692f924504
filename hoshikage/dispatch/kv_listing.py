"""Lists all that is stored of conversations, wherever it lies, and removes it. Any thread; blocking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hoshikage.dispatch.kv_files import StoredFile
from hoshikage.dispatch.kv_store import KvStore, folder_store, header_of
from hoshikage.dispatch.slot_files import SlotFiles

Where = Literal["memory", "disk", "slot"]


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """This is one file."""

    where: Where
    model: str
    """`model` is the label that its model was asked for by; empty where the file does not tell."""
    scope: str
    """`scope` is the caller's token; empty for this user's own commands."""
    n_tokens: int
    size: int
    saved_at: float
    name: str = ""
    """`name` is what a slot's file was saved as; other sequences have none."""

    def to_json(self) -> dict[str, Any]:
        return {
            "where": self.where,
            "name": self.name or None,
            "model": self.model or None,
            "caller": self.scope or None,
            "tokens": self.n_tokens,
            "bytes": self.size,
            "saved_at": int(self.saved_at),
        }


def conversations(store: KvStore | None, cache: Path) -> list[StoredConversation]:
    """Lists what is stored, the newest first. `store` is this server's, which may be one in memory beside files of
    another time."""
    rows = [_row(where, file) for where, one in _stores(store, cache) for file in one.rows()]
    return sorted(rows, key=lambda row: -row.saved_at)


def clear(store: KvStore | None, cache: Path) -> list[StoredFile]:
    """Removes everything, and tells what that was."""
    return [file for _, one in _stores(store, cache) for file in one.clear()]


def _stores(store: KvStore | None, cache: Path) -> Iterator[tuple[Where, KvStore]]:
    if store is not None and not store.lasts:
        yield "memory", store
    yield "disk", folder_store(cache, 0, 0.0)
    yield "slot", KvStore(SlotFiles(cache), 0, 0.0)


def _row(where: Where, file: StoredFile) -> StoredConversation:
    header, name = header_of(file.path), file.key if where == "slot" else ""
    if header is None:
        return StoredConversation(where, "", "", 0, file.size, file.saved_at, name)
    token = header.scope.partition("\0")[0]
    caller = token.rpartition(" ")[0] or token
    return StoredConversation(where, header.label, caller, header.n_tokens, file.size, file.saved_at, name)
