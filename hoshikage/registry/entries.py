"""The content of model_map.json: bytes to entries and back, and what is wrong with them. Any thread; pure."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hoshikage.errors import Detail, InvalidRequest, RegistryDamaged

LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}")
MAX_STOP_BYTES: Final = 256
MAX_CREATED: Final = 2**53


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the file that was passed over, as a text of the catalogue."""

    key: str
    details: dict[str, Detail]
    """With a `label` where it is one entry's, else the whole file's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A usable entry, as it stands in the file."""

    label: str
    path: str
    model: str
    stop: tuple[str, ...]
    created: int | None


def checked_label(label: str) -> str:
    """The label in its normal form. Raises InvalidRequest."""
    label = unicodedata.normalize("NFC", label)
    if not LABEL.fullmatch(label):
        raise InvalidRequest("model.label_invalid", label=label)
    return label


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


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):  # it could not be written as JSON again
        raise ValueError(word)
    return number


def dump(entries: dict[str, Any]) -> bytes:
    """The raw entries as people can read them. RecursionError where they nest too deep."""
    try:
        return (json.dumps(entries, ensure_ascii=False, indent=2) + "\n").encode()
    except UnicodeEncodeError:  # half of a surrogate pair in an entry that was written by hand
        return (json.dumps(entries, indent=2) + "\n").encode()


def usable(raw: dict[str, Any]) -> tuple[dict[str, Entry], tuple[Problem, ...]]:
    """The entries that can be used, in the file's order, and what is wrong with the others."""
    entries, problems = {}, []
    for label, value in raw.items():
        entry, problem = parse_entry(label, value)
        if problem:
            problems.append(problem)
        elif entry:
            entries[label] = entry
    return entries, tuple(problems)


def parse_entry(label: str, value: Any) -> tuple[Entry | None, Problem | None]:
    """The entry, or what is wrong with it."""

    def bad(key: str) -> tuple[None, Problem]:
        return None, Problem(key, {"label": label})

    if not LABEL.fullmatch(label):
        return bad("model.label_invalid")
    if not isinstance(value, dict):
        return bad("model.entry_no_object")
    path, model, stop, created = (value.get(name) for name in ("path", "model", "stop", "created"))
    if not (isinstance(path, str) and isinstance(model, str) and _is_text(path) and _is_text(model)):
        return bad("model.entry_path_invalid")
    stop = [] if stop is None else stop
    if not isinstance(stop, list) or not all(map(_is_stop, stop)):
        return bad("model.entry_stop_invalid")
    if created is not None and (type(created) is not int or not 0 <= created < MAX_CREATED):
        return bad("model.entry_created_invalid")
    return Entry(label, path, model, tuple(dict.fromkeys(stop)), created), None


def _is_stop(value: Any) -> bool:
    return isinstance(value, str) and _is_text(value) and len(value.encode()) <= MAX_STOP_BYTES


def _is_text(value: str) -> bool:
    """Whether it can name a file and be sent on: not empty, no NUL, no half of a surrogate pair."""
    return value != "" and not re.search("[\0\ud800-\udfff]", value)
