"""Joins several Hoshikage servers into one, on a Ray cluster: `serve run hoshikage.cluster:app`. Needs
`hoshikage[ray]`.

No thread of its own; Ray runs the parts in processes of its nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hoshikage.cluster.plan import ClusterPlan

HEAD: Final = "node:__internal_head__"
"""Ray has this name for the head node, which its control and by default its proxy are on: a gateway elsewhere would add
the loss of one more node to what ends every request."""


def app(args: Mapping[str, str]) -> Any:
    """Makes the application as `serve run hoshikage.cluster:app NAME=VALUE …` builds it. Raises ValueError.

    Names in small letters are those of `Plan`; names in capitals are settings of the servers, such as N_CTX.
    """
    return build(ClusterPlan.of(args))


def build(plan: ClusterPlan, *more: Any) -> Any:
    """`more` goes to each server's actor."""
    from hoshikage.cluster.gateway import Gateway
    from hoshikage.cluster.replica import Replica
    from hoshikage.cluster.router import PrefixRouter

    server: Any = Replica  # Ray's decorator has made a deployment of the class
    gateway: Any = Gateway
    replica = server.options(
        autoscaling_config={
            "min_replicas": plan.min_replicas,
            "max_replicas": plan.max_replicas,
            "target_ongoing_requests": plan.concurrency,
            "upscale_delay_s": plan.up_after_s,
            "downscale_delay_s": plan.down_after_s,
            "downscale_to_zero_delay_s": plan.zero_after_s,
        },
        max_ongoing_requests=plan.concurrency,
        max_queued_requests=plan.max_waiting,
        graceful_shutdown_timeout_s=plan.drain_s,
        ray_actor_options={"num_cpus": plan.num_cpus, "num_gpus": plan.num_gpus},
        request_router_config={"request_router_class": PrefixRouter},
    ).bind(dict(plan.settings), str(Path.cwd()), *more)
    return gateway.options(
        num_replicas=plan.gateways, ray_actor_options={"num_cpus": 0, "resources": {HEAD: 0.001}}
    ).bind(replica)
