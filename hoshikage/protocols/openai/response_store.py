"""Keeps responses for who comes back to them: few, small, in memory alone, each its asker's own. Event loop thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from hoshikage.frozen import Frozen

if TYPE_CHECKING:
    from hoshikage.answer.schema.turns import ChatMessage


MAX_BYTES: Final = 32 * 1024 * 1024


class StoredResponse(Frozen, frozen=True):
    """This is one response, with all turns that led to it and are it, without its instructions."""

    response: bytes
    """The response is kept as it was answered."""
    turns: Sequence[ChatMessage]


class ResponseStore:
    """Keeps at most so many responses and so many bytes; the oldest goes first. 0 keeps none."""

    def __init__(self, maximum: int, most_bytes: int = MAX_BYTES) -> None:
        self._most = maximum
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str | None, str], tuple[StoredResponse, int]] = OrderedDict()
        self._bytes = 0

    @property
    def keeps(self) -> bool:
        return self._most > 0

    def add(self, owner: str | None, response: dict[str, Any], turns: Sequence[ChatMessage]) -> None:
        """Keeps a response; `owner` is the name of the token that asked."""
        kept = StoredResponse(msgspec.json.encode(response), tuple(turns))
        size = len(kept.response) + len(msgspec.json.encode(kept.turns))
        if not self.keeps or size > self._most_bytes:
            return
        self._kept[owner, response["id"]] = kept, size
        self._bytes += size
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            _, (_, freed) = self._kept.popitem(last=False)
            self._bytes -= freed

    def get(self, owner: str | None, name: str) -> StoredResponse | None:
        """Returns None for a response that is not kept, or is another's."""
        result = self._kept.get((owner, name))
        return result[0] if result else None

    def remove(self, owner: str | None, name: str) -> bool:
        result = self._kept.pop((owner, name), None)
        if result is None:
            return False
        self._bytes -= result[1]
        return True


RESPONSES: Final = web.AppKey("responses", ResponseStore)
