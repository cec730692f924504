"""Serves llama-server's own routes. A module of it is imported when its name is first used. No thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hoshikage.protocols.llama_server import handlers as handlers
    from hoshikage.protocols.llama_server import lora_adapters as lora_adapters
    from hoshikage.protocols.llama_server import native_schema as native_schema
    from hoshikage.protocols.llama_server import props as props
    from hoshikage.protocols.llama_server import slot_actions as slot_actions
else:
    from hoshikage.protocols.on_demand import submodules

    __getattr__ = submodules(__name__)
