"""Decides whether there is memory for one more model beside those that are loaded. Event loop only.

What a model will need is what `hoshikage add --check` says of it; what is left is what the machine has available, less
what loaded models may still claim: the weights that they map count as available, and those that load have not taken
theirs yet. A model that would be alone is let be: the estimate is a rough one, and the system may swap. Models that
rest make way, the one that has been unused longest first; for those that compute a load waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from hoshikage import gguf
from hoshikage.dispatch.headroom import available_memory
from hoshikage.dispatch.libraries import Libraries
from hoshikage.dispatch.lifecycle import Lifecycle
from hoshikage.dispatch.loading import WantedLoad
from hoshikage.dispatch.memory import free_vram, own_bytes
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.queue import Queue
from hoshikage.errors import ModelLoadFailed, Unavailable
from hoshikage.frozen import Frozen, Mutable
from hoshikage.params import AUTO_LAYERS, LoadParams

RETRY_AFTER_S: Final = 10
MIB: Final = 2**20
GPU_KINDS: Final = ("gpu", "igpu")


class Need(Frozen, frozen=True):
    """A Need is how many bytes a model takes."""

    ram: int
    vram: int


class MemoryShortage(Frozen, frozen=True):
    """A MemoryShortage is what a load needs and what there is, in bytes of the one kind of memory that is short."""

    needed: int
    free: int


class Tenant(Mutable, eq=False):
    """This is one lane whose model counts."""

    queue: Queue
    number: int
    lifecycle: Lifecycle
    claim: int = 0
    """`claim` is the number of bytes that the lane's model was let in with."""

    @property
    def holds(self) -> bool:
        """Tells whether it has a model, or is about to have one that was let in."""
        return self.lifecycle.is_ready or (self.claim > 0 and self.lifecycle.snapshot().state is ModelState.LOADING)

    @property
    def may_go(self) -> bool:
        is_pinned = self.queue.lanes[self.number].pinned
        return self.lifecycle.is_ready and self.queue.is_idle(self.number) and not is_pinned


class Budget:
    """Knows all lanes, and what their models may take."""

    def __init__(
        self,
        libraries: Libraries,
        timeout: float,
        memory: Callable[[], int] = available_memory,
        vram: Callable[[], int] = free_vram,
        taken: Callable[[int], int] = own_bytes,
    ) -> None:
        """`libraries` is asked in a thread. `timeout`: so many seconds does a load wait for others to make way.
        `taken` says what of a process's memory is not counted as available."""
        self._libraries = libraries
        self._timeout = timeout
        self._memory = memory
        self._vram = vram
        self._taken = taken
        self._tenants: list[Tenant] = []
        self._waiters: set[asyncio.Future[None]] = set()

    def watch(self, queue: Queue, lifecycles: Sequence[Lifecycle]) -> None:
        """Loads of these lanes are from now on decided here."""
        for number, lifecycle in enumerate(lifecycles):
            tenant = Tenant(queue, number, lifecycle)
            self._tenants.append(tenant)
            lifecycle.room = partial(self._make_room, tenant)

    def changed(self) -> None:
        """A lane rests, or has lost its model: who waits for memory looks again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def need(self, params: LoadParams) -> Need | None:
        """Returns what the load will take; None where the file does not tell: then the load itself says what is
        wrong."""
        try:
            header = await asyncio.to_thread(self._libraries.header, params)
        except ModelLoadFailed:
            return None
        return need_of(header, params)

    async def _make_room(self, tenant: Tenant, wanted: WantedLoad) -> None:
        """Raises Unavailable with the figures where those that compute do not make way in time."""
        tenant.claim = 0
        need = await self.need(wanted.params)
        if need is None:
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout
        while (lack := self._lack(tenant, need, wanted.params)) is not None:
            resting = [one for one in self._tenants if one is not tenant and one.may_go]
            if resting:
                oldest = min(resting, key=lambda one: one.queue.lanes[one.number].used)
                await oldest.lifecycle.make_way(partial(oldest.queue.is_idle, oldest.number))
                continue
            if self._review_pins() or await self._change(until - loop.time()) or self._review_pins():
                continue
            raise self._refusal(tenant, wanted, lack)
        tenant.claim = need.ram

    def _review_pins(self) -> bool:
        """Returns whether a model makes way now whose pin the registry does not hold any more."""
        return any(queue.review_pins() for queue in {one.queue for one in self._tenants})

    async def _change(self, maximum: float) -> bool:
        """Waits, and returns whether something has changed before the time is over."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=max(0.0, maximum))
        finally:
            self._waiters.discard(waiter)
        return waiter.done()

    def _lack(self, tenant: Tenant, need: Need, params: LoadParams) -> MemoryShortage | None:
        """Returns what is missing for the load; None where it fits, where it would be alone, and where the system does
        not tell."""
        others = [one for one in self._tenants if one is not tenant and one.holds]
        free = self._memory()
        if not others or not free:
            return None
        claimed = sum(max(0, one.claim - self._taken(one.lifecycle.snapshot().pid or 0)) for one in others)
        needs_vram = params.n_gpu_layers != AUTO_LAYERS and any(_sees_gpu(one.lifecycle) for one in others)
        if needs_vram and 0 < (vram := self._vram()) < need.vram:
            return MemoryShortage(need.vram, vram)
        ram = need.ram - need.vram if needs_vram else need.ram
        return MemoryShortage(ram, max(0, free - claimed)) if ram > free - claimed else None

    def _refusal(self, tenant: Tenant, wanted: WantedLoad, lack: MemoryShortage) -> Unavailable:
        loaded = [one.lifecycle.snapshot().label or "" for one in self._tenants if one is not tenant and one.holds]
        return Unavailable(
            "dispatch.no_room",
            label=wanted.label,
            needed=lack.needed / MIB,
            free=lack.free / MIB,
            loaded=", ".join(loaded),
            retry_after=RETRY_AFTER_S,
        )


def need_of(header: gguf.GgufHeader, params: LoadParams) -> Need:
    """Returns what `hoshikage add --check` estimates, with the projector's file; a draft model that the model's file
    does not tell of is not counted."""
    kv = gguf.KvSettings.of(params)
    beside = gguf.projector_bytes(params.mmproj) if params.mmproj else 0
    result = gguf.estimate(header, params.fitting_ctx(header.context_length), params.n_batch, None, kv, beside)
    layers = header.values.get(f"{header.architecture}.block_count", 0)
    share = 1.0
    if params.n_gpu_layers >= 0:
        share = min(1.0, params.n_gpu_layers / layers) if isinstance(layers, int) and layers > 0 else 0.0
    return Need(result.total, round((result.weights + result.kv_cache) * share) + (beside if share else 0))


def _sees_gpu(lifecycle: Lifecycle) -> bool:
    library = lifecycle.snapshot().library
    return library is not None and any(device.kind in GPU_KINDS for device in library.devices)
