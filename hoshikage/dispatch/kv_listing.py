"""All that is stored of conversations, wherever it lies: told to people, and removed. Any thread; blocking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hoshikage.dispatch import kv_store, slot_files
from hoshikage.dispatch.kv_store import KvStore, header_of

Where = Literal["memory", "disk", "slot"]


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """One file."""

    where: Where
    model: str
    """The label that its model was asked for by; empty where the file does not tell."""
    scope: str
    """The caller's token; empty for this user's own commands."""
    n_tokens: int
    size: int
    saved_at: float
    name: str = ""
    """Of a slot's file."""

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
    """The newest first. `store`: this server's, which may be one in memory beside files of another time."""
    rows: list[StoredConversation] = []
    for where, one in _stores(store, cache):
        rows += [_row(where, file.path, file.size, file.saved_at) for file in one.rows()]
    for path in slot_files.saved(cache):
        status = path.stat()
        rows.append(_row("slot", str(path), status.st_size, status.st_mtime, path.name))
    return sorted(rows, key=lambda row: -row.saved_at)


def clear(store: KvStore | None, cache: Path) -> list[StoredConversation]:
    """Removes everything, and tells what that was."""
    gone = conversations(store, cache)
    for _, one in _stores(store, cache):
        one.clear()
    slot_files.clear(cache)
    return gone


def _stores(store: KvStore | None, cache: Path) -> Iterator[tuple[Where, KvStore]]:
    if store is not None and not store.lasts:
        yield "memory", store
    yield "disk", kv_store.folder_store(cache, 0, 0.0)


def _row(where: Where, path: str, size: int, saved_at: float, name: str = "") -> StoredConversation:
    header = header_of(path)
    if header is None:
        return StoredConversation(where, "", "", 0, size, saved_at, name)
    caller = header.scope.partition("\0")[0].rpartition(" ")[0] or header.scope.partition("\0")[0]
    return StoredConversation(where, header.label, caller, header.n_tokens, size, saved_at, name)
