"""Holds runners that take models of one kind, and the queue before them. Event loop only.

The server has up to four: for models that write (MAX_MODELS lanes), for a small one that embeds, for a small one that
ranks, and for vocabularies alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from hoshikage.dispatch.crashes import Crashes
from hoshikage.dispatch.lifecycle import Lifecycle
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.queue import Lane, Queue
from hoshikage.dispatch.snapshot import Snapshot
from hoshikage.dispatch.tries import Tries
from hoshikage.dispatch.wanted import load_key
from hoshikage.frozen import Frozen
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings

Kind = Literal["chat", "embeddings", "rerank", "vocabulary"]
VOCABULARY_IDLE_S: Final = 60.0
"""A vocabulary stays loaded for this many seconds after its last use."""


class Pool:
    """`lifecycles` are its lanes."""

    def __init__(
        self,
        kind: Kind,
        lifecycles: Sequence[Lifecycle],
        settings: Settings,
        crashes: Crashes,
        clock: Callable[[], float],
    ) -> None:
        self.kind = kind
        self.lifecycles = tuple(lifecycles)
        self.on_change: Callable[[], None] = lambda: None
        """`on_change` is called when a lane rests or has lost its model."""
        capacity = 1 if kind == "vocabulary" else settings.load_params.n_parallel
        self.queue = Queue(
            capacity, settings.queue_size, settings.queue_timeout, clock, self._rest, lanes=len(self.lifecycles)
        )
        self.tries = tuple(Tries(lifecycle, crashes, clock) for lifecycle in self.lifecycles)
        for number, lifecycle in enumerate(self.lifecycles):
            lifecycle.on_end = self._ended_on(number)
        self.queue.on_unpin = self._unpinned

    @property
    def busy(self) -> bool:
        return bool(self.queue.running or self.queue.waiting)

    def shown(self) -> tuple[int, Snapshot]:
        """Returns the lane that speaks for the pool: of those with a model, the one that was used last; else the
        first."""
        snapshots = [*enumerate(lifecycle.snapshot() for lifecycle in self.lifecycles)]
        return max(snapshots, key=lambda one: (one[1].label is not None, self.queue.lanes[one[0]].used, -one[0]))

    def heed(self, known: Callable[[str], ModelSpec | None]) -> None:
        """Lets pins hold as long as the registry has them; `known` says what is registered by a name now."""

        def holds_pin(lane: Lane, name: str) -> bool:
            if not lane.running and self.lifecycles[lane.number].snapshot().state is ModelState.UNLOADED:
                return False  # its load failed, or it crashed
            spec = known(name)
            return spec is not None and spec.options.pin and load_key(spec) == lane.key

        self.queue.holds_pin = holds_pin

    def _unpinned(self, lane: int) -> None:
        if self.queue.is_idle(lane):
            self._rest(lane)

    def _rest(self, lane: int) -> None:
        self.lifecycles[lane].pinned = self.queue.lanes[lane].pinned
        self.lifecycles[lane].rest()
        self.on_change()

    def _ended_on(self, number: int) -> Callable[[], None]:
        def ended() -> None:
            self.queue.emptied(number)
            self.on_change()

        return ended


class Pools(Frozen, frozen=True):
    """These are all pools of a server. Those that are None are the chat pool's business."""

    chat: Pool
    embeddings: Pool | None = None
    rerank: Pool | None = None
    vocabulary: Pool | None = None

    def __iter__(self) -> Iterator[Pool]:
        return iter([pool for pool in (self.chat, self.embeddings, self.rerank, self.vocabulary) if pool is not None])

    def of_models(self) -> list[Pool]:
        """Returns the pools whose models compute."""
        return [pool for pool in self if pool is not self.vocabulary]
