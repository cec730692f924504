"""Examines a loaded library by what it does: unusual parameters must come back, callbacks must be called. One thread.

Default bytes cannot show a new field that is zero by default and took the place of padding, nor that two fields
changed places; behaviour can. Runs on a tiny model in a process that may die of it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hoshikage._ffi.arrays import NO_DEVICES
from hoshikage._ffi.callbacks import AbortProbe, ProgressReporter
from hoshikage._ffi.library import Library
from hoshikage.errors import HoshikageError, LibraryUnavailable
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.llama.sampler import Sampler
from hoshikage.params import LoadParams, SamplingParams

LAST_POOLING: Final = 3
"""This asks for the last token's embedding. Mean pooling (1) makes b3995, b6301 and v0.5.0 abort() on a model made for
text."""

UNUSUAL: Final[dict[str, float]] = {
    "n_ctx": 1536,
    "n_batch": 160,
    "n_ubatch": 80,
    "n_seq_max": 3,
    "n_threads": 3,
    "n_threads_batch": 2,
    "pooling_type": LAST_POOLING,
}
"""Maps a field to a value that no library has by default; each has a getter of its name. 1536 is three sequences of
512, so that releases which round a sequence up to 256 cells have nothing to round."""

IN_THE_LOG: Final[dict[str, tuple[dict[str, float], str, str]]] = {
    "rope_freq_base": ({"rope_freq_base": 12345.0}, r"\bfreq_base\s*= ([0-9.]+)", "12345.0"),
    "rope_freq_scale": ({"rope_freq_scale": 0.5}, r"\bfreq_scale\s*= ([0-9.]+)", "0.5"),
    "type_k": ({"type_k": 0}, r"\bK \((\w+)\)", "f32"),
    "type_v": ({"type_v": 0}, r"\bV \((\w+)\)", "f32"),
    "kv_unified": ({"kv_unified": 1}, r"\bkv_unified\s*= (\w+)", "true"),
    "flash_attn_type": ({"flash_attn_type": 0}, r"\bflash_attn\s*= (\w+)", "disabled"),
    "flash_attn": ({"flash_attn": 1}, r"\bflash_attn\s*= (\w+)", "1"),
}
"""Maps a check to its fields, the pattern of the log line, and what that must say. It is skipped where the layout has
no such field."""

MMAP: Final = {"use_mmap": (0, 1), "load_mode": (0, 1)}
"""Maps a field to its values for reading the file and for mapping it."""

LOCKED: Final = {"use_mlock": 1, "load_mode": 2}
"""Maps a field to its value for keeping the model in memory."""
STATUS: Final = Path("/proc/self/status")

NO_SUCH_GPU: Final = 77
"""No machine has a main_gpu of this number; where one GPU alone is to be used, it is refused by its number."""
NO_GPU_LINE: Final = rf"\bmain_gpu: ({NO_SUCH_GPU})\b"

PROMPT: Final = "Hoshikage"
OK: Final = "ok"
ABSENT: Final = "absent"


class LogTap:
    """This is the sink to give to `load`: keeps the lines for the checks that read them, and passes them on."""

    def __init__(self, onward: Callable[[int, str], None]) -> None:
        self.lines: list[str] = []
        self._onward = onward

    def __call__(self, level: int, line: str) -> None:
        self.lines.append(line)
        self._onward(level, line)

    def values(self, pattern: str) -> list[str]:
        return [met[1] for line in self.lines if (met := re.search(pattern, line))]


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A GoldenCase is a prompt with its tokens, and the tokens that a sound library answers with."""

    prompt: str
    prompt_ids: list[int]
    ids: list[int]


def examine(library: Library, log: LogTap, model_path: str) -> dict[str, str]:
    """Runs every check, and returns by name: `ok`, or `absent` where the release lacks the field, the function or the
    log line.

    Raises LibraryUnavailable("library.handshake_failed") at the first that fails.
    """
    done: dict[str, str] = {}
    for name, expected, result in _observations(library, log, model_path):
        if result is None:
            done[name] = ABSENT
        elif result == expected:
            done[name] = OK
        else:
            raise LibraryUnavailable(
                "library.handshake_failed",
                file=str(library.path),
                check=name,
                expected=str(expected),
                found=str(result),
            )
    return done


def golden_cases(file: Path) -> tuple[GoldenCase, ...]:
    cases = json.loads(file.read_text("utf-8"))["cases"]
    return tuple(GoldenCase(case["prompt"], case["prompt_ids"], case["ids"]) for case in cases)


