"""Tests which server has a conversation's beginning, and what a cluster is asked for. No cluster is needed."""

from __future__ import annotations

from typing import Any

import pytest

from hoshikage.cluster.affinity import KeptBeginnings, chain, model_of
from hoshikage.cluster.plan import ClusterPlan


def talk(*turns: str, **more: Any) -> dict[str, Any]:
    return {"model": "star", "messages": [{"role": "user", "content": turn} for turn in turns], **more}


def test_the_next_turn_begins_as_the_former_one() -> None:
    first, second = chain(talk("a", "b")), chain(talk("a", "b", "c"))
    assert len(first) == 2
    assert second[:2] == first
    assert len(set(second)) == 3


@pytest.mark.parametrize(
    "other",
    [
        talk("x", "b"),
        talk("a", "b", model="moon"),
        talk("a", "b", system="Be brief."),
        talk("a", "b", tools=[{"a": 1}]),
    ],
)
def test_what_differs_before_a_turn_is_another_conversation(other: dict[str, Any]) -> None:
    assert not set(chain(talk("a", "b"))) & set(chain(other))


def test_other_forms_of_requests() -> None:
    text = "star " * 1000
    whole, longer = chain({"model": "m", "prompt": text}), chain({"model": "m", "prompt": text + "more"})
    assert len(whole) == 3
    assert longer[:2] == whole[:2]
    items = [{"role": "user", "content": "a"}]
    assert len(chain({"model": "m", "input": items})) == 1
    assert chain({"model": "m"}) == chain([1]) == chain(None) == chain({"messages": []}) == ()
    assert (model_of({"model": "a"}), model_of({"name": "b"}), model_of({"model": 7}), model_of([])) == (
        "a",
        "b",
        "",
        "",
    )


def test_the_longest_beginning_that_is_there_wins() -> None:
    kept: KeptBeginnings[str] = KeptBeginnings()
    kept.note(("a",), "one")
    kept.note(("a", "b"), "two")
    assert kept.find(("a", "b", "c"), {"one", "two"}) == "two"
    assert kept.find(("a", "b", "c"), {"one"}) is None, "its beginning moved on to two, which has gone"
    kept.note(("a",), "one")
    assert kept.find(("a", "b", "c"), {"one"}) == "one"
    assert kept.find(("x",), {"one"}) is None


def test_what_was_not_used_for_longest_is_forgotten() -> None:
    kept: KeptBeginnings[int] = KeptBeginnings(max_kept=2)
    kept.note(("a", "b"), 1)
    assert kept.find(("a",), {1}) == 1
    kept.note(("c",), 2)
    assert (kept.find(("a",), {1, 2}), kept.find(("b",), {1, 2}), kept.find(("c",), {1, 2})) == (1, None, 2)


def test_the_plan_of_a_cluster() -> None:
    plan = ClusterPlan.of({"max_replicas": "8", "num_gpus": "0.5", "N_CTX": 8192})
    assert (plan.max_replicas, plan.num_gpus, plan.settings) == (8, 0.5, {"N_CTX": "8192"})
    assert ClusterPlan.of({}).min_replicas == 0


@pytest.mark.parametrize(
    "args", [{"replicas": "3"}, {"max_replicas": "many"}, {"min_replicas": "5"}, {"concurrency": "0"}]
)
def test_a_plan_that_cannot_be(args: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        ClusterPlan.of(args)
