"""What stands in front of texts, by the names of embedding models as people and hubs write them."""

from __future__ import annotations

import pytest

from hoshikage.memory.prefixes import Prefixes, prefixes_of


@pytest.mark.parametrize(
    ("name", "query", "passage"),
    [
        ("cl-nagoya/ruri-v3-310m", "検索クエリ: ", "検索文書: "),
        ("Ruri V3 30m", "検索クエリ: ", "検索文書: "),
        ("cl-nagoya/ruri-small-v2", "クエリ: ", "文章: "),
        ("multilingual-e5-small-Q8_0", "query: ", "passage: "),
        ("multilingual-e5-large-instruct", "", ""),
        ("bge-m3-FP16", "", ""),
        ("bge-small-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("nomic-embed-text-v1.5.Q4_K_M", "search_query: ", "search_document: "),
        ("all-MiniLM-L6-v2", "", ""),
        ("", "", ""),
    ],
)
def test_families(name: str, query: str, passage: str) -> None:
    found = prefixes_of(name)
    assert (found.of("query"), found.of("passage")) == (query, passage)


@pytest.mark.parametrize(
    ("name", "distance"), [("multilingual-e5-small", 0.17), ("all-MiniLM-L6-v2", 0.7), ("ruri-v3-30m", 0.7), ("", 0.7)]
)
def test_how_near_a_familys_vectors_lie(name: str, distance: float) -> None:
    assert prefixes_of(name).distance == distance


def test_the_first_name_that_tells_decides() -> None:
    assert prefixes_of("", "model", "my-e5") == Prefixes("query: ", "passage: ", "query: ", 0.17)
    assert prefixes_of("ruri-v3", "e5") == prefixes_of("ruri-v3")
