"""Tests what follows from given figures: which settings are chosen, which are not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from hoshikage.cli import tune_run
from hoshikage.cli.options import shown
from hoshikage.cli.tune_choice import (
    Trial,
    TuneChoice,
    TuneFigures,
    answer_s,
    apart,
    choose,
    confirmed,
    gains_of,
    repeated,
    use_s,
)
from hoshikage.cli.tune_run import trials_of, with_base
from hoshikage.messages import LANGUAGES, text
from hoshikage.params import LoadParams
from hoshikage.registry.tuned import GUARDED
from tests.dispatch.fake_host import choice as library

BASE: Final = TuneFigures(
    generation=50.0, together=100.0, prompt=200.0, load_s=1.0, n_threads=4, answer=(1, 2, 3, 4, 5)
)
ALL: Final = frozenset(GUARDED)


def trial(changed: dict[str, Any], **figures: Any) -> Trial:
    return Trial(changed, replace(BASE, **figures))


def chosen(*trials: Trial, n_parallel: int = 1, kv: bool = False) -> tuple[dict[str, Any], list[str]]:
    result = choose(BASE, trials, n_parallel, kv=kv)
    for reason in result.reasons:
        assert all(text(language, reason.key, **reason.details) for language in LANGUAGES)
    return result.values, [reason.key for reason in result.reasons]


def test_the_time_of_a_use_is_a_load_a_prompt_and_an_answer() -> None:
    assert use_s(BASE, 1) == pytest.approx(1.0 + 512 / 200 + 256 / 50)
    assert answer_s(BASE, 4) == pytest.approx(4 * 256 / 100)
    assert answer_s(replace(BASE, together=None), 4) == pytest.approx(256 / 50)


@pytest.mark.parametrize(
    ("one", "values", "reasons"),
    [
        (trial({"n_ubatch": 256}, prompt=400.0), {"n_ubatch": 256}, ["tune.why_use"]),
        (trial({"n_ubatch": 256}, prompt=205.0), {}, ["tune.why_nothing"]),
        (trial({"n_ubatch": 256}, prompt=100.0), {}, ["tune.why_nothing"]),
        (trial({"repack": False}, load_s=0.1), {"repack": False}, ["tune.why_use"]),
        (trial({"repack": False}, load_s=0.1, generation=35.0), {}, ["tune.why_nothing"]),
        (trial({"flash_attn": "on"}, generation=90.0), {"flash_attn": "on"}, ["tune.why_use"]),
        (
            trial({"flash_attn": "on"}, generation=90.0, answer=(1, 2, 9)),
            {},
            ["tune.why_differs", "tune.why_nothing"],
        ),
        (trial({"type_k": "q8_0", "type_v": "q8_0"}, generation=90.0), {}, ["tune.why_kv", "tune.why_nothing"]),
        (trial({"n_threads": 2}, generation=60.0), {"n_threads": 2}, ["tune.why_answer"]),
        (trial({"n_threads": 2}, prompt=300.0), {"n_threads_batch": 2}, ["tune.why_prompt"]),
        (
            trial({"n_threads": 2}, generation=60.0, prompt=150.0),
            {"n_threads": 2, "n_threads_batch": 4},
            ["tune.why_answer"],
        ),
        (
            trial({"n_threads": 8}, generation=60.0, prompt=400.0),
            {"n_threads": 8},
            ["tune.why_answer", "tune.why_prompt"],
        ),
        (trial({"n_threads": 2}, generation=60.0, answer=(7,)), {}, ["tune.why_nothing"]),
        (Trial({"n_ubatch": 128}, None, "lacks"), {}, ["tune.why_nothing"]),
    ],
)
def test_one_setting_is_chosen_by_a_twentieth_and_the_same_answer(
    one: Trial, values: dict[str, Any], reasons: list[str]
) -> None:
    assert chosen(one) == (values, reasons)


def test_what_lies_within_the_noise_or_was_measured_once_is_not_chosen() -> None:
    one = trial({"flash_attn": "on"}, generation=70.0)
    assert choose(BASE, [one], 1, kv=False).values == {"flash_attn": "on"}
    assert choose(replace(BASE, noise=1.4), [one], 1, kv=False).values == {}
    assert choose(BASE, [trial({"flash_attn": "on"}, generation=70.0, rounds=1)], 1, kv=False).values == {}
    few = choose(replace(BASE, rounds=1), [one], 1, kv=False)
    assert (few.values, few.reasons[0].key) == ({}, "tune.why_few")
    assert all(text(language, "tune.why_few") for language in LANGUAGES)


def test_a_trial_of_what_there_is_tells_the_noise() -> None:
    base = replace(BASE, n_threads=1, n_prompt=300)
    same = Trial({"n_threads": 1}, replace(base, generation=74.0))
    flash = Trial({"flash_attn": "on"}, replace(base, generation=80.0))
    merged, others = apart(base, [same, flash], 1)
    assert others == [flash]
    assert (merged.generation, merged.rounds) == (74.0, 4)
    assert merged.noise == pytest.approx(74 / 50)
    assert choose(base, [flash], 1, kv=False).values == {"flash_attn": "on"}, "without what the same setting told"
    result = choose(merged, others, 1, kv=False)
    assert (result.values, [reason.key for reason in result.reasons]) == ({}, ["tune.why_noisy"])
    assert result.reasons[0].details == {"percent": 48}
    assert all(text(language, "tune.why_noisy", percent=48) for language in LANGUAGES)


@pytest.mark.parametrize(("size", "same"), [(256, False), (300, True), (1024, True)])
def test_a_prompt_that_is_one_piece_anyhow_is_what_there_is(size: int, same: bool) -> None:
    one = Trial({"n_ubatch": size}, replace(BASE, prompt=210.0))
    merged, others = apart(replace(BASE, n_prompt=300), [one], 1)
    assert (others, merged.prompt) == (([], 210.0) if same else ([one], 200.0))


def test_a_trial_that_is_the_same_and_was_not_reached_tells_nothing() -> None:
    assert apart(BASE, [Trial({"n_threads": 4})], 1) == (BASE, [])


@pytest.mark.parametrize(("again", "values"), [(49.0, {"flash_attn": "on"}), (41.0, {}), (60.0, {})])
def test_a_choice_lies_beyond_what_measurements_of_what_there_is_differ(again: float, values: dict[str, Any]) -> None:
    """A use with the trial takes 8.68 / 7.96 = 1.09 times less; the measurements differ 1.02, 1.22 and 1.2 times."""
    base = repeated([BASE, replace(BASE, generation=again)], 1)
    assert base.generation == max(50.0, again)
    assert choose(base, [trial({"flash_attn": "on"}, generation=58.2)], 1, kv=False).values == values


def test_measurements_of_several_answers_count_where_they_are_computed() -> None:
    measured = [BASE, replace(BASE, together=120.0, load_s=0.5, vram_bytes=7)]
    assert repeated(measured, 1).noise == 1.0
    both = repeated(measured, 4)
    assert (both.noise, both.together, both.load_s, both.vram_bytes) == (1.2, 120.0, 0.5, 7)


def test_a_trial_that_differs_from_itself_is_not_chosen_for_its_best_round() -> None:
    lucky = trial({"flash_attn": "on"}, generation=90.0, noise=1.8)
    assert chosen(lucky)[0] == {}
    assert chosen(trial({"n_threads": 2}, generation=90.0, noise=1.9))[0] == {}
    steady = trial({"flash_attn": "off"}, generation=80.0)
    assert chosen(lucky, steady)[0] == {"flash_attn": "off"}


def test_what_there_is_has_its_turn_before_between_and_behind() -> None:
    one, two, three = {"n_ubatch": 128}, {"n_ubatch": 256}, {"flash_attn": "on"}
    assert with_base([one, two, three]) == [{}, one, two, {}, three, {}]
    assert with_base([one]) == [{}, one, {}]
    assert with_base([]) == [{}, {}]


@pytest.mark.parametrize(
    ("again", "busy_then", "values"),
    [(50.0, False, {"flash_attn": "on"}), (50.0, True, {"flash_attn": "on"}), (90.0, False, {}), (70.0, False, {})],
)
def test_a_choice_has_to_hold_when_what_there_is_is_measured_again(
    again: float, busy_then: bool, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures of the processes are given; the machine may get busy while they measure."""

    def given(_self: object, _params: LoadParams, trials: Sequence[dict[str, Any]], _seconds: float) -> list[Trial]:
        if len(trials) == 1:
            return [trial({}, generation=again)]
        return [trial(one, generation=80.0 if one == {"flash_attn": "on"} else 50.0) for one in trials]

    states = iter([False, busy_then])
    monkeypatch.setattr(tune_run._Process, "run", given)
    monkeypatch.setattr(tune_run, "is_busy", lambda: next(states))
    found = tune_run.measure(LoadParams(""), library("x"), frozenset({"flash_attn"}), 20, 2, kv=False)
    assert (found.chosen.values, found.busy) == (values, busy_then)
    assert [dict(one.changed) for one in found.trials] == [{"flash_attn": "on"}, {"flash_attn": "off"}]
    assert found.base.generation == max(50.0, again)


