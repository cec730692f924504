"""/v1/status tells strangers no paths, and those who administer all."""

from __future__ import annotations

from typing import Any

from hoshikage.access import local_admin
from hoshikage.settings import Settings
from tests.protocols.conftest import GatedDispatcher, House, serving

FOUND = {
    "library": {"file": "/opt/lib/libllama.so", "release": "b1"},
    "ramdisk": {"source": "/models/a.gguf", "bytes": 5},
    "last_requests": [{"model": "a", "where": "/x"}],
}


class Telling(GatedDispatcher):
    async def full_status(self) -> dict[str, Any]:
        return FOUND


async def test_strangers_are_told_no_paths(settings: Settings) -> None:
    async with serving(settings, dispatcher=Telling()) as house:
        _, said, _ = await house.ask("GET", "/v1/status")
        assert said["library"] == {"file": None, "release": "b1"}
        assert said["ramdisk"] == {"source": None, "bytes": 5}
        assert said["last_requests"] == [{"model": "a", "where": None}]
        assert await _as_owner(house, settings) == FOUND


async def _as_owner(house: House, settings: Settings) -> dict[str, Any]:
    token = local_admin.prepare(settings.admin_token_file)
    _, said, _ = await house.ask("GET", "/v1/status", Authorization=f"Bearer {token}")
    return {name: said[name] for name in FOUND}
