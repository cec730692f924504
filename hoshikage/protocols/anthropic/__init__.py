"""Speaks Anthropic's Messages. A module of it is imported when its name is first used. No thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hoshikage.protocols.anthropic import handlers as handlers
    from hoshikage.protocols.anthropic import messages_schema as messages_schema
else:
    from hoshikage.protocols.on_demand import submodules

    __getattr__ = submodules(__name__)
