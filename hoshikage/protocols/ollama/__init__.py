"""Speaks Ollama's API. A module of it is imported when its name is first used. No thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hoshikage.protocols.ollama import handlers as handlers
    from hoshikage.protocols.ollama import naming as naming
    from hoshikage.protocols.ollama import ollama_schema as ollama_schema
    from hoshikage.protocols.ollama import pull as pull
else:
    from hoshikage.protocols.on_demand import submodules

    __getattr__ = submodules(__name__)
