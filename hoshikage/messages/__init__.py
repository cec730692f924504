"""The catalogue of every text a user sees, in Japanese and English, by key. Any thread; no state but imports.

A key is `area.name`; the area names the module of this package whose TEXTS holds it as a pair (Japanese, English).
An area is imported when one of its texts is first asked for, so that a server starts without the commands' texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Literal

from hoshikage.errors import HoshikageError

Language = Literal["ja", "en"]
LANGUAGES: tuple[Language, ...] = ("ja", "en")
AREAS = (
    "access",
    "alias",
    "cli",
    "cluster",
    "connect",
    "dispatch",
    "doctor",
    "engine",
    "http",
    "lacks",
    "library",
    "media",
    "remember",
    "model",
    "option",
    "pull",
    "routes",
    "run",
    "service",
    "settings",
    "installed",
    "speed",
    "tune",
)


def text(language: Language, key: str, /, **details: object) -> str:
    """Returns the text of `key` in `language`, its {names} filled from `details`. Raises KeyError for a key that does
    not exist."""
    area, _, name = key.partition(".")
    if area not in AREAS:
        raise KeyError(key)
    pair: tuple[str, str] = import_module(f"hoshikage.messages.{area}").TEXTS[name]
    return pair[LANGUAGES.index(language)].format_map(details)


def describe(language: Language, error: HoshikageError) -> str:
    """Returns the error's text. One whose key or details are not the catalogue's (a runner is not trusted) shows as it
    is."""
    try:
        return text(language, error.key, **error.details)
    except (KeyError, ValueError, AttributeError):
        return str(error)


def language_of(environ: Mapping[str, str]) -> Language:
    """Returns the language of HOSHIKAGE_LANG, then of the locale's variables in POSIX order: the first that names one
    decides.

    A locale of another language than Japanese gets English. `C` and `POSIX` name none, so a bare container speaks
    Japanese.
    """
    chosen = environ.get("HOSHIKAGE_LANG", "").lower()
    if chosen in LANGUAGES:
        return "ja" if chosen == "ja" else "en"
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        named = re.split("[._@-]", environ.get(name, "").lower())[0]
        if named not in ("", "c", "posix"):
            return "ja" if named == "ja" else "en"
    return "ja"


def accepted_language(header: str | None, default: Language) -> Language:
    """Returns the better of `ja` and `en` in an Accept-Language header (RFC 9110, 12.5.4), else `default`."""
    best: tuple[float, Language] | None = None
    for item in (header or "").split(","):
        tag, _, weight = item.partition(";")
        primary = tag.strip().lower().split("-")[0]
        if primary not in LANGUAGES:
            continue
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight.strip() else 1.0
        except ValueError:
            continue
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, "ja" if primary == "ja" else "en")
    return best[1] if best else default
