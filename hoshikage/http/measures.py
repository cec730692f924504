"""Counts of answered requests, by route and status, and how long they took. Event loop thread."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, float("inf"))
"""Upper bounds, in seconds."""
CLIENT_LEFT: Final = 499
"""In place of a status, where nobody waited for one."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})


class Measures:
    """Since the server started. Routes are patterns, so that there are never many."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """By method, route and status."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.buckets: defaultdict[str, Counter[float]] = defaultdict(Counter)
        """By route; a request counts in the first bucket that holds it."""

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        self.requests[method if method in METHODS else "other", route, status] += 1
        self.seconds[route] += seconds
        self.buckets[route][next(bound for bound in BUCKETS if seconds <= bound)] += 1
