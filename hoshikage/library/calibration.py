"""Has a library calibrated in throw-away processes, and keeps what was found under the hash of its files. Any thread.

Each process tries one place of one field after the other and may die of any; the next goes on behind it, by the
journal. What comes out has been found by behaviour alone. Whoever uses it has the whole check run once more with it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hoshikage import __version__
from hoshikage.errors import LibraryUnavailable
from hoshikage.library import child, fingerprint, leftovers

CALIBRATE: Final = "hoshikage.runner.calibrate"
PROCESSES: Final = 100
"""A calibration starts this many processes at most; a release three layouts away took 11."""
FOLDER: Final = "calibrations"
ATTEMPT_S: Final = 60.0
"""No process gets more seconds: a field in the wrong place may make it wait for ever."""
PATIENCE_S: Final = 240.0


def calibrate(file: Path, model: Path | None, store: Path, *, command: Sequence[str] | None = None) -> None:
    """Finds the layouts of `file` with a tiny GGUF, and puts them into `store`. Blocking, some seconds.

    `command` stands for the calibration program in tests. Raises LibraryUnavailable.
    """
    if model is None:
        raise _refusal(file, "hoshikage-demo is not installed")
    with tempfile.TemporaryDirectory(prefix=leftovers.CALIBRATION) as work:
        start = command or child.command(CALIBRATE, ATTEMPT_S)
        answer = _search([*start, str(file)], file, model, Path(work, "journal"))
    if not answer.get("ok"):
        raise _refusal(file, str(answer.get("reason") or "?"))
    record = {"file": file.name, "hoshikage": __version__, "model": answer["model"], "context": answer["context"]}
    fingerprint.remember(store, json.dumps(record, ensure_ascii=False, indent=1))


def place(content: str, cache_dir: Path) -> Path:
    """Names the file in which the layouts of a library with this fingerprint are kept."""
    return cache_dir / FOLDER / f"{content}-{__version__}.json"


def stored(file: Path, cache_dir: Path) -> Path | None:
    """Returns the layouts kept for the library at `file`; None where there are none. Raises OSError."""
    if not (cache_dir / FOLDER).is_dir():
        return None
    kept = place(fingerprint.of_set(file, cache_dir), cache_dir)
    return kept if kept.is_file() else None


def read(store: Path) -> dict[str, Any] | None:
    """Reads what `calibrate` has kept, if it has."""
    try:
        record = json.loads(store.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"model", "context"} <= record.keys() else None


def _search(command: list[str], file: Path, model: Path, journal: Path) -> dict[str, Any]:
    """Returns the answer of the process that came to an end."""
    deadline = time.monotonic() + PATIENCE_S
    command += ["--model", str(model), "--journal", str(journal)]
    for _ in range(PROCESSES):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        before = _size(journal)
        answer = _run(command, min(left, ATTEMPT_S))
        if answer is not None:
            return answer
        if _size(journal) == before:
            raise _refusal(file, "crashed before the first attempt")
    raise _refusal(file, "too many attempts ended the process")


def _run(command: list[str], timeout_s: float) -> dict[str, Any] | None:
    """Returns what the process printed; None where it died or did not end."""
    ended = child.run(command, timeout_s)
    answer = ended.answer() if ended.status == 0 else None
    return answer if isinstance(answer, dict) else None


def _refusal(file: Path, reason: str) -> LibraryUnavailable:
    return LibraryUnavailable("library.calibration_failed", path=str(file), reason=reason)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
