"""Decides what follows from measured figures: which settings are better than those that there are, and why. Pure.

What counts is the time that a use takes: a load, a prompt of 512 tokens, an answer of 256; where the server computes
several answers together, so many of them at once. A setting is chosen where it makes its part of that at least a
twentieth shorter, by more than the noise, and leaves the likeliest tokens behind a text as they were. Of a setting's
figures only those count that it can change. The noise is how far measurements of what there is differ among
themselves; where that is too much nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hoshikage.cli.options import shown

PROMPT: Final = 512
ANSWER: Final = 256
GAIN: Final = 1.05
TOO_NOISY: Final = 1.3
"""Where measurements of one setting differ so many times, others compute, and a difference says nothing."""
MIN_ROUNDS: Final = 2
"""What was measured only once may be anything."""
KV: Final = "kv"
THREADS: Final = "threads"


@dataclass(frozen=True, slots=True)
class TuneFigures:
    """This is the best of one setting's rounds; tokens a second."""

    generation: float
    together: float | None
    prompt: float
    load_s: float
    resident_bytes: int = 0
    vram_bytes: int = 0
    n_threads: int = 0
    answer: tuple[int, ...] = ()
    """`answer` has the likeliest tokens behind a text that is the same for all."""
    rounds: int = MIN_ROUNDS
    noise: float = 1.0
    """`noise` says how many times the next best round the best one is; of what was measured repeatedly, how many times
    the worst measurement the best one is, where that is more."""
    n_prompt: int = 0
    """`n_prompt` counts the tokens of the prompt that was measured with."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial is one setting in place of what there is. `changed`: the fields of LoadParams that differ."""

    changed: Mapping[str, Any]
    figures: TuneFigures | None = None
    error: str = ""
    """`error` is the key of why it cannot be; empty where it can, or was not reached."""

    @property
    def axis(self) -> str:
        """Returns the name of what it is a choice of."""
        if "type_k" in self.changed:
            return KV
        return THREADS if "n_threads" in self.changed else next(iter(self.changed))

    def is_same(self, base: TuneFigures) -> bool:
        """Returns whether that is what there is, under another name: as many threads, or a prompt that is one piece
        anyhow."""
        if self.axis == THREADS:
            return int(self.changed["n_threads"]) == base.n_threads
        return 0 < base.n_prompt <= int(self.changed.get("n_ubatch", 0))


@dataclass(frozen=True, slots=True)
class Reason:
    """This says why a setting is chosen, or not, as a text of the catalogue."""

    key: str
    details: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TuneChoice:
    """These are the fields of LoadParams that are better otherwise, by axis."""

    by_axis: Mapping[str, Mapping[str, Any]]
    reasons: tuple[Reason, ...]

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for values in self.by_axis.values() for name, value in values.items()}


def same_answer(one: TuneFigures, other: TuneFigures) -> bool:
    """Compares them as far as both went."""
    return all(a == b for a, b in zip(one.answer, other.answer, strict=False))


def answer_s(figures: TuneFigures, n_parallel: int) -> float:
    """Returns the seconds that an answer takes, or so many at once."""
    if n_parallel > 1 and figures.together:
        return ANSWER * n_parallel / figures.together
    return ANSWER / figures.generation


def prompt_s(figures: TuneFigures) -> float:
    return PROMPT / figures.prompt


def use_s(figures: TuneFigures, n_parallel: int) -> float:
    """Returns the seconds that a whole use takes: load, prompt and answer."""
    return figures.load_s + prompt_s(figures) + answer_s(figures, n_parallel)


def apart(base: TuneFigures, trials: Sequence[Trial], n_parallel: int) -> tuple[TuneFigures, list[Trial]]:
    """Returns what there is, with all its measurements, and the trials of anything else."""
    same = [trial.figures for trial in trials if trial.is_same(base) and trial.figures is not None]
    return repeated([base, *same], n_parallel), [trial for trial in trials if not trial.is_same(base)]


def repeated(measured: Sequence[TuneFigures], n_parallel: int) -> TuneFigures:
    """Joins several measurements of one setting: the best of them, and how far they differ."""
    together = [one.together for one in measured if one.together is not None]
    series = [[one.generation for one in measured], [one.prompt for one in measured]]
    if n_parallel > 1 and together:
        series.append(together)
    return replace(
        measured[0],
        generation=max(series[0]),
        prompt=max(series[1]),
        together=max(together, default=None),
        load_s=min(one.load_s for one in measured),
        resident_bytes=max(one.resident_bytes for one in measured),
        vram_bytes=max(one.vram_bytes for one in measured),
        rounds=sum(one.rounds for one in measured),
        noise=max(*(one.noise for one in measured), *(max(rates) / min(rates) for rates in series)),
    )


def choose(base: TuneFigures, trials: Sequence[Trial], n_parallel: int, *, kv: bool) -> TuneChoice:
    """Chooses the best of each axis, each for itself. Only with `kv` may it be a type of the KV memory, and one that
    changes answers."""
    by_axis: dict[str, Mapping[str, Any]] = {}
    reasons: list[Reason] = []
    if base.rounds < MIN_ROUNDS:
        return TuneChoice({}, (Reason("tune.why_few"),))
    if base.noise >= TOO_NOISY:
        return TuneChoice({}, (Reason("tune.why_noisy", {"percent": round((base.noise - 1) * 100)}),))
    for axis in dict.fromkeys(trial.axis for trial in trials):
        of_axis = [trial for trial in trials if trial.axis == axis]
        if axis == THREADS:
            values, why = _threads(base, of_axis, n_parallel)
        else:
            values, why = _one(base, of_axis, n_parallel, kv=kv)
        if values:
            by_axis[axis] = values
        reasons += why
    if not by_axis:
        reasons.append(Reason("tune.why_nothing", {"percent": round((GAIN - 1) * 100)}))
    return TuneChoice(by_axis, tuple(reasons))


