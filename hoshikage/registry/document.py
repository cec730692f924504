"""One JSON file of named entries: fresh reads without a lock, durable writes under one. Any thread; many processes.

A file that cannot be read is never written over: a copy of it is kept aside under a dated name, and the last good
state (this process's, else the one kept at the last write) is used until it is mended.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from hoshikage import durable
from hoshikage.errors import Detail, RegistryDamaged, Unavailable, UsageError

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_KEPT_ASIDE: Final = 10
LOCK_TIMEOUT_S: Final = 30

E = TypeVar("E")
T = TypeVar("T")
Signature = tuple[int, int, int]
"""This tells one state of a file from another: time of change in ns, size, inode."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Something in a file that was passed over, as a text of the catalogue."""

    key: str
    details: dict[str, Detail]
    """An issue with a `label` is that entry's, one without is the whole file's."""


@dataclass(frozen=True, slots=True)
class _Snapshot(Generic[E]):
    """What one state of the file says. `signature` is None where there is no file."""

    signature: Signature | None
    entries: dict[str, E] = field(default_factory=dict)
    problems: tuple[Issue, ...] = ()


class RegistryDocument(Generic[E]):
    """The file, looked at anew whenever it has changed, by whichever process."""

    def __init__(self, file: Path, parse_entry: Callable[[str, Any], E | Issue], *, mode: int | None = None) -> None:
        """`parse_entry` gives the entry of a name and its JSON value, or what is wrong with it.

        `mode` are the permissions of what is written; without it the file keeps those it has.
        """
        self.file = file
        self._parse_entry = parse_entry
        self._mode = mode
        self._snapshot: _Snapshot[E] = _Snapshot(None)

    def entries(self) -> dict[str, E]:
        """All usable entries, in the file's order; not to be changed. Never raises for what the file holds."""
        return self._current().entries

    def problems(self) -> tuple[Issue, ...]:
        """What is wrong with the file as it is now: a damage of the whole, or entries that were skipped."""
        return self._current().problems

    def update(self, change: Callable[[dict[str, Any]], T]) -> T:
        """Applies `change` to the file's raw entries under the writers' lock and makes the outcome durable.

        Raises what `change` raises, RegistryDamaged, Unavailable, UsageError.
        """
        from filelock import FileLock, Timeout

        # A link, as dotfile managers make them, stays a link: its target is replaced and locked.
        target = Path(os.path.realpath(self.file))
        lock = target.with_name(f"{target.name}.lock")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(lock, timeout=LOCK_TIMEOUT_S, poll_interval=0.01):
                durable.sweep(target)
                try:
                    entries, duplicates = parse(_content(target)[1], self.file)
                except FileNotFoundError:
                    entries, duplicates = {}, ()
                if duplicates:
                    raise RegistryDamaged("model.registry_duplicate", file=str(self.file), label=duplicates[0])
                outcome = change(entries)
                data = dump(entries)
                durable.replace(target, data, mode=self._mode)
                durable.replace(self.last_good, data, mode=_permissions(target))
                return outcome
        except RecursionError:
            raise RegistryDamaged("model.registry_no_json", file=str(self.file)) from None
        except Timeout:
            raise Unavailable("model.registry_busy", file=str(lock), seconds=LOCK_TIMEOUT_S) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError("model.registry_unwritable", file=str(self.file), reason=reason) from None

    def sweep(self) -> None:
        """Removes what killed writers left beside the file; not while another writes, and not where it may not."""
        from filelock import FileLock, Timeout

        target = Path(os.path.realpath(self.file))
        try:
            with FileLock(target.with_name(f"{target.name}.lock"), timeout=0):
                durable.sweep(target)
                durable.sweep(self.last_good)
        except (OSError, Timeout):
            return

    @property
    def last_good(self) -> Path:
        """The copy of what was last written."""
        return self.file.with_name(f"{self.file.name}.last-good")

    def _current(self) -> _Snapshot[E]:
        before = self._snapshot
        try:
            found = self.file.stat()
        except FileNotFoundError:
            after: _Snapshot[E] = _Snapshot(None)
        except OSError as error:
            after = self._damaged(None, _unreadable(self.file, error))
        else:
            if before.signature == _signature(found):
                return before
            after = self._read()
        self._snapshot = after
        return after

    def _read(self) -> _Snapshot[E]:
        signature, content = None, b""
        try:
            signature, content = _content(self.file)
            raw, duplicates = parse(content, self.file)
        except FileNotFoundError:
            return _Snapshot(None)
        except RegistryDamaged as error:
            self._keep_aside(content)
            return self._damaged(signature, error)
        entries, problems = self._usable(raw)
        doubled = [Issue("model.entry_duplicate", {"label": label}) for label in duplicates]
        return _Snapshot(signature, entries, (*doubled, *problems))

    def _usable(self, raw: dict[str, Any]) -> tuple[dict[str, E], list[Issue]]:
        entries: dict[str, E] = {}
        problems: list[Issue] = []
        for label, value in raw.items():
            found = self._parse_entry(label, value)
            if isinstance(found, Issue):
                problems.append(found)
            else:
                entries[label] = found
        return entries, problems

    def _damaged(self, signature: Signature | None, error: RegistryDamaged) -> _Snapshot[E]:
        entries = self._snapshot.entries
        if self._snapshot.signature is None:
            with suppress(RegistryDamaged, FileNotFoundError):
                entries = self._usable(parse(_content(self.last_good)[1], self.last_good)[0])[0]
        return _Snapshot(signature, entries, (Issue(error.key, error.details),))

    def _keep_aside(self, content: bytes) -> None:
        """One copy of each damaged content, a few at most. Best effort: a folder may be read-only."""
        end = hashlib.sha256(content).hexdigest()[:8]
        start = f"{self.file.name}.damaged-"
        with suppress(OSError):
            kept = [other.name for other in self.file.parent.iterdir() if other.name.startswith(start)]
            if content and len(kept) < MAX_KEPT_ASIDE and not any(name.endswith(end) for name in kept):
                aside = self.file.with_name(f"{start}{time.strftime('%Y%m%d-%H%M%S')}-{end}")
                durable.replace(aside, content, mode=_permissions(self.file))


