"""This is the async face of the engine: requests in, notes and events out. Event loop only."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from hoshikage import gguf, wire
from hoshikage.dispatch import status
from hoshikage.dispatch.answer_record import AnswerRecord
from hoshikage.dispatch.budget import need_of
from hoshikage.dispatch.copier import Copier
from hoshikage.dispatch.crashes import Crashes, Origin
from hoshikage.dispatch.latencies import Latencies
from hoshikage.dispatch.libraries import Libraries
from hoshikage.dispatch.memory import Footprint, in_use
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.pool import Pool, Pools
from hoshikage.dispatch.standby import RunnerCommand, StandbyRunner
from hoshikage.dispatch.status import DispatcherStatus, FullStatus
from hoshikage.dispatch.totals import Totals
from hoshikage.dispatch.tries import ACCOUNT, Answering, RunNote
from hoshikage.dispatch.wanted import load_key, wanted_load, wanted_words
from hoshikage.errors import InvalidRequest, ModelLoadFailed, QueueFull
from hoshikage.params import ChatPrompt, Counting, GenerationRequest, TextPrompt, Work, needs_words_alone
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings, cache_dir

if TYPE_CHECKING:
    from hoshikage.dispatch.handed import HandedProcess
    from hoshikage.dispatch.kv_files import StoredFile
    from hoshikage.dispatch.kv_listing import StoredConversation
    from hoshikage.dispatch.kv_store import KvStore

KEPT_RECORDS: Final = 20
MIB: Final = 2**20

Clock = Callable[[], float]


class Waiting:
    """The request waits. Its place is looked up when somebody asks for it, however long after this note."""

    __slots__ = ("_place",)

    def __init__(self, place: int | Callable[[], int]) -> None:
        self._place = place

    @property
    def place(self) -> int:
        """1 is next; 0 is no longer waiting."""
        return self._place if isinstance(self._place, int) else self._place()

    def __repr__(self) -> str:
        return f"Waiting({self.place})"


Note = Waiting | wire.Loading | Answering | RunNote


class Dispatcher:
    """The server makes one (`making.create`), and closes it with `stop`."""

    def __init__(
        self,
        settings: Settings,
        pools: Pools,
        libraries: Libraries,
        crashes: Crashes,
        clock: Clock,
        store: KvStore | None = None,
        standby: StandbyRunner | None = None,
        copier: Copier | None = None,
    ) -> None:
        """`clock` gives monotonic seconds. `store`: where conversations outlive their runners. `standby` and `copier`
        are those of all lanes."""
        self._settings = settings
        self._pools = pools
        self._libraries = libraries
        self._crashes = crashes
        self._clock = clock
        self._store = store
        self._standby = standby
        self._copier = copier
        self._returned: Footprint | None = None
        """`_returned` is what the last unload gave back before this server went on from another's figures."""
        self._records: deque[AnswerRecord] = deque(maxlen=KEPT_RECORDS)
        self._totals = Totals()
        self._latencies = Latencies()

    async def start(self) -> None:
        for pool in self._pools:
            for lifecycle in pool.lifecycles:
                await lifecycle.start()

    def drain(self) -> None:
        """Takes no more requests and refuses those that wait; those that run go on."""
        for pool in self._pools:
            pool.queue.close()

    async def stop(self) -> None:
        """Ends the runners, and what still runs with them."""
        self.drain()
        if self._store is not None:
            self._store.stop_taking()
        for pool in self._pools:
            for lifecycle in pool.lifecycles:
                await lifecycle.stop()
        if self._store is not None:
            await self._store.let_go()

    async def preload(self, spec: ModelSpec) -> None:
        """Loads a model in its turn, as a request for it would. Raises HoshikageError."""
        pool = await self._pool_of(spec)
        ticket = pool.queue.enter(spec.label, load_key(spec), ACCOUNT.get(), pinned=spec.options.pin)
        try:
            await ticket.wait()
            async for _ in pool.tries[ticket.lane].load(partial(wanted_load, spec, self._settings)):
                pass
        finally:
            ticket.leave()

    def keep(self, spec: ModelSpec, seconds: float) -> None:
        """The model, where it is loaded, stays so long after its last use; 0 unloads it as soon as nothing runs, inf is
        for good."""
        result = self._loaded(spec)
        if result is None:
            return
        pool, lane = result
        pool.lifecycles[lane].keep(seconds)
        if pool.queue.is_idle(lane):
            pool.lifecycles[lane].rest()

    def review_pins(self) -> None:
        """Unpins the models that the registry does not pin any more, whose idle clocks start."""
        for pool in self._pools.of_models():
            pool.queue.review_pins()

    async def unload(self, which: ModelSpec | str | None = None) -> None:
        """Ends the runners of this model, as it is or was registered, or all of them; a name is one that is not
        registered any more. Raises InvalidRequest while a request runs there."""
        lanes = [(pool, number) for pool in self._pools for number in range(len(pool.lifecycles))]
        if which is not None:
            models = self._pools.of_models()
            lanes = [(pool, number) for pool, number in lanes if pool in models and _has(pool, number, which)]
        for pool, number in lanes:
            if pool.queue.lanes[number].running:
                raise InvalidRequest("dispatch.busy", label=pool.lifecycles[number].snapshot().label or "")
        for pool, number in lanes:
            await pool.lifecycles[number].unload()

    async def generate(self, spec: ModelSpec, request: Work) -> AsyncGenerator[Note, None]:
        """Yields notes while the request waits and the model loads, then one Started, the SlotTaken, Prefill and Token
        events (or the task's own), and exactly one Finished. Raises HoshikageError instead. Closing the generator gives
        up the place or cancels the job: at once where it computes alone, else behind the running decode.

        A runner that crashes before any text was sent is replaced and the request run once more.
        """
        fingerprint = digest(spec.label, request)
        origin = Origin(fingerprint, ACCOUNT.get(), getattr(request, "grammar", None) is not None)
        if self._crashes.refuses(fingerprint):
            wanted = await asyncio.to_thread(wanted_load, spec, self._settings)
            self._crashes.check_request(fingerprint, wanted.file_state)
        if origin.grammar:
            self._crashes.check_caller(origin.caller)
        arrived = self._clock()
        pool = await self._pool_of(spec, request)
        vocabulary = pool is self._pools.vocabulary
        key = load_key(spec)
        ticket = pool.queue.enter(spec.label, key, origin.caller, pinned=spec.options.pin and not vocabulary)
        find = partial(wanted_words if vocabulary else wanted_load, spec, self._settings)
        try:
            if ticket.waits:
                yield Waiting(lambda: ticket.place)
            await ticket.wait()
            admitted = self._clock()
            async with aclosing(pool.tries[ticket.lane].notes(find, request, ticket, origin)) as notes:
                async for note in notes:
                    if isinstance(note, wire.Finished):
                        self._crashes.finished(spec.label, fingerprint)
                        self._totals.add(note)
                        note = with_waits(note, queue_s=admitted - arrived, load_s=ticket.load_s)
                        if isinstance(request, GenerationRequest):
                            self._record(spec.label, note, total_s=self._clock() - arrived)
                    yield note
        finally:
            ticket.leave()

    @property
    def full(self) -> QueueFull | None:
        """The refusal that whoever asks for an answer now will get, before anything else of the request is looked at.
        The current task's request is theirs."""
        queue = self._pools.chat.queue
        return queue.full() if queue.refuses(ACCOUNT.get()) else None

    async def _pool_of(self, spec: ModelSpec, request: Work | None = None) -> Pool:
        """Returns the pool whose runners the request is for. Words are a loaded model's business only where nobody
        computes with it."""
        pool = await self._own_pool(spec)
        words = self._pools.vocabulary
        if words is None or not needs_words_alone(request):
            return pool
        lane = pool.queue.lane_of(load_key(spec))
        is_free = lane is not None and pool.queue.is_idle(lane.number) and pool.lifecycles[lane.number].is_ready
        return pool if is_free else words

    async def _own_pool(self, spec: ModelSpec) -> Pool:
        """A small model that embeds or ranks has a place of its own beside the others."""
        pools = self._pools
        if pools.embeddings is None and pools.rerank is None:
            return pools.chat
        if (result := self._loaded(spec)) is not None:
            return result[0]
        purpose = await asyncio.to_thread(self._purpose, spec)
        return {"embeddings": pools.embeddings, "rerank": pools.rerank}.get(purpose) or pools.chat

    def _loaded(self, spec: ModelSpec) -> tuple[Pool, int] | None:
        """Returns where the model has a lane, as a pool and a number; None where it has none."""
        key = load_key(spec)
        for pool in self._pools.of_models():
            lane = pool.queue.lane_of(key)
            if lane is not None:
                return pool, lane.number
        return None

    def _purpose(self, spec: ModelSpec) -> str:
        """Returns what a small enough model is for; empty for others, and where its file does not tell. Blocks on the
        disk."""
        maximum = self._settings.embedding_memory * MIB
        try:
            wanted = wanted_load(spec, self._settings)
            if wanted.file_state[1] > maximum:
                return ""
            header = self._libraries.header(wanted.params)
        except ModelLoadFailed:  # the load says what is wrong
            return ""
        return gguf.purpose(header) if need_of(header, wanted.params).ram <= maximum else ""

    def status(self) -> DispatcherStatus:
        """Queue, models, library in use and the last requests' timings."""
        return status.of_all(self._pools, self._crashes, self._totals, self._records, self._returned)

    async def full_status(self) -> FullStatus:
        """Returns what /v1/status shows: what `status` tells, and what has to be looked for, namely memory and whether
        a library was taken back."""
        self.review_pins()
        now = self.status()
        memory = await asyncio.to_thread(in_use, [one.pid for one in now.runners if one.pid])
        memory = replace(memory, vram_bytes=memory.vram_bytes or sum(one.vram_bytes for one in now.runners))
        return FullStatus(now, memory, await asyncio.to_thread(self._libraries.fallback))

    @property
    def sleeps(self) -> bool:
        """Whether no model is loaded or wanted, and no crash is remembered that a new server must know."""
        lanes = [lifecycle for pool in self._pools for lifecycle in pool.lifecycles]
        return (
            not any(pool.busy for pool in self._pools)
            and all(lifecycle.snapshot().state is ModelState.UNLOADED for lifecycle in lanes)
            and not self._crashes.matter
        )

    async def put_away(self) -> None:
        """Gives back what is kept for the next load alone: the runner ahead, the copy in memory, and conversations that
        are put away in memory."""
        for pool in self._pools:
            for lifecycle in pool.lifecycles:
                await lifecycle.put_away()
        if self._store is not None:
            await self._store.let_go()

    async def stored(self) -> list[StoredConversation]:
        """Lists what is stored of conversations, the newest first."""
        from hoshikage.dispatch import kv_listing  # only for who asks

        await self._stored_away()
        return await asyncio.to_thread(kv_listing.conversations, self._store, cache_dir())

    async def clear_stored(self) -> list[StoredFile]:
        """Removes all of it, and tells what it was. What a loaded model keeps in its memory stays there."""
        from hoshikage.dispatch import kv_listing  # only for who asks

        await self._stored_away()
        return await asyncio.to_thread(kv_listing.clear, self._store, cache_dir())

    async def _stored_away(self) -> None:
        if self._store is not None:
            await self._store.settled()

    def kept_state(self) -> dict[str, Any]:
        """Returns the figures as plain values."""
        now = self.status()
        return {
            "totals": asdict(now.totals),
            "latencies": self._latencies.kept_state(),
            "records": [asdict(record) for record in self._records],
            "returned": None if now.last_unload is None else asdict(now.last_unload),
            "copy": None if self._copier is None else self._copier.kept_state(),
            "library": None if self._standby is None else self._standby.kept(),
        }

    def runner_to_start(self) -> RunnerCommand | None:
        """Returns how a runner is started beside the waking server, with the library of the last load; None where there
        was none. Blocking."""
        return None if self._standby is None else self._standby.to_start()

    def restore(self, kept: Mapping[str, Any], runner: HandedProcess | None = None) -> None:
        """Has the figures go on from those, and takes over the runner that was started beside this server."""
        if self._standby is not None:
            self._standby.restore(kept["library"], runner)
        elif runner is not None:
            runner.end()
        self._totals = Totals(**kept["totals"])
        self._latencies.restore(kept["latencies"])
        if kept["returned"] is not None:
            self._returned = Footprint(**kept["returned"])
        if self._copier is not None and kept["copy"] is not None:
            self._copier.restore(kept["copy"])
        self._records.extend(AnswerRecord(**record) for record in kept["records"])

    def latencies(self) -> Latencies:
        """Returns how long answers took since the server started."""
        return self._latencies

    def _record(self, label: str, end: wire.Finished, total_s: float) -> None:
        timings = end.timings
        self._latencies.add(
            label,
            first_s=(timings.queue_ms + timings.load_ms + timings.first_token_ms) / 1e3,
            decode_s=timings.decode_ms / 1e3,
            total_s=total_s,
            tokens=end.completion_tokens,
        )
        self._records.append(AnswerRecord.of(label, end, total_s))