def golden_run(library: Library, model_path: str, cases: tuple[GoldenCase, ...]) -> None:
    """Greedy ids must be exactly the known ones. Raises LibraryUnavailable("library.golden_failed")."""

    def require(check: str, expected: list[int], actual: list[int]) -> None:
        if expected != actual:
            raise LibraryUnavailable(
                "library.golden_failed",
                file=str(library.path),
                check=check,
                expected=str(expected),
                found=str(actual),
            )

    # One thread: several that share too few cores spend seconds waiting for each other, and add no knowledge here.
    params = LoadParams(model_path, n_batch=64, n_threads=1)
    model = Model.load(library, params, lambda _progress: True)
    context = Context.open(model, params)
    for number, case in enumerate(cases):
        require(f"tokens[{number}]", case.prompt_ids, model.vocab.tokenize(case.prompt, parse_special=True))
        require(f"ids[{number}]", case.ids, greedy(model, context, case.prompt_ids, len(case.ids)))
    context.close()
    model.close()


def greedy(model: Model, context: Context, prompt: list[int], count: int) -> list[int]:
    """Returns the `count` likeliest tokens after `prompt`, one after the other."""
    context.clear()
    sampler = Sampler.open(model, context, SamplingParams(temperature=0))
    batch, result = context.batch, list[int]()
    last = 0
    for at in range(0, len(prompt), context.n_batch):
        batch.clear()
        for pos, token in enumerate(prompt[at : at + context.n_batch], at):
            last = batch.add(token, pos, 0, pos == len(prompt) - 1)
        context.decode()
    while True:
        result.append(sampler.sample(last))
        if len(result) == count:
            break
        batch.clear()
        last = batch.add(result[-1], len(prompt) + len(result) - 1, 0, True)
        context.decode()
    sampler.close()
    return result


Observation = tuple[str, Any, Any]
"""An observation is a check, what is expected, and what was found; found None is absent."""


def _observations(library: Library, log: LogTap, path: str) -> Iterator[Observation]:
    yield from _mapping(library, log, path)
    yield from _locking(library, log, path)
    yield from _main_gpu(library, log, path)
    progress = ProgressReporter(lambda _progress: True)
    model = Model.load_with(library, path, progress, _on_cpu(library))
    yield "progress_callback", progress.user_data, progress.user_data_seen or 0
    try:
        yield from _getters(library, model)
        yield from _log_lines(library, log, model)
        yield from _embeddings(model)
        yield from _abort(model)
    finally:
        model.close()
    yield from _refusal(library, path)


def _mapping(library: Library, log: LogTap, path: str) -> Iterator[Observation]:
    """Since about b4529 the log says how the file is read."""
    known = library.model_layout.offsets()
    plain = {**_on_cpu(library), **({"use_direct_io": 0} if "use_direct_io" in known else {})}  # it outranks use_mmap
    for field, (read, mapped) in MMAP.items():
        if field not in known:
            continue
        for value, name in ((read, "read"), (mapped, "mapped")):
            log.lines.clear()
            Model.load_with(library, path, ProgressReporter(lambda _progress: True), {**plain, field: value}).close()
            said = log.values(r"(?:\bmmap = |\bload_mode = )(\w+)")
            expected = {"read": ("false", "none"), "mapped": ("true", "mmap")}[name]
            yield f"{field}={name}", True, said[0] in expected if said else None
    if "use_direct_io" in known:  # every release that has it says so, and one without it may look the same
        for value, says in ((0, "false"), (1, "true")):
            log.lines.clear()
            Model.load_with(
                library, path, ProgressReporter(lambda _progress: True), {**plain, "use_direct_io": value}
            ).close()
            yield f"use_direct_io={value}", [says], log.values(r"\bdirect_io = (\w+)")


def _locking(library: Library, log: LogTap, path: str) -> Iterator[Observation]:
    """The model's pages are locked, or the log says that they could not be. Seen on Linux alone."""
    fields = next(({name: value} for name, value in LOCKED.items() if name in library.fields), None)
    before = locked_kib()
    if fields is None or before is None:
        return
    log.lines.clear()
    model = Model.load_with(library, path, ProgressReporter(lambda _progress: True), {**_on_cpu(library), **fields})
    during = locked_kib()
    model.close()
    refused = bool(log.values(r"(failed to mlock|mlock.*not supported)"))
    yield next(iter(fields)) + "=locked", True, (during is not None and during > before) or refused


