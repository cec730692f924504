"""Serves Hoshikage's own routes. A module of it is imported when its name is first used. No thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hoshikage.protocols.hoshikage import admin as admin
    from hoshikage.protocols.hoshikage import admin_cache as admin_cache
    from hoshikage.protocols.hoshikage import admin_libraries as admin_libraries
    from hoshikage.protocols.hoshikage import admin_personas as admin_personas
    from hoshikage.protocols.hoshikage import admin_schema as admin_schema
    from hoshikage.protocols.hoshikage import admin_server as admin_server
    from hoshikage.protocols.hoshikage import capabilities as capabilities
    from hoshikage.protocols.hoshikage import memory as memory
    from hoshikage.protocols.hoshikage import memory_schema as memory_schema
    from hoshikage.protocols.hoshikage import metrics as metrics
    from hoshikage.protocols.hoshikage import page as page
    from hoshikage.protocols.hoshikage import reference as reference
    from hoshikage.protocols.hoshikage import status as status
else:
    from hoshikage.protocols.on_demand import submodules

    __getattr__ = submodules(__name__)
