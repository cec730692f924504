"""Checks what an entry of a registry file must be, and says what is wrong with it. Pure; any thread."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from hoshikage.errors import InvalidRequest
from hoshikage.frozen import Frozen
from hoshikage.option import is_text
from hoshikage.registry.document import Issue
from hoshikage.registry.options import NO_OPTIONS, OwnOptions, own_options, persona_options
from hoshikage.registry.tuned import FIELD, Tuned, parse_tuned

LABEL: Final = re.compile(r"(?=.{1,128}\Z)[A-Za-z0-9][A-Za-z0-9._:@+-]*(?:/[A-Za-z0-9_@+][A-Za-z0-9._:@+-]*)*")
"""Labels may also be names as the hubs have them: `org/name:tag`."""
MAX_STOP_BYTES: Final = 256
MAX_SYSTEM_BYTES: Final = 256 * 1024
MAX_CREATED: Final = 2**53


class Entry(Frozen, frozen=True):
    """This is a usable entry of model_map.json, as it stands there."""

    label: str
    path: str
    model: str
    stop: tuple[str, ...]
    created: int | None
    options: OwnOptions
    tuned: Tuned | None = None


class Persona(Frozen, frozen=True):
    """A persona is a model with a character: a system text and sampling defaults of its own, used by its name."""

    name: str
    model: str
    """`model` is the label of the model that answers; it need not be registered (any more)."""
    system: str
    sampling: OwnOptions = NO_OPTIONS
    created: int = 0
    """`created` is Unix time."""


class Alias(Frozen, frozen=True):
    """An alias is a further name of a model or a persona."""

    name: str
    target: str
    """`target` is the label, or the persona's name; it need not be registered (any more)."""


def normal(label: str) -> str:
    return unicodedata.normalize("NFC", label)


def checked_label(label: str) -> str:
    """Returns the label, or a persona's name, in its normal form. Raises InvalidRequest."""
    label = normal(label)
    if not LABEL.fullmatch(label):
        raise InvalidRequest("model.label_invalid", label=label)
    return label


def parse_entry(label: str, value: Any) -> Entry | Issue:
    """Returns the entry, or what is wrong with it."""

    def bad(key: str) -> Issue:
        return Issue(key, {"label": label})

    if not LABEL.fullmatch(label):
        return bad("model.label_invalid")
    if not isinstance(value, dict):
        return bad("model.entry_no_object")
    path, model, stop, created = (value.get(name) for name in ("path", "model", "stop", "created"))
    if not (isinstance(path, str) and isinstance(model, str) and is_text(path) and is_text(model)):
        return bad("model.entry_path_invalid")
    stop = [] if stop is None else stop
    if not isinstance(stop, list) or not all(map(_is_stop, stop)):
        return bad("model.entry_stop_invalid")
    if created is not None and not _is_time(created):
        return bad("model.entry_created_invalid")
    try:
        options = own_options(value).kept()
    except InvalidRequest as error:
        return Issue("model.entry_option_invalid", {"label": label, **error.details})
    return Entry(label, path, model, tuple(dict.fromkeys(stop)), created, options, parse_tuned(value.get(FIELD)))


def parse_persona(name: str, value: Any) -> Persona | Issue:
    """Returns the persona, or what is wrong with it."""

    def bad(key: str) -> Issue:
        return Issue(key, {"label": name})

    if not LABEL.fullmatch(name):
        return bad("model.label_invalid")
    if not isinstance(value, dict):
        return bad("model.entry_no_object")
    model, system, created = value.get("model"), value.get("system"), value.get("created", 0)
    if not isinstance(model, str) or not LABEL.fullmatch(model):
        return bad("model.persona_model_invalid")
    if not isinstance(system, str) or not is_text(system) or len(system.encode()) > MAX_SYSTEM_BYTES:
        return bad("model.persona_system_invalid")
    if not _is_time(created):
        return bad("model.entry_created_invalid")
    try:
        return Persona(name, model, system, persona_options(value).kept(), created)
    except InvalidRequest as error:
        return Issue("model.entry_option_invalid", {"label": name, **error.details})


def parse_alias(name: str, value: Any) -> Alias | Issue:
    """Returns the alias, or what is wrong with it."""
    if not LABEL.fullmatch(name):
        return Issue("model.label_invalid", {"label": name})
    if not isinstance(value, str) or not LABEL.fullmatch(value):
        return Issue("model.alias_target_invalid", {"label": name})
    return Alias(name, value)


def _is_time(value: Any) -> bool:
    return type(value) is int and 0 <= value < MAX_CREATED


def _is_stop(value: Any) -> bool:
    return isinstance(value, str) and is_text(value) and len(value.encode()) <= MAX_STOP_BYTES