def locked_kib() -> int | None:
    """Returns how many KiB of this process cannot be swapped out; None where the system does not say."""
    try:
        met = re.search(r"VmLck:\s*(\d+)", STATUS.read_text("ascii"))
    except OSError:
        return None
    return int(met[1]) if met else None


def _main_gpu(library: Library, log: LogTap, path: str) -> Iterator[Observation]:
    """Turns splitting off (0) and names a GPU that is not there: the load fails and names the number. Since about
    b4529."""
    if "main_gpu" not in library.fields or "split_mode" not in library.fields:
        return
    log.lines.clear()
    with contextlib.suppress(HoshikageError):
        fields = {"split_mode": 0, "main_gpu": NO_SUCH_GPU}
        Model.load_with(library, path, ProgressReporter(lambda _progress: True), fields).close()
    said = log.values(NO_GPU_LINE)
    yield "main_gpu", str(NO_SUCH_GPU), said[0] if said else None


def _getters(library: Library, model: Model) -> Iterator[Observation]:
    unusual = {name: value for name, value in UNUSUAL.items() if name in library.fields}
    context = Context.open_with(model, {**unusual, **({"embeddings": 1} if "embeddings" in library.fields else {})})
    try:
        for name, expected in unusual.items():
            result = getattr(library.api, f"llama_{name}")(context.pointer)
            if name == "n_seq_max" and result == UNUSUAL["n_ctx"]:
                result = None  # up to b4980 this getter says how many cells the KV memory has
            yield name, expected, result
    finally:
        context.close()


def _log_lines(library: Library, log: LogTap, model: Model) -> Iterator[Observation]:
    known = library.context_layout.offsets()
    for name, (fields, pattern, expected) in IN_THE_LOG.items():
        if name not in known:
            continue
        log.lines.clear()
        # b3889 takes no V type but f16 without flash attention, which is off by default where the field is a bool.
        flash = {"flash_attn": 1} if name == "type_v" and "flash_attn" in known else {}
        Context.open_with(model, {**_small(), **flash, **fields}).close()
        said = log.values(pattern)
        yield name, expected, said[0] if said else None


def _embeddings(model: Model) -> Iterator[Observation]:
    api = model.library.api
    if "embeddings" in model.library.lacks:
        yield "embeddings", True, None
        return
    for value in (0, 1):
        context = Context.open_with(model, {**_small(), "embeddings": value, "pooling_type": LAST_POOLING})
        try:
            fill(context, model)
            context.decode()
            yield f"embeddings={value}", bool(value), bool(api.llama_get_embeddings_seq(context.pointer, 0))
        finally:
            context.close()


def _abort(model: Model) -> Iterator[Observation]:
    """The callback is called with our pointer, and a set flag ends the decode."""
    probe = AbortProbe()
    wiring = {"abort_callback": probe.address, "abort_callback_data": probe.user_data}
    context = Context.open_with(model, {**_small(), **wiring})
    try:
        fill(context, model)
        context.decode()
        yield "abort_callback", probe.user_data, probe.user_data_seen or 0
    finally:
        context.close()
    context = Context.open_with(model, _small())
    try:
        for is_set in (True, False):
            context.clear()
            fill(context, model)
            (context.abort.set if is_set else context.abort.clear)()
            code = context.decode_code()
            # Up to b3995 llama_decode hides that its graph was aborted.
            hidden = is_set and code == 0 and not model.library.abort_is_safe
            yield f"abort={is_set}", is_set, None if hidden else code != 0
    finally:
        context.close()


def _refusal(library: Library, path: str) -> Iterator[Observation]:
    progress = ProgressReporter(lambda _progress: False)
    try:
        Model.load_with(library, path, progress, {}).close()
    except HoshikageError:
        yield "progress_abort", True, progress.aborted
    else:
        yield "progress_abort", True, False


def _on_cpu(library: Library) -> dict[str, float]:
    """Places the model on the CPU, without devices, too: with them, weights may lie in a GPU driver's memory, whose
    locking is not to be seen."""
    wanted: dict[str, float] = {"n_gpu_layers": 0, "devices": NO_DEVICES.address}
    return {name: value for name, value in wanted.items() if name in library.fields}


def _small() -> dict[str, float]:
    return {"n_ctx": 512, "n_batch": 64, "n_ubatch": 64, "n_seq_max": 1, "n_threads": 1, "n_threads_batch": 1}


def fill(context: Context, model: Model) -> None:
    """Puts a short prompt into the context's batch, with logits for every token."""
    context.batch.clear()
    for pos, token in enumerate(model.vocab.tokenize(PROMPT, parse_special=False)):
        context.batch.add(token, pos, 0, True)
