"""Holds what every command is handed: settings, where they came from, language, environment. Main thread; frozen."""

from __future__ import annotations

from collections.abc import Mapping

from hoshikage.errors import SettingInvalid
from hoshikage.frozen import Frozen
from hoshikage.messages import Language, text
from hoshikage.settings import Settings


class CommandContext(Frozen, frozen=True):
    """A CommandContext holds the settings, the language and the environment that every command is given."""

    settings: Settings
    sources: Mapping[str, str]
    """`sources` says where each setting has its value from, as in `settings.LoadedSettings`."""
    language: Language
    environ: Mapping[str, str]
    warnings: tuple[SettingInvalid, ...] = ()
    """`warnings` say what was passed over in .env files, as in `settings.LoadedSettings`."""

    def text(self, key: str, /, **details: object) -> str:
        """Returns a text of the catalogue in the user's language."""
        return text(self.language, key, **details)
