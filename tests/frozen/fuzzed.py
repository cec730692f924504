"""Records what the server answers to requests made of /openapi.json with a fixed seed. Event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

from aiohttp import ClientResponse, ClientSession

from hoshikage.settings import load
from tests.frozen.normal import normal
from tests.protocols.conftest import serving
from tests.protocols.fuzzing import Fuzzer
from tests.protocols.test_fuzzing import DOCUMENT, HINTS, SEED, AnyDispatcher
from tests.schema_values import Values

CASES: Final = 12
"""Each operation has so many requests that fit and that do not."""
LONGEST: Final = 4000
"""So many characters are kept of a body and of an answer."""
UNSTEADY: Final = ("/metrics",)
Ask = Callable[[str, str, Any], Coroutine[Any, Any, None]]


class Session:
    """This is a client's session that keeps what it sent and what came."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.lines: list[str] = []

    @asynccontextmanager
    async def request(self, method: str, target: str, **options: Any) -> AsyncIterator[ClientResponse]:
        headers = {**options.pop("headers"), "Accept-Language": "en"}
        async with self._session.request(method, target, headers=headers, **options) as response:
            text = (await response.read()).decode("utf-8", "backslashreplace")
            sent = repr(options["data"])
            self.lines += [f"{method} {target} {sent[:LONGEST]}", f"{response.status} {text[:LONGEST]}"]
            yield response


def record(scratch: Path) -> dict[str, str]:
    return asyncio.run(_record(scratch))


async def _faults(asking: Awaitable[object]) -> list[str]:
    """What the fuzzer finds wrong is recorded too: the tests are what judges."""
    try:
        await asking
    except AssertionError as error:
        return [f"not as documented: {error}"]
    return []


async def _record(scratch: Path) -> dict[str, str]:
    environ = {"MODEL_MAP_FILE": str(scratch / "fuzzed" / "model_map.json"), "HOSHIKAGE_LANG": "ja"}
    (scratch / "fuzzed").mkdir()
    settings = load({"PORT": "0"}, environ, scratch).settings
    document = DOCUMENT.tree("en")
    found = {}
    async with serving(settings, dispatcher=AnyDispatcher()) as house:
        token = settings.admin_token_file.read_text("utf-8").strip()
        async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            for path, methods in document["paths"].items():
                for method, operation in methods.items():
                    if path in UNSTEADY:
                        continue
                    kept = Session(session)
                    values = Values(document, SEED, HINTS)
                    fuzzer = Fuzzer(cast("ClientSession", kept), house.url, document, values)
                    asked: list[Ask] = [fuzzer.fitting] * CASES
                    if "requestBody" in operation:
                        asked += [*[fuzzer.missing] * CASES, fuzzer.raw]
                    for ask in asked:
                        kept.lines += await _faults(ask(method.upper(), path, operation))
                    name = f"fuzzed_{operation['operationId']}.txt"
                    found[name] = normal("\n".join(kept.lines), scratch) + "\n"
    return found
