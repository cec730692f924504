"""Decides how many servers there are and what each one gets, as it is given to `serve run`. Values; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """These are the cluster's own settings; all others go to the servers."""

    min_replicas: int = 0
    max_replicas: int = 4
    concurrency: int = 2
    """`concurrency` is how many requests one server has at once: as many as it computes together, or one more. More
    call for another server."""
    max_waiting: int = 256
    """With more requests than this waiting for a server, the next is refused with 503 and Retry-After."""
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    """Ray reserves so much for each server."""
    gateways: int = 1
    """So many processes take requests; each keeps its own memory of which server has which beginning."""
    up_after_s: float = 5.0
    down_after_s: float = 300.0
    zero_after_s: float = 600.0
    """The number must be too small, or too large, for so many seconds before it changes; and before the last server
    goes."""
    drain_s: float = 120.0
    """A server that leaves may end its answers within so many seconds."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """`settings` are the servers' variables with their values."""

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> ClusterPlan:
        """Raises ValueError for an unknown name or a value that cannot be."""
        kinds: dict[str, Any] = {row.name: type(row.default) for row in fields(cls) if row.name != "settings"}
        values: dict[str, Any] = {}
        settings = {}
        for name, value in args.items():
            if name.isupper():
                settings[name] = str(value)
            elif name in kinds:
                values[name] = kinds[name](value)
            else:
                raise ValueError(f"{name}: one of {', '.join(kinds)}, or a setting in capitals")
        plan = cls(**values, settings=settings)
        if not (0 <= plan.min_replicas <= plan.max_replicas and plan.max_replicas and plan.concurrency > 0):
            raise ValueError(f"min_replicas={plan.min_replicas}, max_replicas={plan.max_replicas}")
        return plan
