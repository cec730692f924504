"""Judges a library file: `hoshikage.runner.check` examines it in a child process, and a good verdict is kept.

A verdict is filed under the content of libllama with libggml and libmtmd beside it, Hoshikage's version and the golden
run. Only acceptances are filed: a refusal may come from the machine (a missing CUDA library, too little memory) and
must be lifted as soon as that is mended. Any thread; blocking.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from msgspec import field

from hoshikage import __version__
from hoshikage.errors import (
    Detail,
    FunctionsMissing,
    LayoutUnknown,
    LibraryCrashed,
    LibraryUnavailable,
    LibraryUnloadable,
    NoBackend,
    by_name,
)
from hoshikage.frozen import Frozen
from hoshikage.infos import DeviceInfo
from hoshikage.library import calibration, child, fingerprint, names
from hoshikage.library.demo import DemoModel
from hoshikage.messages import text

CHECK: Final = "hoshikage.runner.check"
_REASON: Final = re.compile(
    r"GGML_ASSERT|GGML_ABORT|terminate called|what\(\):|Assertion .{1,400} failed|fatal error", re.I
)
"""Such a line says why a process dies; ggml prints a backtrace of many lines after it."""
_WORDS: Final = 300
_EXPLAINED: Final = (LibraryUnloadable, NoBackend, FunctionsMissing, LibraryCrashed)
"""The files' own headers may show the cause of these refusals."""
_OLD_FUNCTIONS: Final = frozenset({"llama_load_model_from_file", "llama_init_from_file", "llama_eval"})
_SAMPLER_FUNCTIONS: Final = frozenset({"llama_sampler_chain_init"})
"""Every supported release has this, and none from before August 2024."""


