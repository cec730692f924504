"""Keeps one JSON file of named entries: fresh reads without a lock, durable writes under one. Any thread; many
processes.

A file that cannot be read is never written over: a copy of it is kept aside under a dated name, and the last good
state (this process's, else the one kept at the last write) is used until it is mended.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from msgspec import field

from hoshikage import durable
from hoshikage.errors import Detail, RegistryDamaged, RegistryUnreadable, Unavailable, UsageError
from hoshikage.frozen import Frozen
from hoshikage.locked_file import (
    WAIT_S,
    FileBusy,
    FileContent,
    JsonObject,
    LockedFile,
    NoObject,
    NoSmallFile,
    Signature,
    dump,
    parse_object,
    permissions,
    signature,
)

MAX_KEPT_ASIDE: Final = 10

E = TypeVar("E")
T = TypeVar("T")


class Issue(Frozen, frozen=True):
    """This was passed over in a file; it is told as a text of the catalogue."""

    key: str
    details: dict[str, Detail]
    """An issue with a `label` is that entry's, one without is the whole file's."""
    unreadable: bool = False
    """`unreadable` tells whether the system does not let this user read the file: then nothing says that it is
    damaged."""


class _Snapshot(Frozen, Generic[E], frozen=True):
    """One state of the file says this. `signature` is None where there is no file."""

    signature: Signature | None
    entries: dict[str, E] = field(default_factory=dict)
    problems: tuple[Issue, ...] = ()


class RegistryDocument(Generic[E]):
    """This is the file, looked at anew whenever it has changed, by whichever process."""

    def __init__(self, file: Path, parse_entry: Callable[[str, Any], E | Issue], *, mode: int | None = None) -> None:
        """`parse_entry` gives the entry of a name and its JSON value, or what is wrong with it.

        `mode` are the permissions of what is written; without it the file keeps those it has.
        """
        self.file = file
        self._parse_entry = parse_entry
        self._store = LockedFile(file, mode=mode, last_good=file.with_name(f"{file.name}.last-good"))
        self._snapshot: _Snapshot[E] = _Snapshot(None)

    def entries(self) -> dict[str, E]:
        """Returns all usable entries, in the file's order; not to be changed. Never raises for what the file holds."""
        return self._current().entries

    def problems(self) -> tuple[Issue, ...]:
        """Lists what is wrong with the file as it is now: a damage of the whole, or entries that were skipped."""
        return self._current().problems

    def update(self, change: Callable[[dict[str, Any]], T]) -> T:
        """Applies `change` to the file's raw entries under the writers' lock and makes the outcome durable.

        Raises what `change` raises, RegistryDamaged, Unavailable, UsageError.
        """
        store = self._store
        try:
            with store.locked():
                try:
                    result = self._parsed(self._content())
                except FileNotFoundError:
                    result = JsonObject({}, (), False)
                if result.doubled:
                    raise RegistryDamaged("model.registry_duplicate", file=str(self.file), label=result.doubled[0])
                outcome = change(result.entries)
                store.write(dump(result.entries))
                return outcome
        except RecursionError:
            raise RegistryDamaged("model.registry_no_json", file=str(self.file)) from None
        except FileBusy:
            raise Unavailable("model.registry_busy", file=str(store.lock), seconds=int(WAIT_S)) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError("model.registry_unwritable", file=str(self.file), reason=reason) from None

    def sweep(self) -> None:
        """Removes what killed writers left beside the file; not while another writes, and not where it may not."""
        self._store.sweep()

    @property
    def last_good(self) -> Path:
        """Gives the copy of what was last written."""
        return self.file.with_name(f"{self.file.name}.last-good")

    def _current(self) -> _Snapshot[E]:
        before = self._snapshot
        try:
            result = self._store.status()
        except FileNotFoundError:
            after: _Snapshot[E] = _Snapshot(None)
        except OSError as error:
            after = self._damaged(None, _unreadable(self.file, error))
        else:
            if before.signature == signature(result):
                return before
            after = self._read()
        self._snapshot = after
        return after

    def _read(self) -> _Snapshot[E]:
        seen, data = None, b""
        try:
            content = self._content()
            seen, data = content.signature, content.data
            result = self._parsed(content)
        except FileNotFoundError:
            return _Snapshot(None)
        except RegistryDamaged as error:
            self._keep_aside(data)
            return self._damaged(seen, error)
        entries, problems = self._usable(result.entries)
        doubled = [Issue("model.entry_duplicate", {"label": label}) for label in result.doubled]
        return _Snapshot(seen, entries, (*doubled, *problems))

    def _content(self, file: Path | None = None) -> FileContent:
        """Reads the file's content, or the last good one's. Raises FileNotFoundError, RegistryDamaged."""
        file = file or self.file
        try:
            return self._store.read(file)
        except FileNotFoundError:
            raise
        except NoSmallFile:
            raise RegistryDamaged("model.registry_no_file", file=str(file)) from None
        except OSError as error:
            raise _unreadable(file, error) from None

    def _parsed(self, content: FileContent, file: Path | None = None) -> JsonObject:
        """Parses what the content says. Raises RegistryDamaged."""
        name = str(file or self.file)
        try:
            return parse_object(content.data)
        except json.JSONDecodeError as error:
            line, column = error.lineno, error.colno
            raise RegistryDamaged("model.registry_damaged", file=name, line=line, column=column) from None
        except NoObject:
            raise RegistryDamaged("model.registry_no_object", file=name) from None
        except (ValueError, RecursionError):
            raise RegistryDamaged("model.registry_no_json", file=name) from None

    def _usable(self, raw: dict[str, Any]) -> tuple[dict[str, E], list[Issue]]:
        entries: dict[str, E] = {}
        problems: list[Issue] = []
        for label, value in raw.items():
            result = self._parse_entry(label, value)
            if isinstance(result, Issue):
                problems.append(result)
            else:
                entries[label] = result
        return entries, problems

    def _damaged(self, seen: Signature | None, error: RegistryDamaged) -> _Snapshot[E]:
        entries = self._snapshot.entries
        if self._snapshot.signature is None:
            with suppress(RegistryDamaged, FileNotFoundError):
                result = self._parsed(self._content(self.last_good), self.last_good)
                entries = self._usable(result.entries)[0]
        return _Snapshot(seen, entries, (Issue(error.key, error.details, isinstance(error, RegistryUnreadable)),))

    def _keep_aside(self, content: bytes) -> None:
        """Keeps one copy of each damaged content, a few at most. Best effort: a folder may be read-only."""
        end = hashlib.sha256(content).hexdigest()[:8]
        start = f"{self.file.name}.damaged-"
        with suppress(OSError):
            kept = [other.name for other in self.file.parent.iterdir() if other.name.startswith(start)]
            if content and len(kept) < MAX_KEPT_ASIDE and not any(name.endswith(end) for name in kept):
                aside = self.file.with_name(f"{start}{time.strftime('%Y%m%d-%H%M%S')}-{end}")
                durable.replace(aside, content, mode=permissions(self.file))


def _unreadable(file: Path, error: OSError) -> RegistryUnreadable:
    return RegistryUnreadable("model.registry_unreadable", file=str(file), reason=error.strerror or str(error))
