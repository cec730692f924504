"""Measures a model's settings in processes of their own, within a time. Main thread; blocking.

One process measures all settings of computing by turns, a second one a load without rearranged weights. Where that
shows something better, another one measures what there is once more, and a last one what was chosen of several axes
together. Each may crash or hang: what it had measured until then counts. What there is has its turn before, between
and behind the others: how far its own measurements differ is the noise.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from hoshikage.cli.tune_choice import (
    Reason,
    Trial,
    TuneChoice,
    TuneFigures,
    apart,
    choose,
    confirmed,
    gains_of,
    repeated,
)
from hoshikage.cores import is_busy, physical_cores
from hoshikage.dispatch import making
from hoshikage.errors import ModelLoadFailed
from hoshikage.library import child
from hoshikage.library.selection import SelectedLibrary
from hoshikage.params import LoadParams

PROGRAM: Final = "hoshikage.runner.tune"
SEVERAL: Final = 4
"""So many texts are answered together where the settings have one at a time."""
SHARE_OF_TRIALS: Final = 0.55
SHARE_OF_REPACK: Final = 0.13
SHARE_OF_AGAIN: Final = 0.13
SPARE: Final = 0.8
"""Measuring gets this share of a process's time; the rest is for its start and the round that it is in."""
UBATCHES: Final = (128, 256, 512, 1024, 2048)
KV_TYPES: Final = (("q8_0", "q8_0"), ("q4_0", "q4_0"))


@dataclass(frozen=True, slots=True)
class TuneMeasured:
    """This is all that was measured, and what follows."""

    base: TuneFigures
    trials: tuple[Trial, ...]
    together: TuneFigures | None
    """`together` is measured with all that was chosen, where that is more than one thing."""
    chosen: TuneChoice
    n_sequences: int
    seconds: float
    busy: bool
    """`busy` tells whether others computed on the machine, so that nothing should be kept of it."""


