"""Whole and streamed answers of every protocol, byte for byte. Event loop of its own.

The application is the real one on a real port; the dispatcher answers by a script.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from hoshikage.http.keys import StreamTimeouts
from hoshikage.settings import Settings, load
from tests.frozen.normal import normal
from tests.frozen.scripts import ANSWERS, BEFORE, CHOICES, ECHOED, FAULTS, LOGPROBS
from tests.gguf_files import STRING, Gguf
from tests.protocols.conftest import House, Step, answer, serving
from tests.protocols.field_values import BASES, OTHER_ROUTES, REFUSED, ROUTES, SAMPLING, VALUES, WITH

TEMPLATE: Final = Path(__file__).parent.parent / "llama" / "templates" / "qwen3.jinja"
WEATHER: Final = {
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TOOLS: Final[Mapping[str, Any]] = {
    "/v1/chat/completions": [{"type": "function", "function": WEATHER}],
    "/v1/responses": [{"type": "function", **WEATHER}],
    "/v1/messages": [{"name": "weather", "input_schema": WEATHER["parameters"]}],
    "/api/chat": [{"type": "function", "function": WEATHER}],
}
"""Maps a route that has tools to one in its own form."""
LOOKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "/v1/chat/completions": {"logprobs": True, "top_logprobs": 2},
    "/v1/responses": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "/v1/completions": {"logprobs": 2},
    "/completion": {"n_probs": 2},
    "/infill": {"n_probs": 2},
    "/api/chat": {"logprobs": True, "top_logprobs": 2},
    "/api/generate": {"logprobs": True, "top_logprobs": 2},
}
"""Maps a route to how log probabilities are asked for."""
STREAMED: Final = (
    "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions", "/completion", "/infill",
    "/api/chat", "/api/generate",
)  # fmt: skip
PLAIN_GETS: Final = (
    "/props", "/slots", "/v1/models", "/v1/models/tiny", "/v1/models/nobody", "/v1/status", "/v1/api/version",
    "/openapi.json", "/docs", "/health", "/metrics", "/api/tags", "/api/ps", "/api/version", "/admin/models",
    "/v1/responses/resp_unknown", "/nowhere", "/v1/chat/completions",
)  # fmt: skip
UNSTEADY: Final = frozenset(
    {"Date", "Server", "Content-Length", "request-id", "X-Request-Id", "Process-Start-Time-Unix"}
)
MEASURED: Final = "hoshikage_http"
"""Begins the lines of /metrics that tell how long something took."""


@dataclass(frozen=True)
class Case:
    """This is one request, and what the engine does with it."""

    name: str
    path: str
    body: Any
    steps: Sequence[Step]


def record(scratch: Path) -> dict[str, str]:
    return asyncio.run(_record(scratch))


async def _record(scratch: Path) -> dict[str, str]:
    environ = {"MODEL_MAP_FILE": str(scratch / "model_map.json"), "HOSHIKAGE_LANG": "ja"}
    settings = load({"PORT": "0"}, environ, scratch).settings
    source = TEMPLATE.read_text("utf-8")
    Gguf().with_pair("tokenizer.chat_template", STRING, source).write(scratch / "tiny.gguf")
    found: dict[str, str] = {}
    async with serving(settings) as house:
        for path in STREAMED:
            found[f"answers{path.replace('/', '_')}.txt"] = await _all(house, _cases(path), scratch)
        found["answers_gets.txt"] = "".join([await _get(house, path, scratch) for path in PLAIN_GETS])
        for protocol in ROUTES:
            found[f"asked_{protocol}.txt"] = await _all(house, _fields(protocol), scratch)
    found["answers_silence.txt"] = await _silent(settings, scratch)
    return found


def _cases(path: str) -> Iterator[Case]:
    for stream in (False, True):
        base = {**BASES[path], "stream": stream}
        how = "streamed" if stream else "whole"
        for name, steps in ANSWERS.items():
            yield Case(f"{how}, {name}", path, base, steps)
            if path in TOOLS:
                yield Case(f"{how}, {name}, with tools", path, {**base, "tools": TOOLS[path]}, steps)
        if path in LOOKS:
            yield Case(f"{how}, log probabilities", path, {**base, **LOOKS[path]}, LOGPROBS)
        if path in ("/v1/chat/completions", "/v1/completions"):
            usage = {"stream_options": {"include_usage": True}} if stream else {}
            yield Case(f"{how}, usage and timings", path, {**base, **usage, "timings": True}, answer("星"))
            yield Case(f"{how}, choices", path, {**base, **usage, "n": 2}, CHOICES)
        if path == "/v1/completions":
            yield Case(f"{how}, echo", path, {**base, "echo": True}, ECHOED)
            yield Case(f"{how}, two prompts", path, {**base, "prompt": ["a", "b"]}, answer("星"))
        for when, before in BEFORE.items():
            for name, fault in FAULTS.items():
                tools = {"tools": TOOLS[path]} if path in TOOLS else {}
                yield Case(f"{how}, {name} {when}", path, {**base, **tools}, [*before, *fault])


def _fields(protocol: str) -> Iterator[Case]:
    """Yields each field of a protocol alone: what it asks of the engine, or how it is refused."""
    for field, value in {**VALUES[protocol], **REFUSED[protocol]}.items():
        name = field.partition(".")[0].partition("[")[0]
        path = OTHER_ROUTES.get((protocol, name), ROUTES[protocol])
        yield Case(f"field {field}", path, {**BASES[path], **WITH.get((protocol, name), {}), name: value}, answer("x"))
    for field, value in SAMPLING.items():
        given = {"options": {field: value}} if protocol == "ollama" else {field: value}
        yield Case(f"field {field}", ROUTES[protocol], {**BASES[ROUTES[protocol]], **given}, answer("x"))


async def _all(house: House, cases: Iterator[Case], scratch: Path) -> str:
    return "".join([await _one(house, case, scratch) for case in cases])


async def _one(house: House, case: Case, scratch: Path) -> str:
    house.dispatcher.steps = list(case.steps)
    house.dispatcher.asked.clear()
    sent = {"Content-Type": "application/json"}
    told = [f"=== {case.name}", f"POST {case.path} {json.dumps(case.body, ensure_ascii=False)}"]
    for language in ("en", "ja") if any(isinstance(step, Exception) for step in case.steps) else ("en",):
        data = json.dumps(case.body)
        headers = {**sent, "Accept-Language": language}
        async with house.session.post(house.url + case.path, data=data, headers=headers) as response:
            told += [str(response.status), *_headers(response.headers), await response.text()]
    asked = [msgspec.json.encode(request).decode() for _, request in house.dispatcher.asked]
    told += [f"asked {request}" for request in asked[:1]]
    return normal("\n".join(told), scratch) + "\n\n"


async def _get(house: House, path: str, scratch: Path) -> str:
    told = [f"=== GET {path}"]
    for language in ("en", "ja"):
        async with house.session.get(house.url + path, headers={"Accept-Language": language}) as response:
            text = await response.text()
            lines = [line for line in text.splitlines() if not line.startswith(MEASURED)]
            told += [language, str(response.status), *_headers(response.headers), *lines]
    return normal("\n".join(told), scratch) + "\n\n"


def _headers(headers: Mapping[str, str]) -> list[str]:
    return sorted(f"{name}: {value}" for name, value in headers.items() if name not in UNSTEADY)


async def _silent(settings: Settings, scratch: Path) -> str:
    """Opens streams that are silent until a comment has come, and then end well or badly."""
    told = []
    async with serving(settings, timeouts=StreamTimeouts(commit_after=0, comment_every=600), stored=False) as house:
        for path in STREAMED:
            if not path.startswith("/api/"):  # lines of JSON have no comments
                for name, rest in {"good": answer("星"), **FAULTS}.items():
                    gate = asyncio.Event()
                    house.dispatcher.steps = [gate, *rest]
                    told.append(f"=== {path}, {name}\n{await _gated(house, path, gate)}\n\n")
    return normal("".join(told), scratch)


async def _gated(house: House, path: str, gate: asyncio.Event) -> str:
    data = json.dumps({**BASES[path], "stream": True})
    headers = {"Content-Type": "application/json", "Accept-Language": "en"}
    async with house.session.post(house.url + path, data=data, headers=headers) as response:
        first = await response.content.readline()
        gate.set()
        return f"{response.status}\n" + (first + await response.read()).decode()
