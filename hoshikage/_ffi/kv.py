"""The KV memory of one context, by whichever names the release has for it. Used in the context's thread."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Final

ALL: Final = -1
"""Given as a position, this means from the first, or to the last."""


class KvMemory:
    """This is borrowed from its context. Positions count from 0; a range ends before its `end`."""

    def __init__(self, api: SimpleNamespace, context: int) -> None:
        self._api = api
        self._subject = context
        if api.llama_memory_clear is not None and api.llama_get_memory is not None:
            self._subject = api.llama_get_memory(context)

    def clear(self) -> None:
        """Empties it, of all sequences."""
        api = self._api
        if api.llama_memory_clear is not None and api.llama_get_memory is not None:
            api.llama_memory_clear(self._subject, True)
        else:
            (api.llama_kv_self_clear or api.llama_kv_cache_clear)(self._subject)

    def remove(self, seq_id: int, begin: int = ALL, end: int = ALL) -> bool:
        """Takes a part of a sequence out. Returns False where this kind of memory cannot take out a part; the whole
        always goes."""
        return bool(self._api.llama_memory_seq_rm(self._subject, seq_id, begin, end))

    def copy(self, source: int, target: int, end: int) -> None:
        """Let `target`, which must be empty, have the beginning of `source` too."""
        self._api.llama_memory_seq_cp(self._subject, source, target, 0, end)

    def first(self, seq_id: int) -> int | None:
        """Returns the least position that a sequence still has, -1 for none; None where the release does not say."""
        if self._api.llama_memory_seq_pos_min is None:
            return None
        return int(self._api.llama_memory_seq_pos_min(self._subject, seq_id))

    def last(self, seq_id: int) -> int | None:
        """Returns the greatest position, as `first` does the least."""
        if self._api.llama_memory_seq_pos_max is None:
            return None
        return int(self._api.llama_memory_seq_pos_max(self._subject, seq_id))
