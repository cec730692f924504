"""Remembers over conversations: kept after an answer, recalled before one. Event loop only."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from hoshikage.errors import HoshikageError
from hoshikage.keeper import frames
from hoshikage.keeper.frames import MemoryEntry, Record
from hoshikage.memory.conversation import digest_of
from hoshikage.memory.embedder import TextEmbedder
from hoshikage.memory.keeper_process import KeeperProcess
from hoshikage.memory.summary import Count, language_of
from hoshikage.messages import describe, text
from hoshikage.params import AUTO_DISTANCE
from hoshikage.settings import Settings

log: Final = logging.getLogger("hoshikage.memory")
RECALL_S: Final = 0.2
"""So long may the keeper take to find something; then the answer goes without."""
LISTING_S: Final = 300.0
SETTLE_S: Final = 5.0
DAY_S: Final = 86_400.0
MAX_RECALLED: Final = 24
IDEOGRAPHIC: Final = "\u2e80"
"""This is the first of the characters that are written without spaces."""
PASSAGE: Final = 700
"""A passage has so many characters; a long text is kept in several."""
MAX_PASSAGE: Final = 4000
MAX_PASSAGES: Final = 64
QUERY: Final = 2000
LIKE: Final = 0.1
"""Distances that differ by less are alike: then the newer goes first."""
IDENTITY: Final = 32


class Recollections:
    """Keeps and recalls within scopes: a scope never sees another's."""

    def __init__(self, settings: Settings, embedder: TextEmbedder, keeper: KeeperProcess) -> None:
        self._settings = settings
        self._embedder = embedder
        self._keeper = keeper
        self._opened: int | None = None
        """The process of this id has the store open."""
        self._opening = asyncio.Lock()
        self._swept = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def recall(
        self, scope: str, conversation: str, question: str, at_hand: Sequence[str], count: Count
    ) -> list[MemoryEntry]:
        """Returns what others of the scope's conversations say that is near, the best first, within MEMORY_TOKENS.

        `at_hand`: the texts of the conversation, none of which is told again. Raises HoshikageError.
        """
        model = await self._embedder.name()
        (vector,) = await self._embedder.embed([question[:QUERY]], "query")
        ttl = self._settings.memory_ttl * DAY_S
        since = time.time() - ttl if ttl else 0.0

        within = self._settings.memory_distance
        if within == AUTO_DISTANCE:
            within = await self._embedder.distance()

        def ask(number: int) -> frames.Recall:
            return frames.Recall(number, scope, model, vector, conversation, within, since, MAX_RECALLED)

        await self.opened()
        result = await self._keeper.ask(ask, frames.Entries, RECALL_S)
        fresh = [one for one in result.entries if not any(one.text in known for known in at_hand)]
        fresh.sort(key=lambda one: (int(one.distance / LIKE), -one.time))
        kept: list[MemoryEntry] = []
        left = self._settings.memory_tokens
        for one, size in zip(fresh, await count([line(one) for one in fresh]) if fresh else [], strict=True):
            if size + 1 <= left:
                kept.append(one)
                left -= size + 1
        return kept

    def keep(self, scope: str, conversation: str, turns: Sequence[tuple[str, str]]) -> None:
        """Has what was said (role and text) kept in the background; a failure is only logged."""
        task = asyncio.create_task(self._kept(scope, conversation, turns))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Returns when everything that was to be kept is, or has failed; it does not wait for good."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SETTLE_S)

    async def remember(self, scope: str, conversation: str, turns: Sequence[tuple[str, str]]) -> int:
        """Keeps what was said, each passage once, and says how many there were. Raises HoshikageError."""
        model = await self._embedder.name()
        await self.opened()
        now = time.time()
        split = await self._keeper.ask(
            lambda n: frames.SplitTexts(n, tuple(said for _, said in turns), model), frames.Sentences
        )
        passages = dict.fromkeys(
            (role, passage)
            for (role, _), pieces in zip(turns, split.pieces, strict=True)
            for passage in passages_of(pieces)[:MAX_PASSAGES]
        )
        vectors = await self._embedder.embed([said for _, said in passages], "passage")
        records = tuple(
            Record(digest_of(scope, role, said)[:IDENTITY], role, said, now, conversation, vector)
            for (role, said), vector in zip(passages, vectors, strict=True)
        )
        await self._keeper.ask(lambda n: frames.Remember(n, scope, model, records), frames.Done)
        if self._settings.memory_ttl and now - self._swept > DAY_S:
            self._swept = now
            before = now - self._settings.memory_ttl * DAY_S
            await self._keeper.ask(lambda n: frames.Forget(n, "", before=before), frames.Done, None)
        return len(records)

    async def browse(self, scope: str, conversation: str = "", limit: int = 0, offset: int = 0) -> frames.Entries:
        """Returns what is kept, the newest first. Raises HoshikageError."""
        await self.opened()
        return await self._keeper.ask(
            lambda n: frames.Browse(n, scope, conversation, limit, offset), frames.Entries, LISTING_S
        )

    async def search(self, scope: str, question: str, maximum: int) -> Sequence[MemoryEntry]:
        """Returns what is nearest to a text, however far. Raises HoshikageError."""
        model = await self._embedder.name()
        (vector,) = await self._embedder.embed([question[:QUERY]], "query")
        await self.opened()
        ask = await self._keeper.ask(lambda n: frames.Recall(n, scope, model, vector, most=maximum), frames.Entries)
        return ask.entries

    async def forget(
        self, scope: str, *, ids: Sequence[str] = (), conversation: str = "", everything: bool = False
    ) -> int:
        """Removes from the files what any of these names. Raises HoshikageError."""
        await self.settled()
        await self.opened()
        gone = await self._keeper.ask(
            lambda n: frames.Forget(n, scope, tuple(ids), conversation, everything=everything), frames.Done, None
        )
        return gone.count

    async def opened(self) -> None:
        """Returns once the keeper has its store open. Raises HoshikageError."""
        if self._opened is not None and self._opened == self._keeper.pid:
            return
        async with self._opening:
            if self._opened is not None and self._opened == self._keeper.pid:
                return
            folder, url = str(self._settings.chroma_path), self._settings.chroma_url or ""
            await self._keeper.ask(lambda n: frames.OpenStore(n, folder, url), frames.Done)
            self._opened = self._keeper.pid

    async def _kept(self, scope: str, conversation: str, turns: Sequence[tuple[str, str]]) -> None:
        try:
            await self.remember(scope, conversation, turns)
        except HoshikageError as error:
            language = self._settings.lang
            log.warning("%s", text(language, "remember.not_kept", reason=describe(language, error)))


