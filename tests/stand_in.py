"""What a dispatcher does that tests are not about: it never sleeps, and stores nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from hoshikage.dispatch.handed import HandedProcess
from hoshikage.dispatch.kv_files import StoredFile
from hoshikage.dispatch.kv_listing import StoredConversation
from hoshikage.dispatch.latencies import Latencies
from hoshikage.dispatch.standby import RunnerCommand
from hoshikage.dispatch.status import DispatcherStatus, FullStatus


class StandIn(ABC):
    """A test completes this with what it is about."""

    @abstractmethod
    def status(self) -> DispatcherStatus:
        """Says what is loaded."""

    @property
    def sleeps(self) -> bool:
        return False

    def review_pins(self) -> None:
        """There is nothing."""
        return

    async def put_away(self) -> None:
        """There is nothing."""
        return

    async def stored(self) -> Sequence[StoredConversation]:
        return ()

    async def clear_stored(self) -> Sequence[StoredFile]:
        return ()

    def kept_state(self) -> dict[str, Any]:
        return {}

    def runner_to_start(self) -> RunnerCommand | None:
        return None

    def restore(self, kept: Mapping[str, Any], runner: HandedProcess | None = None) -> None:
        del runner
        raise AssertionError(kept)

    def latencies(self) -> Latencies:
        return Latencies()

    async def full_status(self) -> FullStatus:
        return FullStatus(self.status())
