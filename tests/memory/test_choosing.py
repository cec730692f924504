"""Tests which sentences stand for all: by clusters as the older version did, and by what they tell."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hoshikage.keeper.choosing import chosen, clusters
from hoshikage.keeper.frames import Choice, Choose, Sentence

pytestmark = pytest.mark.memory
numpy: Any = __import__("numpy")


def choose(texts: list[tuple[str, bool]], choice: Choice = "clusters", divisor: int = 10) -> Choose:
    return Choose(1, "m", tuple(Sentence(*one) for one in texts), choice, divisor, 1, 20)


def groups(count: int, each: int, width: int = 16) -> Any:
    """Unit vectors in `count` groups of one direction each, the first of a group the nearest to it."""
    random = numpy.random.default_rng(1)
    rows = []
    for group in range(count):
        for number in range(each):
            row = numpy.zeros(width, numpy.float32)
            row[group] = 1
            row += random.normal(0, 0.002 * number, width).astype(numpy.float32)
            rows.append(row / numpy.linalg.norm(row))
    return numpy.array(rows, numpy.float32)


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (199, 1), (200, 2), (450, 4), (100_000, 20)])
def test_clusters_are_as_many_as_the_settings_say(count: int, expected: int) -> None:
    asked = Choose(1, "m", (), "clusters", 100, 1, 20)
    assert clusters(count, asked) == expected


def test_of_each_cluster_come_the_nearest_to_its_centre_as_many_as_its_size_allows() -> None:
    texts = [(f"sentence {number}", True) for number in range(4 * 30)]
    order = chosen(choose(texts, divisor=30), groups(4, 30))
    assert len(order) == 4 * math.ceil(30 / 10)
    assert {place // 30 for place in order[:4]} == {0, 1, 2, 3}, "the nearest of each comes first"
    assert all(place % 30 < 15 for place in order), "what is far from every centre stands for nothing"
    big = chosen(choose([("x", True)] * 100, divisor=100), groups(1, 100))
    assert len(big) == 5, "five at most"


def test_the_same_sentences_give_the_same_choice() -> None:
    vectors = numpy.random.default_rng(3).normal(size=(300, 32)).astype(numpy.float32)
    asked = choose([(str(number), True) for number in range(300)])
    assert chosen(asked, vectors) == chosen(asked, vectors)


def test_facts_are_what_the_user_said_with_numbers_and_names_and_not_twice() -> None:
    texts = [
        ("That sounds good, thanks a lot.", True),
        ("My cat is called Mikan and weighs 4.2 kg.", True),
        ("Could you tell me more about it?", True),
        ("It is good to think about it.", False),
        ("My cat Mikan weighs 4.2 kg, as I said.", True),
    ]
    vectors = numpy.eye(5, dtype=numpy.float32)
    vectors[4] = vectors[1]
    order = chosen(choose(texts, "facts"), vectors)
    assert order[0] in (1, 4)
    assert not {1, 4} <= set(order)


def test_a_model_that_finds_everything_alike_loses_no_fact() -> None:
    texts = [(f"My number is {number}, my town is Town{number}.", True) for number in range(40)]
    vectors = numpy.random.default_rng(8).normal(size=(40, 32)).astype(numpy.float32)
    vectors += 5 * numpy.ones(32, numpy.float32)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    assert (vectors @ vectors.T).min() > 0.9
    assert sorted(chosen(choose(texts, "facts"), vectors)) == list(range(40))


def test_of_nothing_nothing_is_chosen() -> None:
    empty = numpy.zeros((0, 4), numpy.float32)
    assert chosen(choose([]), empty) == chosen(choose([], "facts"), empty) == []
