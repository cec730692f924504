"""Tests how long answers took, in buckets."""

from __future__ import annotations

from hoshikage.dispatch.latencies import BOUNDS, DURATION, FIRST_TOKEN, MAX_MODELS, OTHER, PER_TOKEN, Latencies


def test_each_value_counts_in_the_first_bucket_that_holds_it() -> None:
    latencies = Latencies()
    for seconds in (0.001, 0.0011, 10.0, 11.0):
        latencies.add("tiny", first_s=seconds, decode_s=2.0, total_s=100.0, tokens=5)
    first = latencies.histograms[FIRST_TOKEN]["tiny"]
    assert dict(zip(BOUNDS[FIRST_TOKEN], first.counts, strict=True)) == {
        **dict.fromkeys(BOUNDS[FIRST_TOKEN], 0), 0.001: 1, 0.005: 1, 10.0: 1,
    }  # fmt: skip
    assert (first.total, round(first.seconds, 4)) == (4, 21.0021)
    token = latencies.histograms[PER_TOKEN]["tiny"]
    assert token.counts[BOUNDS[PER_TOKEN].index(0.5)] == 4
    whole = latencies.histograms[DURATION]["tiny"]
    assert (sum(whole.counts), whole.total) == (0, 4)


def test_an_answer_of_one_token_has_no_time_between_tokens_and_one_of_none_no_first() -> None:
    latencies = Latencies()
    latencies.add("tiny", first_s=1.0, decode_s=0.0, total_s=1.0, tokens=1)
    latencies.add("tiny", first_s=0.0, decode_s=0.0, total_s=1.0, tokens=0)
    assert latencies.histograms[PER_TOKEN] == {}
    assert latencies.histograms[FIRST_TOKEN]["tiny"].total == 1
    assert latencies.histograms[DURATION]["tiny"].total == 2


def test_there_are_never_many_models() -> None:
    latencies = Latencies()
    for number in range(MAX_MODELS + 3):
        latencies.add(f"m{number}", first_s=1.0, decode_s=1.0, total_s=1.0, tokens=3)
    found = latencies.histograms[DURATION]
    assert len(found) == MAX_MODELS + 1
    assert found[OTHER].total == 3
