"""The registry over one file: fresh reads without a lock, durable writes under one. Any thread; many processes."""

from __future__ import annotations

import hashlib
import os
import stat
import time
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from hoshikage import durable
from hoshikage.errors import InvalidRequest, ModelNotFound, RegistryDamaged, Unavailable, UsageError
from hoshikage.registry.entries import Entry, Problem, checked_label, dump, parse, parse_entry, usable

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_KEPT_ASIDE: Final = 10
LOCK_TIMEOUT_S: Final = 30

T = TypeVar("T")
Signature = tuple[int, int, int]
"""Of one state of a file: time of change in ns, size, inode."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One registered model."""

    label: str
    file: Path
    """Absolute; it need not exist."""
    stop: tuple[str, ...]
    """The model's own stop strings, without DEFAULT_STOPS."""
    created: int
    """Unix time of its registration."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What one state of the file says. `signature` is None where there is no file."""

    signature: Signature | None
    entries: dict[str, Entry]
    problems: tuple[Problem, ...] = ()


class Registry:
    """model_map.json, looked at anew whenever it has changed, by whichever process."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._snapshot = _Snapshot(None, {})

    def specs(self) -> tuple[ModelSpec, ...]:
        """All usable entries, in the file's order. Never raises for what the file holds."""
        return tuple(self._spec(entry) for entry in self._current().entries.values())

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the file as it is now: a damage of the whole, or entries that were skipped."""
        return self._current().problems

    def resolve(self, label: str) -> ModelSpec:
        """The model of that label. Raises ModelNotFound, which names the known ones."""
        entries = self._current().entries
        entry = entries.get(unicodedata.normalize("NFC", label))
        if entry is None:
            _not_found(label, entries)
        return self._spec(entry)

    def add(self, label: str, file: Path, stop: Iterable[str] = ()) -> bool:
        """Registers `file` under `label`, durably; True where the label existed and was replaced.

        The same file again keeps the time of its registration and the settings that were made for it.
        Raises InvalidRequest for a label, path or stop that cannot be, RegistryDamaged, Unavailable, UsageError.
        """
        label = checked_label(label)
        file = file.absolute()
        entry: dict[str, Any] = {"path": str(file.parent), "model": file.name, "stop": list(dict.fromkeys(stop))}
        entry["created"] = int(time.time())
        if problem := parse_entry(label, entry)[1]:
            raise InvalidRequest(problem.key, label=label)

        def change(entries: dict[str, Any]) -> bool:
            known, old = label in entries, entries.get(label)
            entries[label] = entry
            if isinstance(old, dict) and all(old.get(name) == entry[name] for name in ("path", "model")):
                entries[label] = {**entry, **old, "stop": entry["stop"]}
            return known

        return self._update(change)

    def remove(self, label: str) -> None:
        """Takes the label out, durably; the GGUF stays. Raises ModelNotFound, RegistryDamaged, Unavailable."""
        label = unicodedata.normalize("NFC", label)

        def change(entries: dict[str, Any]) -> None:
            if label not in entries:
                _not_found(label, entries)
            del entries[label]

        self._update(change)

    @property
    def last_good(self) -> Path:
        """The copy of what was last written."""
        return self.file.with_name(f"{self.file.name}.last-good")

    def _spec(self, entry: Entry) -> ModelSpec:
        file = self._locate(entry)
        created = entry.created
        if created is None:
            try:
                created = int(file.stat().st_mtime)
            except OSError:
                created = 0
        return ModelSpec(entry.label, file, entry.stop, created)

    def _locate(self, entry: Entry) -> Path:
        folder = Path(os.path.expanduser(entry.path))  # noqa: PTH111  Path's own raises for an unknown user
        if folder.is_absolute():
            return folder / entry.model
        here = (folder / entry.model).absolute()
        beside = self.file.parent.absolute() / folder / entry.model
        return beside if not here.exists() and beside.exists() else here

    def _current(self) -> _Snapshot:
        before = self._snapshot
        try:
            found = self.file.stat()
        except FileNotFoundError:
            after = _Snapshot(None, {})
        except OSError as error:
            after = self._damaged(None, _unreadable(self.file, error))
        else:
            if before.signature == _signature(found):
                return before
            after = self._read()
        self._snapshot = after
        return after

    def _read(self) -> _Snapshot:
        signature, content = None, b""
        try:
            signature, content = _content(self.file)
            raw, duplicates = parse(content, self.file)
        except FileNotFoundError:
            return _Snapshot(None, {})
        except RegistryDamaged as error:
            self._keep_aside(content)
            return self._damaged(signature, error)
        entries, problems = usable(raw)
        doubled = [Problem("model.entry_duplicate", {"label": label}) for label in duplicates]
        return _Snapshot(signature, entries, (*doubled, *problems))

    def _damaged(self, signature: Signature | None, error: RegistryDamaged) -> _Snapshot:
        entries = self._snapshot.entries
        if self._snapshot.signature is None:
            with suppress(RegistryDamaged, FileNotFoundError):
                entries = usable(parse(_content(self.last_good)[1], self.last_good)[0])[0]
        return _Snapshot(signature, entries, (Problem(error.key, error.details),))

    def _keep_aside(self, content: bytes) -> None:
        """One copy of each damaged content, a few at most. Best effort: a folder may be read-only."""
        end = hashlib.sha256(content).hexdigest()[:8]
        start = f"{self.file.name}.damaged-"
        with suppress(OSError):
            kept = [other.name for other in self.file.parent.iterdir() if other.name.startswith(start)]
            if content and len(kept) < MAX_KEPT_ASIDE and not any(name.endswith(end) for name in kept):
                durable.replace(self.file.with_name(f"{start}{time.strftime('%Y%m%d-%H%M%S')}-{end}"), content)

    def _update(self, change: Callable[[dict[str, Any]], T]) -> T:
        """Applies `change` to the file's entries under the writers' lock and makes the outcome durable."""
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
                durable.replace(target, data)
                durable.replace(self.last_good, data)
                return outcome
        except RecursionError:
            raise RegistryDamaged("model.registry_no_json", file=str(self.file)) from None
        except Timeout:
            raise Unavailable("model.registry_busy", file=str(lock), seconds=LOCK_TIMEOUT_S) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError("model.registry_unwritable", file=str(self.file), reason=reason) from None


def _not_found(label: str, known: Iterable[str]) -> NoReturn:
    raise ModelNotFound("http.model_not_found", param="model", model=label, known=", ".join(known) or "–")


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


def _unreadable(file: Path, error: OSError) -> RegistryDamaged:
    return RegistryDamaged("model.registry_unreadable", file=str(file), reason=error.strerror or str(error))