def trials_of(params: LoadParams, free: frozenset[str], cores: int, logical: int) -> list[dict[str, Any]]:
    """Lists what is tried in place of the parameters, where nothing of it is a person's. As many threads as cores are
    what there is without a setting, which besides leaves a core free while others compute."""
    trials: list[dict[str, Any]] = []
    if "n_threads" in free:
        numbers = dict.fromkeys((cores - 1, (cores + 1) // 2, logical))
        trials += [{"n_threads": number} for number in numbers if 0 < number != cores]
    if "n_ubatch" in free:
        usual = min(params.n_batch, 512)
        trials += [{"n_ubatch": size} for size in UBATCHES if size <= params.n_batch and size != usual]
    if "flash_attn" in free:
        trials += [{"flash_attn": "on"}, {"flash_attn": "off"}]
    if "type_k" in free:
        trials += [{"type_k": k, "type_v": v} for k, v in KV_TYPES]
    return trials


def with_base(trials: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Makes one round: what there is also in the midst of the trials, and behind them."""
    half = (len(trials) + 1) // 2
    return [{}, *trials[:half], *([{}] if len(trials) > 1 else []), *trials[half:], {}]


def measure(
    params: LoadParams,
    choice: SelectedLibrary,
    free: frozenset[str],
    budget: float,
    logical: int,
    *,
    kv: bool,
    tell: Callable[[str], None] = lambda _step: None,
) -> TuneMeasured:
    """`free` is what may be chosen; `tell` hears the name of each step. Raises ModelLoadFailed."""
    begun = time.monotonic()
    n_sequences = params.n_parallel if params.n_parallel > 1 else SEVERAL
    params = replace(params, chat_template=None, controls=None, draft_path="", lora=(), control_vectors=())
    process = _Process(choice, n_sequences)
    busy = is_busy()
    if busy:  # what is measured of threads would hold as long as the others compute
        free -= {"n_threads"}
    tell("trials")
    wanted = with_base(trials_of(params, free, physical_cores(), logical))
    results = process.run(params, wanted, budget * SHARE_OF_TRIALS)
    bases = [one.figures for one in results if not one.changed and one.figures is not None]
    if not bases:
        raise ModelLoadFailed("tune.no_time", seconds=round(budget))
    base, trials = apart(repeated(bases, params.n_parallel), [one for one in results if one.changed], params.n_parallel)
    if "repack" in free:
        tell("repack")
        try:
            (trial,) = process.run(replace(params, repack=False), [{}], budget * SHARE_OF_REPACK)
            trials.append(replace(trial, changed={"repack": False}))
        except ModelLoadFailed as error:  # a release that has no choice
            trials.append(Trial({"repack": False}, None, error.key))
    chosen = choose(base, trials, params.n_parallel, kv=kv)
    if chosen.by_axis:  # the machine may be another one by now than at the beginning
        tell("again")
        try:
            (once_more,) = process.run(params, [{}], budget * SHARE_OF_AGAIN)
        except ModelLoadFailed:
            once_more = Trial({})
        if once_more.figures is not None:
            base = repeated([base, once_more.figures], params.n_parallel)
            chosen = choose(base, trials, params.n_parallel, kv=kv)
        busy = busy or is_busy()
    together = None
    if len(chosen.by_axis) > 1:
        tell("together")
        left = max(1.0, budget - (time.monotonic() - begun))
        try:
            (trial,) = process.run(replace(params, **chosen.values), [{}], left)
            together = trial.figures
        except ModelLoadFailed:
            together = None
        gains = gains_of(chosen, base, trials, params.n_parallel)
        chosen = confirmed(chosen, base, together, params.n_parallel, gains)
    if busy:
        chosen = replace(chosen, reasons=(*chosen.reasons, Reason("tune.why_busy")))
    seconds = time.monotonic() - begun
    return TuneMeasured(base, tuple(trials), together, chosen, n_sequences, seconds, busy)


class _Process:
    """Starts the processes that measure with one library."""

    def __init__(self, choice: SelectedLibrary, n_sequences: int) -> None:
        self._library = choice.file
        self._n_sequences = n_sequences
        self._n_prompt = 0
        """This counts the tokens of the first process's prompt: the others' is the same, so that their answers can be
        compared."""

    def run(self, params: LoadParams, trials: Sequence[Mapping[str, Any]], seconds: float) -> list[Trial]:
        """Returns the trials with their figures, as far as they were measured. Raises ModelLoadFailed where none could
        be."""
        layouts = making.layouts_of(self._library)
        plan = {
            "params": msgspec.to_builtins(params),
            "trials": trials,
            "n_sequences": self._n_sequences,
            "seconds": seconds * SPARE,
            "n_prompt": self._n_prompt,
        }
        wanted = {"library": str(self._library), "layouts": str(layouts) if layouts else None, "plan": plan}
        ended = child.run(child.command(PROGRAM, seconds), seconds, json.dumps(wanted).encode())
        figures: dict[int, dict[str, Any]] = {}
        for line in ended.output.splitlines():
            event = _read(line)
            if "trial" in event:
                figures[event["trial"]] = event
            elif "error" in event:
                raise ModelLoadFailed.of(str(event["error"]), event.get("details") or {})
        if not figures and ended.status is not None:
            reason = " / ".join(line for line in ended.log[-3:] if line) or str(ended.status)
            raise ModelLoadFailed("tune.ended", reason=reason)
        self._n_prompt = next((event["n_prompt"] for event in figures.values()), 0)
        return [_trial(changed, figures.get(number)) for number, changed in enumerate(trials)]


def _read(line: str) -> dict[str, Any]:
    """A line that the end of its process cut is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _trial(changed: Mapping[str, Any], event: dict[str, Any] | None) -> Trial:
    if event is None or not event["generation"] or event["error"]:
        return Trial(changed, None, event["error"] if event is not None else "")
    names = ("load_s", "resident_bytes", "vram_bytes", "n_threads", "n_prompt")
    figures = TuneFigures(
        generation=max(event["generation"]),
        together=max(event["together"], default=None),
        prompt=max(event["prompt"]),
        rounds=len(event["generation"]),
        noise=max(_noise(event["generation"]), _noise(event["prompt"])),
        answer=tuple(event["answer"]),
        **{name: event[name] for name in names},
    )
    return Trial(changed, figures)


def _noise(rates: Sequence[float]) -> float:
    """Returns how many times the next best the best is."""
    best, *others = sorted(rates, reverse=True)
    return best / others[0] if others else 1.0