def test_only_what_a_setting_can_change_counts_of_its_figures() -> None:
    assert chosen(trial({"n_ubatch": 256}, generation=500.0, load_s=0.1))[0] == {}
    assert chosen(trial({"flash_attn": "on"}, load_s=0.1))[0] == {}


def test_answers_are_compared_as_far_as_both_went() -> None:
    assert chosen(trial({"flash_attn": "on"}, generation=90.0, answer=(1, 2)))[0] == {"flash_attn": "on"}


def test_kv_types_and_what_changes_answers_are_chosen_only_if_asked_for() -> None:
    quick = trial({"type_k": "q8_0", "type_v": "q8_0"}, generation=90.0, answer=(9,))
    quicker = trial({"type_k": "q4_0", "type_v": "q4_0"}, generation=99.0, answer=(8,))
    flash = trial({"flash_attn": "off"}, generation=70.0, answer=(7,))
    assert chosen(quick, quicker, flash)[0] == {}
    assert chosen(quick, quicker, flash, kv=True)[0] == {"type_k": "q4_0", "type_v": "q4_0", "flash_attn": "off"}


def test_several_answers_at_once_count_where_the_server_computes_them() -> None:
    one = trial({"n_threads": 2}, generation=25.0, together=150.0)
    assert chosen(one)[0] == {}
    assert chosen(one, n_parallel=4)[0] == {"n_threads": 2}


