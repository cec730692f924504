"""Bounds how much each access token may use: requests and tokens a minute. Event loop only; pure, on the clock it is
given.

Each name has two buckets that fill up steadily and hold a minute's worth. A request takes one from the first as it
is let in. What it generates is known afterwards only, so it is taken from the second then, which may go below zero:
the next request waits until that debt is paid off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Final

from hoshikage.frozen import Frozen

MINUTE_S: Final = 60.0
ROUNDING: Final = 1e-6
"""This much of one request or token is forgiven, so that rounding refuses nobody who has waited as long as told."""


class Level(Frozen, frozen=True):
    """A level tells how a name stands with one limit."""

    limit: int
    """`limit` is how much is allowed in a minute."""
    remaining: int
    """`remaining` is what is usable now; it is never below 0."""
    reset_s: float
    """After this many seconds all of the limit is usable again."""


class _Bucket:
    def __init__(self, per_minute: int, now: float) -> None:
        self._per_minute = per_minute
        self._level = float(per_minute)
        self._at = now

    def wait(self, now: float) -> float:
        """Returns the seconds until one can be taken; 0 where that is now."""
        elapsed = now - self._at
        self._level = min(float(self._per_minute), self._level + elapsed * self._per_minute / MINUTE_S)
        self._at = now
        lacking = 1.0 - self._level
        return lacking * MINUTE_S / self._per_minute if lacking > ROUNDING else 0.0

    def take(self, count: int, now: float) -> None:
        self.wait(now)
        self._level -= count

    def level(self, now: float) -> Level:
        self.wait(now)
        lacking = self._per_minute - self._level
        remaining = max(0, math.floor(self._level + ROUNDING))
        return Level(self._per_minute, remaining, lacking * MINUTE_S / self._per_minute)


class RateLimits:
    """These limits hold for every name alike; 0 is no limit."""

    def __init__(
        self, requests_per_minute: int, tokens_per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._requests_per_minute = requests_per_minute
        self._tokens_per_minute = tokens_per_minute
        self._clock = clock
        self._requests: dict[str, _Bucket] = {}
        self._tokens: dict[str, _Bucket] = {}

    def admit(self, name: str) -> int | None:
        """Counts a request of that name and gives None; or lets it not in and gives the whole seconds to wait.

        A request that is not let in is not counted.
        """
        now = self._clock()
        requests = _bucket(self._requests, name, self._requests_per_minute, now)
        tokens = _bucket(self._tokens, name, self._tokens_per_minute, now)
        wait = max((bucket.wait(now) for bucket in (requests, tokens) if bucket is not None), default=0.0)
        if wait > 0:
            return math.ceil(wait)
        if requests is not None:
            requests.take(1, now)
        return None

    def levels(self, name: str) -> Mapping[str, Level]:
        """Returns how that name stands, for `requests` and `tokens`, as far as these are limited."""
        now = self._clock()
        buckets = {
            "requests": _bucket(self._requests, name, self._requests_per_minute, now),
            "tokens": _bucket(self._tokens, name, self._tokens_per_minute, now),
        }
        return {kind: bucket.level(now) for kind, bucket in buckets.items() if bucket is not None}

    def spend(self, name: str, tokens: int) -> None:
        """Counts what a request of that name has used: prompt and answer."""
        now = self._clock()
        bucket = _bucket(self._tokens, name, self._tokens_per_minute, now)
        if bucket is not None:
            bucket.take(tokens, now)


def _bucket(buckets: dict[str, _Bucket], name: str, per_minute: int, now: float) -> _Bucket | None:
    """Returns the name's bucket, full where it is new; None where there is no limit. Names are those of the token
    file."""
    if per_minute == 0:
        return None
    if name not in buckets:
        buckets[name] = _Bucket(per_minute, now)
    return buckets[name]