def parse(content: bytes, file: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The raw entries and the labels that stand twice, the last of which counts. Raises RegistryDamaged."""
    pairs: list[tuple[str, Any]] = []

    def collect(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = found  # objects end from the inside out, so the outermost is the last
        return dict(found)

    try:
        words = content.decode("utf-8-sig")
        raw = json.loads(words, object_pairs_hook=collect, parse_float=_finite, parse_constant=_finite)
    except json.JSONDecodeError as error:
        raise RegistryDamaged("model.registry_damaged", file=str(file), line=error.lineno, column=error.colno) from None
    except (ValueError, RecursionError):
        raise RegistryDamaged("model.registry_no_json", file=str(file)) from None
    if not isinstance(raw, dict):
        raise RegistryDamaged("model.registry_no_object", file=str(file))
    return raw, tuple(label for label, count in Counter(label for label, _ in pairs).items() if count > 1)


def dump(entries: dict[str, Any]) -> bytes:
    """The raw entries as people can read them. RecursionError where they nest too deep."""
    try:
        return (json.dumps(entries, ensure_ascii=False, indent=2) + "\n").encode()
    except UnicodeEncodeError:  # half of a surrogate pair in an entry that was written by hand
        return (json.dumps(entries, indent=2) + "\n").encode()


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):  # it could not be written as JSON again
        raise ValueError(word)
    return number


def _signature(found: os.stat_result) -> Signature:
    return found.st_mtime_ns, found.st_size, found.st_ino


def _content(file: Path) -> tuple[Signature, bytes]:
    """The file's bytes and the signature of exactly them. Raises FileNotFoundError, RegistryDamaged."""
    try:
        # A pipe of that name would block the open for ever.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
                raise RegistryDamaged("model.registry_no_file", file=str(file))
            return _signature(found), stream.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(file, error) from None


def _permissions(file: Path) -> int:
    """Those of a copy: of the file's own, what reading and writing are; the owner's alone where nothing can be told."""
    try:
        return stat.S_IMODE(file.stat().st_mode) & 0o666
    except OSError:
        return 0o600


def _unreadable(file: Path, error: OSError) -> RegistryDamaged:
    return RegistryDamaged("model.registry_unreadable", file=str(file), reason=error.strerror or str(error))
