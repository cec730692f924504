"""Sends requests made of /openapi.json to a real server, library and model: fewer of them, and all the way down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientSession

from hoshikage.protocols.hoshikage.openapi_document import OpenApiDocument
from hoshikage.protocols.routes import ROUTES
from tests.end_to_end.conftest import LABEL, register
from tests.end_to_end.live import LiveServer, home_environ
from tests.protocols.fuzzing import KINDS, Fuzzer
from tests.schema_values import Values

SEED: Final = 7
CASES: Final = 100
SHORT: Final = (1, 2, 3)
DOCUMENT: Final = OpenApiDocument(ROUTES).tree("en")
HINTS: Final[dict[str, tuple[Any, ...]]] = {
    "model": (LABEL,),
    "type": KINDS,
    "content": ("Hello", "星"),
    "role": ("user", "user", "assistant", "system"),
}
LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict")
REFUSED: Final = (
    "/infill", "/v1/rerank", "/v1/responses/{id}", "/v1/models/{id}", "/api/v0/models/{id}", "/page/{file}",
    "/v1/memory", "/v1/memory/search", "/v1/memory/{id}", "/v1/audio/transcriptions",
)  # fmt: skip
"""The built-in model is not made for these, or they ask for a name that nobody knows, or for memory, which is off."""
ADMIN: Final = {(route.method, route.plain_path) for route in ROUTES if route.needs == "admin"}
OPERATIONS: Final = [
    pytest.param(method.upper(), path, operation, id=operation["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if (method.upper(), path) not in ADMIN
]


class ShortValues(Values):
    """Asks for answers of few tokens, and for the one choice: what is tried here is the way, not the distance."""

    def fitting(self, schema: dict[str, Any]) -> Any:
        body = super().fitting(schema)
        kind = self.resolved(schema).get("properties", {})
        if isinstance(body, dict):
            body |= {name: SHORT[len(body) % len(SHORT)] for name in LIMITS if name in kind}
            for name in ("n", "best_of"):
                body.pop(name, None)
            if "options" in kind and "model" in kind:
                body["options"] = {**(body.get("options") or {}), "num_predict": 2}
        return body


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, library_file: Path, demo_model: Path) -> Iterator[LiveServer]:
    home = tmp_path_factory.mktemp("home")
    register(home, {LABEL: demo_model})
    with LiveServer(home_environ(home, library_file, N_CTX="256")) as server:
        yield server


@pytest.fixture
async def fuzzer(live: LiveServer) -> AsyncIterator[Fuzzer]:
    async with ClientSession() as session:
        yield Fuzzer(session, live.url, DOCUMENT, ShortValues(DOCUMENT, SEED, HINTS))


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
async def test_every_answer_is_a_documented_one(
    live: LiveServer, fuzzer: Fuzzer, method: str, path: str, operation: dict[str, Any]
) -> None:
    before = live.log[:]
    for _ in range(CASES):
        await fuzzer.fitting(method, path, operation)
    if "requestBody" in operation:
        for _ in range(CASES):
            await fuzzer.missing(method, path, operation)
    assert fuzzer.met[f"{method} {path}", "fitting", 200] > 0 or path in REFUSED
    assert live.process.poll() is None
    crashed = [line for line in live.log[len(before) :] if "Traceback" in line or "unexpected error" in line]
    assert crashed == []