def with_waits(end: wire.Finished, queue_s: float, load_s: float) -> wire.Finished:
    """Returns the end with the waits that the runner does not know of: for a place and for the load, given in
    seconds."""
    return replace(end, timings=replace(end.timings, queue_ms=queue_s * 1e3, load_ms=load_s * 1e3))


def _has(pool: Pool, number: int, which: ModelSpec | str) -> bool:
    """Returns whether the lane has the model, or another state of its registration."""
    label = pool.lifecycles[number].snapshot().label
    if isinstance(which, str):
        return label == which
    return label == which.label or pool.queue.lanes[number].key == load_key(which)


def digest(label: str, request: Work) -> bytes:
    """Tells requests apart without keeping them."""
    sent = wire.encode(wire.command_for(0, _steady(request)))
    return hashlib.sha256(label.encode() + b"\0" + sent).digest()


def _steady(request: Work) -> Work:
    """Returns the request with the digests of its pictures and sounds in the places of their marks, which are drawn
    anew for each request."""
    if isinstance(request, Counting):
        inner = _steady(request.request)
        return Counting(inner) if isinstance(inner, GenerationRequest) else request
    if not isinstance(request, GenerationRequest):
        return request
    if isinstance(request.prompt, TextPrompt):
        text = request.prompt.text
        for medium in request.prompt.media:
            text = text.replace(medium.mark, medium.digest)
        return replace(request, prompt=TextPrompt(text))
    if not isinstance(request.prompt, ChatPrompt):
        return request
    prompt, turns = request.prompt, request.prompt.messages
    if not prompt.media:
        return request
    for medium in prompt.media:
        turns = tuple(
            replace(turn, content=turn.content.replace(medium.mark, medium.digest)) if turn.content else turn
            for turn in turns
        )
    return replace(request, prompt=replace(prompt, messages=turns, media=()))