def passages_of(pieces: Sequence[str]) -> list[str]:
    """Joins neighbouring sentences, up to so many characters."""
    result: list[str] = []
    held = ""
    for piece in pieces:
        cut = piece[:MAX_PASSAGE]
        if held and len(held) + len(cut) + 1 > PASSAGE:
            result.append(held)
            held = ""
        held = f"{held}{_between(held, cut)}{cut}"
    return [*result, held] if held else result


def _between(front: str, behind: str) -> str:
    """Japanese and Chinese have no space between sentences."""
    return " " if front and max(front[-1], behind[:1]) < IDEOGRAPHIC else ""


def line(one: MemoryEntry) -> str:
    """Writes a recollection as the model reads it."""
    language = language_of([one.text])
    who = text(language, "remember.by_user" if one.role == "user" else "remember.by_model")
    return f"({datetime.fromtimestamp(one.time):%Y-%m-%d}) {who} {one.text}"


def marked(entries: Sequence[MemoryEntry], question: str) -> str:
    """Puts the recollections in front of what the user asks, in the user's language."""
    language = language_of([question])
    lines = [text(language, "remember.recalled_begin"), *map(line, entries), text(language, "remember.recalled_end")]
    return "\n".join([*lines, "", question])


def shown(one: MemoryEntry) -> dict[str, Any]:
    """Returns a recollection as programs read it."""
    return {
        "id": one.id,
        "scope": one.scope,
        "conversation": one.conversation,
        "role": one.role,
        "text": one.text,
        "time": one.time,
    }
