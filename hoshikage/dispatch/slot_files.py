"""Finds the files that a slot's state is saved to by a name (llama-server's /slots), in one folder. Any thread;
blocking."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hoshikage.dispatch.kv_files import FolderFiles
from hoshikage.errors import InvalidRequest

FOLDER: Final = Path("kv", "slots")
"""Saved slots lie in this folder, below the cache folder."""
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._+@=-]{0,127}")
RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|part-[0-9a-f]{32}|.*[. ]")
"""Windows has these names for devices, or cuts them, and the last ones are those of files in the making."""


class SlotFiles(FolderFiles):
    """SlotFiles keeps the saved files, whose keys are their names."""

    def __init__(self, cache: Path) -> None:
        super().__init__(cache / FOLDER)

    def path_of(self, name: str) -> Path:
        """Returns the file of that name. Raises InvalidRequest for what is no plain name."""
        if self._key_of(name) is None:
            raise InvalidRequest("http.slot_filename", param="filename")
        return self.folder / name

    def _name_of(self, key: str) -> str:
        return key

    def _key_of(self, name: str) -> str | None:
        return name if NAME.fullmatch(name) and not RESERVED.fullmatch(name) else None
