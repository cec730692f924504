"""Counts how long answers took, in buckets since the server started, by model. Event loop only.

Names, units and buckets are those of OpenTelemetry's conventions for generative AI (gen_ai.server.*).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Final

from msgspec import field

from hoshikage.frozen import Mutable

FIRST_TOKEN: Final = "gen_ai_server_time_to_first_token_seconds"
PER_TOKEN: Final = "gen_ai_server_time_per_output_token_seconds"
DURATION: Final = "gen_ai_server_request_duration_seconds"
BOUNDS: Final[dict[str, tuple[float, ...]]] = {
    FIRST_TOKEN: (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    PER_TOKEN: (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
    DURATION: (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
}
"""Upper bounds; what is over the last one counts in the whole alone. For tokens there are finer ones than OpenTelemetry
advises, whose first is 10 ms."""
MAX_MODELS: Final = 64
"""Names come from the registry, which may be long: what is over this many counts as `other`."""
OTHER: Final = "other"


class Histogram(Mutable):
    """A Histogram counts the values of one measure of one model."""

    counts: list[int]
    """`counts` has one number for each bound; a value counts at the first bound that is not below it."""
    total: int = 0
    seconds: float = 0.0

    def add(self, bounds: tuple[float, ...], value: float) -> None:
        self.total += 1
        self.seconds += value
        at = bisect_left(bounds, value)
        if at < len(bounds):
            self.counts[at] += 1


class Latencies(Mutable):
    """Latencies hold a histogram for each measure and model."""

    histograms: dict[str, dict[str, Histogram]] = field(default_factory=lambda: {name: {} for name in BOUNDS})

    def add(self, model: str, *, first_s: float, decode_s: float, total_s: float, tokens: int) -> None:
        """Counts one answer: the seconds until its first token, from there to its last, from its arrival to its end."""
        self._add(DURATION, model, total_s)
        if tokens > 0:
            self._add(FIRST_TOKEN, model, first_s)
        if tokens > 1:
            self._add(PER_TOKEN, model, decode_s / (tokens - 1))

    def kept_state(self) -> dict[str, Any]:
        """Returns the figures as plain values."""
        return {
            name: {model: (one.counts, one.total, one.seconds) for model, one in models.items()}
            for name, models in self.histograms.items()
        }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Has the figures go on from those."""
        for name, models in kept.items():
            self.histograms[name] = {model: Histogram(*values) for model, values in models.items()}

    def _add(self, name: str, model: str, value: float) -> None:
        models = self.histograms[name]
        if model not in models and len(models) >= MAX_MODELS:
            model = OTHER
        if model not in models:
            models[model] = Histogram([0] * len(BOUNDS[name]))
        models[model].add(BOUNDS[name], value)
