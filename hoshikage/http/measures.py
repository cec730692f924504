"""Counts of answered requests, by route and status, and how long they took. Event loop thread."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final

BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, float("inf"))
"""The upper bounds are in seconds."""
CLIENT_LEFT: Final = 499
"""This number takes the place of a status where nobody waited for one."""
QUIET: Final = frozenset({"/health", "/v1/health", "/metrics", "/v1/status", "/v1/api/version", "/", "/page/{file}"})
"""Asking for these routes is no use of the server; asked with GET or HEAD they neither keep it awake nor wake it."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})


class Measures:
    """Measures count from the start of the server. Routes are patterns, so that there are never many."""

    def __init__(self) -> None:
        self.used = time.monotonic()
        """`used` is when the server was last of use to anybody: it began, or a request came or went that is not
        quiet."""
        self.began = int(time.time())
        """The counts began at this time, in seconds since 1970; a server that sleeps goes on counting."""
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """`requests` counts by method, route and status."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.buckets: defaultdict[str, Counter[float]] = defaultdict(Counter)
        """`buckets` counts requests by route and upper bound; each counts at the first bound that is not below its
        time."""

    def kept_state(self) -> dict[str, Any]:
        """Returns the figures as plain values."""
        return {
            "began": self.began,
            "requests": dict(self.requests),
            "seconds": dict(self.seconds),
            "buckets": {route: dict(result) for route, result in self.buckets.items()},
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Has the figures go on from those."""
        self.began = kept["began"]
        self.requests.update(kept["requests"])
        for route, seconds in kept["seconds"].items():
            self.seconds[route] += seconds
        for route, result in kept["buckets"].items():
            self.buckets[route].update(result)

    def add_many(self, method: str, route: str, count: int) -> None:
        """Counts so many requests that were answered at once, well."""
        self.requests[method, route, 200] += count
        self.seconds[route] += 0.0
        self.buckets[route][BUCKETS[0]] += count

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests[method if method in METHODS else "other", route, status] += 1
        self.seconds[route] += seconds
        self.buckets[route][next(bound for bound in BUCKETS if seconds <= bound)] += 1
