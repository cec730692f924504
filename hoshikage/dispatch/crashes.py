"""Remembers what crashed, and decides what follows from it: refusal of a request, of its caller's grammars, quarantine.
Any one thread.

A crash at a load, or while nothing was computed, is the model's. One during which a single request was computed is
that request's: at its second (at once, where it had to be stopped) the request is refused for a while. Three crashes
of one model within a minute put it in quarantine, if they were its own or came of different requests; as long as they
came of one caller's requests, for that caller alone. Grammars can be made to crash, so what they do says nothing of
the model; a caller who does it again and again may send none for a while.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Final

from msgspec import field

from hoshikage.errors import ModelQuarantined, RateLimited, RequestCrashedModel
from hoshikage.frozen import Frozen, Mutable

WINDOW_S: Final = 60.0
LIMIT: Final = 3
QUARANTINE_S: Final = 300.0
POISON_S: Final = 600.0
STRIKES: Final = 2
CALLER_LIMIT: Final = 3
"""This many requests of one caller may crash the model within POISON_S, before grammars of that caller are refused."""
MAX_KEPT: Final = 1000
"""So many requests, and callers, are remembered at most."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0

State = tuple[Hashable, Hashable]
"""A crash hangs on these two: model file and library."""


class Origin(Frozen, frozen=True):
    """An Origin says whose job it is. No text of a request is kept."""

    digest: bytes = b""
    caller: str = ""
    """`caller` is a token or an address."""
    grammar: bool = False


NOBODY: Final = Origin()


class _Record(Mutable):
    state: State
    own: deque[float] = field(default_factory=lambda: deque(maxlen=LIMIT))
    """The model crashed at these times at a load, or while nothing was computed."""
    requests: dict[bytes, tuple[float, str]] = field(default_factory=dict)
    """These requests crashed the model: the digest leads to the time and the caller."""
    in_a_row: int = 0
    until: float = 0.0
    kept_out: dict[str, float] = field(default_factory=dict)
    """The model is refused to each of these callers until the time beside it."""


class _Suspect(Mutable):
    state: State
    until: float
    strikes: int = 0


