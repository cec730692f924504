"""Decides which server a request goes to: the one with its beginning, else one with its model, else one with room.
Ray's router loop.
"""

from __future__ import annotations

import random
from typing import Any

from ray.serve.request_router import MultiplexMixin, PendingRequest, ReplicaID, RequestRouter, RunningReplica

from hoshikage.cluster.affinity import KeptBeginnings


class PrefixRouter(MultiplexMixin, RequestRouter):
    """Gives ranks to the servers; one that is full passes the request to the next rank."""

    def initialize_state(self, **kwargs: Any) -> None:
        del kwargs
        self._kept: KeptBeginnings[ReplicaID] = KeptBeginnings()

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        if pending_request is None:
            return [_two(candidate_replicas)]
        by_id = {replica.replica_id: replica for replica in candidate_replicas}
        kept = self._kept.find(pending_request.kwargs.get("keys", ()), by_id)
        model = pending_request.metadata.multiplexed_model_id
        holding = [one for one in candidate_replicas if model and model in one.multiplexed_model_ids]
        fewest = min((len(one.multiplexed_model_ids) for one in candidate_replicas), default=0)
        empty = [one for one in candidate_replicas if len(one.multiplexed_model_ids) == fewest]
        ranks = ([by_id[kept]] if kept is not None else [], _two(holding), _two(empty), _two(candidate_replicas))
        return [rank for rank in ranks if rank]

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any) -> None:
        del result
        self._kept.note(pending_request.kwargs.get("keys", ()), replica_id)


def _two(replicas: list[RunningReplica]) -> list[RunningReplica]:
    """Returns two by chance, of which Ray takes the one with the shorter queue."""
    return random.sample(replicas, min(2, len(replicas)))
