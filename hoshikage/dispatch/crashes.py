"""What crashed, and what follows from it: pauses, quarantine of a model, refusal of a request. Any one thread.

The third crash of one model within a minute puts it in quarantine, and a request that crashed two runners is refused.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from hoshikage.errors import ModelCrashed, ModelQuarantined

WINDOW_S: Final = 60.0
LIMIT: Final = 3
QUARANTINE_S: Final = 300.0
POISON_S: Final = 600.0
MAX_POISONS: Final = 1000
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0


@dataclass(slots=True)
class _Record:
    state: Hashable
    times: deque[float] = field(default_factory=lambda: deque(maxlen=LIMIT))
    in_a_row: int = 0
    until: float = 0.0


class Crashes:
    """Times are of the injected clock, in seconds. `state` is what the crash hangs on: model file and library."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._models: dict[str, _Record] = {}
        self._poisons: dict[bytes, float] = {}

    def crashed(self, label: str, state: Hashable) -> None:
        """A runner of that model ended by itself."""
        record = self._models.get(label)
        if record is None or record.state != state:
            record = self._models[label] = _Record(state)
        now = self._clock()
        record.times.append(now)
        record.in_a_row += 1
        if len(record.times) == LIMIT and now - record.times[0] <= WINDOW_S:
            record.until = now + QUARANTINE_S

    def finished(self, label: str) -> None:
        """A request of that model came to a good end."""
        if label in self._models:
            self._models[label].in_a_row = 0

    def pause(self, label: str) -> float:
        """Seconds to wait before the model's next runner: none after its first crash in a row, then growing."""
        record = self._models.get(label)
        if record is None or record.in_a_row < 2:
            return 0.0
        return float(min(FIRST_PAUSE_S * 2.0 ** (record.in_a_row - 2), LONGEST_PAUSE_S))

    def quarantined(self, label: str) -> bool:
        record = self._models.get(label)
        return record is not None and self._clock() < record.until

    def check(self, label: str, state: Hashable) -> None:
        """Raises ModelQuarantined, unless the time is over or model file or library have changed since."""
        record = self._models.get(label)
        if record is None:
            return
        left = record.until - self._clock()
        if left > 0 and record.state == state:
            raise ModelQuarantined(
                "dispatch.quarantined", param="model", label=label, crashes=LIMIT, retry_after=math.ceil(left)
            )
        if record.until:
            del self._models[label]

    def poison(self, request: bytes) -> None:
        """That request crashed two runners. `request` is a digest; prompts are not kept."""
        now = self._clock()
        self._poisons = {key: until for key, until in self._poisons.items() if until > now}
        if len(self._poisons) < MAX_POISONS:
            self._poisons[request] = now + POISON_S

    def check_request(self, request: bytes) -> None:
        """Raises ModelCrashed for a request that crashed two runners in the last ten minutes."""
        if self._poisons and self._poisons.get(request, 0.0) > self._clock():
            raise ModelCrashed("dispatch.request_refused", minutes=int(POISON_S // 60))
