"""Remembers conversations, as answers use it: made when first needed, stopped with the server. Event loop only."""

from __future__ import annotations

from collections.abc import Sequence

from hoshikage.keeper.frames import MemoryEntry
from hoshikage.memory.conversation import digest_of
from hoshikage.memory.embedder import Generating, TextEmbedder
from hoshikage.memory.folder_lock import FolderLock
from hoshikage.memory.keeper_process import KeeperProcess
from hoshikage.memory.recollection import Recollections, marked
from hoshikage.memory.summary import Summaries
from hoshikage.registry import Registry
from hoshikage.settings import Settings


class Memory:
    """This is the keeper, the embedding model, and what is made of both."""

    def __init__(self, settings: Settings, dispatcher: Generating, registry: Registry) -> None:
        self.keeper = KeeperProcess(settings.idle_timeout)
        self.embedder = TextEmbedder(settings, dispatcher, registry, self.keeper)
        self.summaries = Summaries(settings, self.embedder, self.keeper)
        self.recollections = Recollections(settings, self.embedder, self.keeper)
        self._lock = FolderLock(settings.chroma_path)
        self._keeps = settings.memory
        self._in_folder = settings.chroma_url is None

    def claim(self, *, whatever: bool = False) -> None:
        """Takes the folder of the store, where this memory keeps one; `whatever` MEMORY says. Raises UsageError where
        another has it."""
        if self._in_folder and (self._keeps or whatever):
            self._lock.take()

    def conversation(self, scope: str, first: str) -> str:
        """Returns the name of a conversation that was given none."""
        return digest_of(scope, first)[:16]

    def marked(self, entries: Sequence[MemoryEntry], question: str) -> str:
        """Puts what was recalled in front of what is asked."""
        return marked(entries, question)

    async def stop(self) -> None:
        """Ends the keeper once what was to be kept is, and gives the folder back."""
        await self.recollections.settled()
        await self.keeper.stop()
        self._lock.release()