def confirmed(
    chosen: TuneChoice, base: TuneFigures, together: TuneFigures | None, n_parallel: int, gains: Mapping[str, float]
) -> TuneChoice:
    """Returns the choice, where all of it together is better than the best of it alone; else that one. `together` is
    measured with all of it, None where that could not be; `gains` are those of each axis."""
    if together is not None and use_s(base, n_parallel) / use_s(together, n_parallel) >= max(gains.values()) / GAIN:
        return chosen
    axis = max(gains, key=lambda name: gains[name])
    values = chosen.by_axis[axis]
    reason = Reason("tune.why_alone", {"setting": shown(values)})
    return TuneChoice({axis: values}, (*chosen.reasons, reason))


def gains_of(chosen: TuneChoice, base: TuneFigures, trials: Sequence[Trial], n_parallel: int) -> dict[str, float]:
    """Returns how many times quicker a use is with the choice of each axis alone."""
    result: dict[str, float] = {}
    for axis, values in chosen.by_axis.items():
        rates = [
            gain_of(axis, figures, base, n_parallel)
            for trial, figures in _measured(trials)
            if trial.axis == axis and _covers(axis, trial.changed, values)
        ]
        result[axis] = max(rates, default=1.0)
    return result


def _covers(axis: str, changed: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Returns whether the trial was of these values; of the two numbers of threads it has one."""
    return changed["n_threads"] in values.values() if axis == THREADS else dict(changed) == dict(values)


def _measured(trials: Sequence[Trial]) -> list[tuple[Trial, TuneFigures]]:
    """Returns the trials that were measured often enough."""
    return [
        (trial, trial.figures) for trial in trials if trial.figures is not None and trial.figures.rounds >= MIN_ROUNDS
    ]


def gain_of(axis: str, figures: TuneFigures, base: TuneFigures, n_parallel: int) -> float:
    """Returns how many times quicker a use is, by what the axis can change."""
    if axis == "n_ubatch":
        figures = replace(base, prompt=figures.prompt)
    elif axis != "repack":
        figures = replace(figures, load_s=base.load_s)
    return use_s(base, n_parallel) / use_s(figures, n_parallel)


def _needed(base: TuneFigures, figures: TuneFigures) -> float:
    """Returns a gain that is no noise: of neither measurement."""
    return max(GAIN, base.noise, figures.noise)


def _threads(base: TuneFigures, trials: Sequence[Trial], n_parallel: int) -> tuple[dict[str, Any], list[Reason]]:
    """Answers and prompts each have a number of their own."""
    same = {
        int(trial.changed["n_threads"]): figures for trial, figures in _measured(trials) if same_answer(figures, base)
    }
    values: dict[str, Any] = {}
    reasons: list[Reason] = []

    def take(name: str, part: str, seconds: Callable[[TuneFigures], float], now: int) -> None:
        number = min(same, key=lambda one: seconds(same[one]), default=now)
        if number == now or seconds(base) / seconds(same[number]) < _needed(base, same[number]):
            return
        values[name] = number
        percent = _percent(seconds(base) / seconds(same[number]))
        reasons.append(Reason(f"tune.why_{part}", {"setting": f"{name}={number}", "percent": percent}))

    take("n_threads", "answer", lambda one: answer_s(one, n_parallel), base.n_threads)
    take("n_threads_batch", "prompt", prompt_s, base.n_threads)
    if "n_threads_batch" not in values and "n_threads" in values:
        if prompt_s(same[values["n_threads"]]) > prompt_s(base):
            values["n_threads_batch"] = base.n_threads
    elif values.get("n_threads_batch") == values.get("n_threads"):
        values.pop("n_threads_batch", None)  # as many is what is meant without it
    return values, reasons


def _one(
    base: TuneFigures, trials: Sequence[Trial], n_parallel: int, *, kv: bool
) -> tuple[dict[str, Any], list[Reason]]:
    """Returns the best of an axis, with what would be better and may not be."""
    reasons: list[Reason] = []
    gains = [(gain_of(trial.axis, figures, base, n_parallel), trial, figures) for trial, figures in _measured(trials)]
    for gain, trial, figures in sorted(gains, key=lambda one: -one[0]):
        if gain < _needed(base, figures):
            continue
        details: dict[str, str | int | float] = {"setting": shown(trial.changed), "percent": _percent(gain)}
        if trial.axis == KV and not kv:
            reasons.append(Reason("tune.why_kv", details))
        elif not same_answer(figures, base) and not kv:
            reasons.append(Reason("tune.why_differs", details))
        else:
            return dict(trial.changed), [*reasons, Reason("tune.why_use", details)]
    return {}, reasons


def _percent(gain: float) -> int:
    """Returns how much less time it takes, in percent."""
    return round((1 - 1 / gain) * 100)