def test_prompts_and_answers_have_their_own_best_number_of_threads() -> None:
    two, eight = trial({"n_threads": 2}, generation=80.0, prompt=100.0), trial({"n_threads": 8}, prompt=500.0)
    assert chosen(two, eight)[0] == {"n_threads": 2, "n_threads_batch": 8}


def test_all_together_has_to_be_better_than_the_best_alone() -> None:
    trials = (trial({"n_ubatch": 256}, prompt=400.0), trial({"flash_attn": "on"}, generation=90.0))
    both = choose(BASE, trials, 1, kv=False)
    gains = gains_of(both, BASE, trials, 1)
    assert max(gains, key=lambda name: gains[name]) == "flash_attn"
    better = replace(BASE, prompt=400.0, generation=90.0)
    assert confirmed(both, BASE, better, 1, gains) == both
    for worse in (BASE, None):
        result = confirmed(both, BASE, worse, 1, gains)
        assert result.values == {"flash_attn": "on"}
        assert result.reasons[-1].key == "tune.why_alone"


def test_the_gain_of_threads_is_that_of_the_trial_with_their_number() -> None:
    trials = (trial({"n_threads": 2}, generation=80.0, prompt=100.0), trial({"n_threads": 8}, prompt=500.0))
    both = TuneChoice({"threads": {"n_threads": 2, "n_threads_batch": 8}}, ())
    assert gains_of(both, BASE, trials, 1)["threads"] > 1


def test_what_is_tried_leaves_a_persons_settings_alone() -> None:
    everything = trials_of(LoadParams(""), ALL, cores=4, logical=8)
    assert {"n_threads": 3} in everything
    assert {"n_threads": 4} not in everything, "that is what there is without a setting"
    assert {"n_ubatch": 512} not in everything
    assert {"n_ubatch": 1024} not in everything, "a batch has no more"
    assert {"n_ubatch": 1024} in trials_of(LoadParams("", n_batch=2048), ALL, cores=4, logical=8)
    assert trials_of(LoadParams(""), frozenset(), cores=4, logical=8) == []
    assert trials_of(LoadParams(""), frozenset({"flash_attn"}), 4, 8) == [{"flash_attn": "on"}, {"flash_attn": "off"}]
    assert trials_of(LoadParams(""), frozenset({"n_threads"}), cores=1, logical=1) == []


def test_settings_are_shown_as_people_write_them() -> None:
    assert shown({"repack": False, "type_k": "q8_0", "n_threads": 2}) == "repack=off type_k=q8_0 n_threads=2"