class Crashes:
    """Times are of the injected clock, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._models: dict[str, _Record] = {}
        self._suspects: dict[bytes, _Suspect] = {}
        self._callers: dict[str, dict[bytes, float]] = {}

    def ended(self, label: str, state: State, suspects: Sequence[Origin], *, at_once: bool) -> None:
        """Judges whose crash it was that a runner of that model ended by itself while these were computed."""
        if not suspects:
            self.crashed(label, state)
        elif len(suspects) == 1:
            self.blame(label, state, suspects[0], at_once=at_once)
        else:
            for origin in suspects:
                self.doubt(state, origin)

    def crashed(self, label: str, state: State) -> None:
        """A runner of that model ended by itself, and no request is to blame."""
        record = self._record(label, state)
        record.own.append(self._clock())
        record.in_a_row += 1
        self._judge(record)

    def blame(self, label: str, state: State, origin: Origin, *, at_once: bool = False) -> None:
        """Counts a crash against this request: a runner of that model ended by itself while it alone was computed.
        `at_once`: it had to be stopped, so that trying again would take as long."""
        suspect = self._suspect(origin.digest, state)
        suspect.strikes = STRIKES if at_once else suspect.strikes + 1
        suspect.until = self._clock() + POISON_S
        if suspect.strikes >= STRIKES or origin.grammar:
            self._count(origin)
        if not origin.grammar:
            record = self._record(label, state)
            record.requests[origin.digest] = (self._clock(), origin.caller)
            self._judge(record)

    def doubt(self, state: State, origin: Origin) -> None:
        """Suspects this request, as a runner ended while it and others were computed."""
        suspect = self._suspect(origin.digest, state)
        suspect.strikes = max(suspect.strikes, STRIKES - 1)

    def finished(self, label: str, digest: bytes = b"") -> None:
        """A request of that model came to a good end."""
        self._suspects.pop(digest, None)
        if label in self._models:
            self._models[label].in_a_row = 0
            self._models[label].requests.pop(digest, None)

    def pause(self, label: str) -> float:
        """Returns the seconds to wait before the model's next runner: none after its first crash in a row, then
        growing."""
        record = self._models.get(label)
        if record is None or record.in_a_row < 2:
            return 0.0
        return float(min(FIRST_PAUSE_S * 2.0 ** (record.in_a_row - 2), LONGEST_PAUSE_S))

    def quarantined(self, label: str, caller: str | None = None) -> bool:
        """Returns whether the model is refused to everybody, or to that caller."""
        record = self._models.get(label)
        if record is None:
            return False
        until = record.until if caller is None else max(record.until, record.kept_out.get(caller, 0.0))
        return self._clock() < until

    def check(self, label: str, state: State, caller: str = "") -> None:
        """Raises ModelQuarantined, unless the time is over or model file or library have changed since."""
        record = self._models.get(label)
        if record is None:
            return
        left = max(record.until, record.kept_out.get(caller, 0.0)) - self._clock()
        if left > 0 and record.state == state:
            raise ModelQuarantined(
                "dispatch.quarantined", param="model", label=label, crashes=LIMIT, retry_after=math.ceil(left)
            )
        if record.state != state or record.until:
            del self._models[label]

    @property
    def matter(self) -> bool:
        """Tells whether anything is refused now because of a crash, or would be at the next one."""
        now = self._clock()
        records = [one.until for one in self._models.values()]
        kept_out = [until for one in self._models.values() for until in one.kept_out.values()]
        suspects = [one.until for one in self._suspects.values()]
        callers = [time + POISON_S for times in self._callers.values() for time in times.values()]
        return any(until > now for until in (*records, *kept_out, *suspects, *callers))

    def refuses(self, digest: bytes) -> bool:
        """Returns whether that request has crashed a runner as often as it may."""
        suspect = self._suspects.get(digest)
        return suspect is not None and suspect.strikes >= STRIKES and suspect.until > self._clock()

    def check_request(self, digest: bytes, file_state: Hashable) -> None:
        """Raises RequestCrashedModel for a request that is refused, as long as the model's file is the same."""
        if self.refuses(digest) and self._suspects[digest].state[0] == file_state:
            raise RequestCrashedModel("dispatch.request_refused", minutes=int(POISON_S // 60))

    def check_caller(self, caller: str) -> None:
        """Raises RateLimited for a caller who may send no grammar for a while."""
        now = self._clock()
        times = sorted(time for time in self._callers.get(caller, {}).values() if time + POISON_S > now)
        if len(times) >= CALLER_LIMIT:
            wait = math.ceil(times[-CALLER_LIMIT] + POISON_S - now)
            raise RateLimited("dispatch.caller_refused", retry_after=wait, seconds=wait)

    def _record(self, label: str, state: State) -> _Record:
        record = self._models.get(label)
        if record is None or record.state != state:
            record = self._models[label] = _Record(state)
        return record

    def _suspect(self, digest: bytes, state: State) -> _Suspect:
        now = self._clock()
        suspect = self._suspects.get(digest)
        if suspect is None or suspect.until <= now or suspect.state != state:
            suspect = _Suspect(state, now + POISON_S)
        self._suspects = {key: one for key, one in self._suspects.items() if one.until > now and key != digest}
        while len(self._suspects) >= MAX_KEPT:
            del self._suspects[next(iter(self._suspects))]
        self._suspects[digest] = suspect
        return suspect

    def _count(self, origin: Origin) -> None:
        now = self._clock()
        kept = {digest: time for digest, time in self._callers.get(origin.caller, {}).items() if time + POISON_S > now}
        kept[origin.digest] = now
        self._callers.pop(origin.caller, None)
        while len(self._callers) >= MAX_KEPT:
            del self._callers[next(iter(self._callers))]
        self._callers[origin.caller] = dict([*kept.items()][-CALLER_LIMIT:])

    def _judge(self, record: _Record) -> None:
        now = self._clock()
        own = sum(time + WINDOW_S >= now for time in record.own)
        record.requests = {key: one for key, one in record.requests.items() if one[0] + WINDOW_S >= now}
        callers = [caller for _, caller in record.requests.values()]
        if own + len(set(callers)) >= LIMIT:
            record.until = now + QUARANTINE_S
        for caller in set(callers):
            if own + callers.count(caller) >= LIMIT:
                record.kept_out[caller] = now + QUARANTINE_S