class CheckReport(Frozen, frozen=True):
    """This is what the check process found. Where `ok` is false, `error` is the kind of the refusal, `key` and
    `details` are its message."""

    ok: bool
    file: Path
    error: type[LibraryUnavailable] = LibraryUnavailable
    key: str = ""
    details: dict[str, Detail] = field(default_factory=dict)
    version: str = "unknown"
    model_layout: str = ""
    context_layout: str = ""
    devices: tuple[DeviceInfo, ...] = ()
    """`devices` are those at the time of the check; `cached` tells that this was some time ago."""
    system_info: str = ""
    golden: str = "not_run"
    """`golden` is `passed`, `failed` or `not_run`."""
    handshake: dict[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    """The release has not the features in `lacks`."""
    calibrated: bool = False
    """`calibrated` tells whether a layout was found out by behaviour instead of being known."""
    fingerprint: str = ""
    cached: bool = False

    def require(self) -> None:
        """Raises LibraryUnavailable for a refused library."""
        if not self.ok:
            raise self.error.of(self.key, self.details)


def check(
    file: Path,
    *,
    cache_dir: Path,
    demo: DemoModel | None,
    timeout_s: float = 60,
    fresh: bool = False,
    calibrate: bool = False,
    command: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> CheckReport:
    """The verdict on `file`, from the cache where it has one and `fresh` is not asked for.

    `calibrate` lets a library with layouts that are in no table have them found out by behaviour (LIBRARY_CALIBRATION).
    `command` stands for the check program in tests. `environ` tells where the loader looks; with it a refusal names
    what the files lack. Raises LibraryUnavailable only for files that cannot be read;
    every other fault is a refusing verdict.
    """
    verdicts = cache_dir / fingerprint.VERDICTS
    try:
        content = fingerprint.of(fingerprint.members(file), verdicts)
        golden = fingerprint.of((demo.model, demo.golden), verdicts) if demo else "none"
    except OSError as error:
        raise LibraryUnavailable(
            "library.file_unreadable", path=str(error.filename or file), reason=error.strerror or ""
        ) from None
    key = f"{content} {__version__} {golden} {platform.machine()}{' calibrated' if calibrate else ''}"
    store = calibration.place(content, cache_dir)
    entry = verdicts / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
    if not fresh:
        known = _read(entry, file, content)
        if known is not None and (store.is_file() or not known.calibrated):
            return known
    arguments = [*(command or child.command(CHECK, timeout_s)), str(file)]
    if demo is not None:
        arguments += ["--model", str(demo.model), "--golden", str(demo.golden)]
    answer, verdict = _tried(arguments, file, timeout_s, content)
    if verdict.error is LayoutUnknown and calibrate:
        try:
            if calibration.read(store) is None:
                calibration.calibrate(file, demo.model if demo else None, store)
        except LibraryUnavailable as refusal:
            return replace(_refusal(LibraryUnavailable, refusal.key, file, **refusal.details), fingerprint=content)
        answer, verdict = _tried([*arguments, "--calibrated", str(store)], file, timeout_s, content)
    if verdict.error in _EXPLAINED and environ is not None:
        verdict = _explained(verdict, environ)
    if verdict.ok:
        fingerprint.remember(entry, json.dumps(answer, ensure_ascii=False))
    return verdict


def _tried(arguments: list[str], file: Path, timeout_s: float, content: str) -> tuple[Any, CheckReport]:
    """Returns what the check process printed, and what that means."""
    answer = _examine(arguments, file, timeout_s)
    verdict = answer if isinstance(answer, CheckReport) else _parse(answer, file, content, cached=False)
    if verdict is None:
        verdict = _refusal(LibraryCrashed, "library.crashed", file, reason=f"answer: {str(answer)[:200]}")
    return answer, replace(verdict, fingerprint=content)


def _explained(refusal: CheckReport, environ: Mapping[str, str]) -> CheckReport:
    """Returns the refusal with its cause, where the files' own headers show one."""
    from hoshikage.library import binary, dependencies, gpu  # here and below: a good verdict that is kept needs none
    from hoshikage.library.image import Damaged

    try:
        all_lacks = dependencies.survey(refusal.file, environ)
    except OSError:
        return refusal
    lacks = [lack for lack in all_lacks if not names.is_mtmd(lack.file.name)]  # libllama does without it
    if refusal.error is FunctionsMissing and not lacks:
        with contextlib.suppress(OSError, Damaged):
            offered = binary.symbols(refusal.file).defined
            if offered & _OLD_FUNCTIONS and not offered & _SAMPLER_FUNCTIONS:
                return replace(refusal, key="lacks.too_old")
    if refusal.error is LibraryCrashed and (lack := gpu.why_it_died(refusal.file, str(refusal.details["reason"]))):
        return replace(refusal, key=lack.key, details=lack.details)
    if not lacks or (refusal.error is LibraryCrashed and lacks[0].file != refusal.file.absolute()):
        return refusal  # a backend that cannot be opened is no cause of a crash
    return replace(refusal, key=lacks[0].key, details=lacks[0].details)


def _examine(arguments: list[str], file: Path, timeout_s: float) -> Any:
    """Returns the JSON value that the check process printed, or the refusal that its end amounts to."""
    try:
        ended = child.run(arguments, timeout_s)
    except OSError as error:
        return _refusal(LibraryCrashed, "library.crashed", file, reason=str(error))
    if ended.status is None:
        return _refusal(LibraryUnavailable, "library.hung", file, seconds=timeout_s)
    if ended.status in (0, 1) and (answer := ended.answer()) is not None:
        return answer
    return _refusal(
        LibraryCrashed,
        "library.crashed",
        file,
        reason=f"{_end(ended.status)}: {_last_words(ended.log)}".removesuffix(": "),
    )


def _last_words(lines: Sequence[str]) -> str:
    """Returns the last line that tells the reason, else the last line. A GPU's own words go before the place that gave
    up."""
    from hoshikage.library import gpu

    spoken = [line.strip() for line in lines if line.strip()]
    refused = [line for line in spoken if gpu.REFUSED.search(line)]
    reasons = refused[:1] or [line for line in spoken if _REASON.search(line)]
    return (reasons or spoken or [""])[-1][:_WORDS]


def _end(status: int) -> str:
    """Says how a process ended, in words that need no translation."""
    if status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    return f"exit status 0x{status:08X}" if status > 255 else f"exit status {status}"


def _refusal(error: type[LibraryUnavailable], key: str, file: Path, /, **details: Detail) -> CheckReport:
    return CheckReport(ok=False, file=file, error=error, key=key, details={"path": str(file), **details})


def _read(entry: Path, file: Path, content: str) -> CheckReport | None:
    try:
        answer = json.loads(entry.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    verdict = _parse(answer, file, content, cached=True)
    return verdict if verdict is not None and verdict.ok else None


def _parse(answer: Any, file: Path, content: str, *, cached: bool) -> CheckReport | None:
    """Returns the verdict that an answer of the check process means; None for an answer that is out of shape."""
    try:
        verdict = CheckReport(
            ok=_is(bool, answer["ok"]),
            file=file,
            error=_error(_is(str, answer.get("error") or "")),
            key=_is(str, answer.get("key") or ""),
            details={
                _is(str, name): value if isinstance(value, (int, float)) else _is(str, value)
                for name, value in (answer.get("details") or {}).items()
            },
            version=_is(str, answer.get("version") or "unknown"),
            model_layout=_is(str, answer.get("model_layout") or ""),
            context_layout=_is(str, answer.get("context_layout") or ""),
            devices=tuple(_device(device) for device in answer.get("devices") or ()),
            system_info=_is(str, answer.get("system_info") or ""),
            golden=_is(str, answer.get("golden") or "not_run"),
            handshake={_is(str, k): _is(str, v) for k, v in (answer.get("handshake") or {}).items()},
            lacks=tuple(_is(str, name) for name in answer.get("lacks") or ()),
            calibrated=bool(answer.get("calibrated")),
            fingerprint=content,
            cached=cached,
        )
    except (KeyError, TypeError, AttributeError):
        return None
    return verdict if verdict.ok or _is_text(verdict) else None


def _error(name: str) -> type[LibraryUnavailable]:
    """Returns the kind of a refusal; the general one for what is no kind of its own, or no name at all."""
    kind = by_name(name)
    return kind if issubclass(kind, LibraryUnavailable) else LibraryUnavailable


def _is_text(refusal: CheckReport) -> bool:
    """Whether the catalogue has the text of a refusal and its details fill it."""
    try:
        return bool(text("en", refusal.key, **refusal.details))
    except (KeyError, IndexError, ValueError):
        return False


def _device(value: Any) -> DeviceInfo:
    return DeviceInfo(
        name=_is(str, value["name"]),
        description=_is(str, value["description"]),
        kind=_is(str, value["kind"]),
        memory_free=_is(int, value["memory_free"]),
        memory_total=_is(int, value["memory_total"]),
    )


def _is(kind: type[Any], value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(value)
    return value
