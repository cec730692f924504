"""What every command is handed: settings, where they came from, language, environment. Main thread; frozen."""

from __future__ import annotations

from collections.abc import Mapping

from hoshikage.errors import SettingInvalid
from hoshikage.frozen import Frozen
from hoshikage.messages import Language, text
from hoshikage.settings import Settings


class CommandContext(Frozen, frozen=True):
    """Every command is given it."""

    settings: Settings
    sources: Mapping[str, str]
    """This is `settings.LoadedSettings.sources`."""
    language: Language
    environ: Mapping[str, str]
    warnings: tuple[SettingInvalid, ...] = ()
    """This is `settings.LoadedSettings.warnings`."""

    def text(self, key: str, /, **details: object) -> str:
        """A text of the catalogue in the user's language."""
        return text(self.language, key, **details)
