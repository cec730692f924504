"""Hoshikage (星影): a quiet local LLM server over the user's own libllama.

`Engine` and `AsyncEngine` run a model in a program of one's own. They are imported when they are first asked for, as
the server needs neither. No thread of its own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing has it, whose import every start would wait for
    from typing import Any

    from hoshikage.embedding import AsyncEngine, Engine

__all__ = ["AsyncEngine", "Engine", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in ("AsyncEngine", "Engine"):
        from importlib import import_module

        return getattr(import_module("hoshikage.embedding"), name)  # no import statement: the rooms below import us
    raise AttributeError(name)
