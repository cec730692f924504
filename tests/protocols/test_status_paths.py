"""/v1/status tells strangers no paths, and those who administer all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hoshikage.access import local_admin
from hoshikage.dispatch.ramdisk import HeldCopy
from hoshikage.dispatch.status import ChosenLibrary, DispatcherStatus, FullStatus
from hoshikage.infos import LibraryInfo
from hoshikage.settings import Settings
from tests.protocols.conftest import GatedDispatcher, House, serving

NOW = DispatcherStatus(
    library=LibraryInfo("/opt/lib/libllama.so", "mdl-A", "ctx-A", "b1", "", ()),
    choice=ChosenLibrary("lib", "/opt/lib/libllama.so", "b1", "b1"),
    in_memory=HeldCopy(Path("/models/a.gguf"), 5),
)


class Telling(GatedDispatcher):
    async def full_status(self) -> FullStatus:
        return FullStatus(NOW)


async def test_strangers_are_told_no_paths(settings: Settings) -> None:
    async with serving(settings, dispatcher=Telling()) as house:
        _, stranger, _ = await house.ask("GET", "/v1/status")
        assert stranger["library"]["file"] is stranger["library"]["path"] is None
        assert stranger["library"]["release"] == "b1"
        assert stranger["ramdisk"] == {"source": None, "bytes": 5}
        owner = await _as_owner(house, settings)
        assert owner["library"]["file"] == owner["library"]["path"] == "/opt/lib/libllama.so"
        assert owner["ramdisk"] == {"source": "/models/a.gguf", "bytes": 5}


async def _as_owner(house: House, settings: Settings) -> dict[str, Any]:
    token = local_admin.prepare(settings.admin_token_file)
    _, found, _ = await house.ask("GET", "/v1/status", Authorization=f"Bearer {token}")
    assert isinstance(found, dict)
    return found
