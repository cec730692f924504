"""Hoshikage (星影) is a quiet local LLM server over the user's own libllama.

`Engine` and `AsyncEngine` run a model in a program of one's own. They are imported when they are first asked for, as
the server needs neither. The version is what git's tags said when the package was built or installed; that wrote
`_version.py`. No thread of its own.
"""

from __future__ import annotations

try:
    from hoshikage._version import __version__
except ImportError:  # a checkout that nobody built or installed
    __version__ = "0.dev0"

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing has it, whose import every start would wait for
    from typing import Any

    from hoshikage.embedding import AsyncEngine, Engine

__all__ = ["AsyncEngine", "Engine", "__version__"]


def __getattr__(name: str) -> Any:
    if name in ("AsyncEngine", "Engine"):
        from importlib import import_module

        return getattr(import_module("hoshikage.embedding"), name)  # no import statement: the rooms below import us
    raise AttributeError(name)
