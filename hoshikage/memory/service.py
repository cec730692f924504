"""Memory of conversations, as answers use it: made when first needed, stopped with the server. Event loop only."""

from __future__ import annotations

from hoshikage.memory.embedder import Embedder, Generating
from hoshikage.memory.keeper_process import KeeperProcess
from hoshikage.memory.summary import Summaries
from hoshikage.registry import Registry
from hoshikage.settings import Settings


class Memory:
    """The keeper, the embedding model, and what is made of both."""

    def __init__(self, settings: Settings, dispatcher: Generating, registry: Registry) -> None:
        self.keeper = KeeperProcess(settings.idle_timeout)
        self.embedder = Embedder(settings, dispatcher, registry, self.keeper)
        self.summaries = Summaries(settings, self.embedder, self.keeper)

    async def stop(self) -> None:
        """Ends the keeper."""
        await self.keeper.stop()
