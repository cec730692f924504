"""Serves GET /metrics: what Prometheus collects. Never wakes a model. Event loop thread.

The text format is a dozen lines to write; its usual library would cost every start about as much as aiohttp's parser.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from hoshikage import __version__
from hoshikage.dispatch.latencies import BOUNDS, Latencies
from hoshikage.dispatch.memory import MemoryInUse
from hoshikage.dispatch.model_state import ModelState
from hoshikage.dispatch.status import FullStatus, QueueStatus
from hoshikage.dispatch.totals import Totals
from hoshikage.http.keys import DISPATCHER, METRICS, SETTINGS
from hoshikage.http.measures import BUCKETS, CLIENT_LEFT, QUIET, Measures

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BEGAN: Final = "Process-Start-Time-Unix"
"""llama-server tells by this header since when is counted."""
STATES: Final = ("unloaded", "loading", "ready", "unloading")
Sample = tuple[Mapping[str, object], float]


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Measures a request; the outermost of all handlers, it sees the status that goes out."""
    begun = time.perf_counter()
    status = CLIENT_LEFT
    measures, route = request.config_dict[METRICS], _route(request)
    is_use = route not in QUIET or request.method not in ("GET", "HEAD")
    if is_use:
        measures.used = time.monotonic()
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        measures.add(request.method, route, status, time.perf_counter() - begun)
        if is_use:
            measures.used = time.monotonic()


async def metrics(request: web.Request) -> web.Response:
    dispatcher = request.app[DISPATCHER]
    status = await dispatcher.full_status()
    room = request.app[SETTINGS].queue_size
    text = of(request.app[METRICS], status, room, dispatcher.latencies())
    headers = {"Content-Type": CONTENT_TYPE, BEGAN: str(request.app[METRICS].began)}
    return web.Response(body=text.encode(), headers=headers)


def of(measures: Measures, status: FullStatus, room: int, latencies: Latencies) -> str:
    """Writes the whole text; `room` is how many requests may wait."""
    return "".join((*_lines(measures, status, room), *_answers(latencies)))


def _route(request: web.Request) -> str:
    """Returns the route's pattern; a path of which there is none could be anything."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _lines(measures: Measures, status: FullStatus, room: int) -> Iterator[str]:
    now, queue, totals = status.now, status.now.queue, status.now.totals
    yield from _family("hoshikage_info", "gauge", "Version of the server.", [({"version": __version__}, 1)])
    requests = [
        ({"method": method, "route": route, "status": code}, count)
        for (method, route, code), count in sorted(measures.requests.items())
    ]
    yield from _family("hoshikage_requests_total", "counter", "HTTP requests.", requests)
    yield from _histogram(measures)
    yield from _family("hoshikage_requests_running", "gauge", "Requests that run.", [({}, queue.running)])
    yield from _family("hoshikage_requests_waiting", "gauge", "Requests that wait.", [({}, queue.waiting)])
    yield from _family("hoshikage_queue_size", "gauge", "Requests that may wait.", [({}, room)])
    yield from _memory(status.memory)
    states = [({"state": state.value}, int(state is now.state)) for state in ModelState]
    yield from _family("hoshikage_model_state", "gauge", "1 for the state the model is in.", states)
    loaded: list[Sample] = [({"model": one.model}, 1) for one in now.loaded()]
    yield from _family("hoshikage_model_loaded", "gauge", "1 for each model that is loaded.", loaded)
    held = [({"model": one.model, "kind": one.kind}, one.resident_bytes) for one in now.runners]
    yield from _family("hoshikage_model_resident_bytes", "gauge", "Resident memory of each model's runner.", held)
    for name, count, what in (
        ("hoshikage_model_loads_total", totals.loads, "Models loaded."),
        ("hoshikage_runner_crashes_total", totals.crashes, "Runners that ended by themselves."),
        ("hoshikage_prompt_tokens_total", totals.prompt_tokens, "Tokens of prompts computed."),
        ("hoshikage_cached_tokens_total", totals.cached_tokens, "Tokens of prompts that were in memory already."),
        ("hoshikage_completion_tokens_total", totals.completion_tokens, "Tokens generated."),
    ):
        yield from _family(name, "counter", what, [({}, count)])
    for name, duration_ms, what in (
        ("hoshikage_prompt_seconds_total", totals.prompt_ms, "Time spent on prompts."),
        ("hoshikage_decode_seconds_total", totals.decode_ms, "Time spent generating."),
    ):
        yield from _family(name, "counter", what, [({}, duration_ms / 1e3)])
    yield from _as_llama_server(queue, totals)


def _memory(used: MemoryInUse) -> Iterator[str]:
    for name, size, what in (
        ("process_resident_memory_bytes", used.server_bytes, "Resident memory of the server."),
        (
            "hoshikage_runner_resident_bytes",
            used.runner_bytes,
            "Resident memory of all runners; 0 where there is none.",
        ),
        ("hoshikage_runner_vram_bytes", used.vram_bytes, "Memory of NVIDIA GPUs that the runners hold."),
        ("hoshikage_memory_available_bytes", used.available_bytes, "Memory that the machine has left; 0: not told."),
    ):
        yield from _family(name, "gauge", what, [({}, size)])


def _answers(latencies: Latencies) -> Iterator[str]:
    """How long answers took, as OpenTelemetry's conventions name it."""
    for name, models in latencies.histograms.items():
        yield f"# HELP {name} As OpenTelemetry has it.\n# TYPE {name} histogram\n"
        for model, result in sorted(models.items()):
            labels = {"gen_ai_provider_name": "hoshikage", "gen_ai_request_model": model}
            below = 0
            for bound, count in zip(BOUNDS[name], result.counts, strict=True):
                below += count
                yield _line(f"{name}_bucket", {**labels, "le": _number(bound)}, below)
            yield _line(f"{name}_bucket", {**labels, "le": "+Inf"}, result.total)
            yield _line(f"{name}_sum", labels, result.seconds)
            yield _line(f"{name}_count", labels, result.total)


def _as_llama_server(queue: QueueStatus, totals: Totals) -> Iterator[str]:
    """Yields metrics again under the names that boards made for llama-server look for."""
    for name, kind, value in (
        ("prompt_tokens_total", "counter", totals.prompt_tokens),
        ("prompt_tokens_cached_total", "counter", totals.cached_tokens),
        ("prompt_seconds_total", "counter", totals.prompt_ms / 1e3),
        ("tokens_predicted_total", "counter", totals.completion_tokens),
        ("tokens_predicted_seconds_total", "counter", totals.decode_ms / 1e3),
        ("prompt_tokens_seconds", "gauge", _rate(totals.prompt_tokens, totals.prompt_ms)),
        ("predicted_tokens_seconds", "gauge", _rate(totals.completion_tokens, totals.decode_ms)),
        ("requests_processing", "gauge", queue.running),
        ("requests_deferred", "gauge", queue.waiting),
    ):
        yield from _family(f"llamacpp:{name}", kind, "As llama-server has it.", [({}, value)])


def _rate(count: int, duration_ms: float) -> float:
    return count * 1e3 / duration_ms if duration_ms else 0.0


def _histogram(measures: Measures) -> Iterator[str]:
    samples: list[Sample] = []
    sums: list[Sample] = []
    counts: list[Sample] = []
    for route in sorted(measures.seconds):
        buckets: Counter[float] = measures.buckets[route]
        below = 0
        for bound in BUCKETS:
            below += buckets[bound]
            samples.append(({"route": route, "le": _number(bound)}, below))
        sums.append(({"route": route}, measures.seconds[route]))
        counts.append(({"route": route}, below))
    name = "hoshikage_request_seconds"
    yield f"# HELP {name} From a request's arrival to its answer's end.\n# TYPE {name} histogram\n"
    for suffix, result in (("_bucket", samples), ("_sum", sums), ("_count", counts)):
        yield from (_line(name + suffix, labels, value) for labels, value in result)


def _family(name: str, kind: str, what: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {what}\n# TYPE {name} {kind}\n"
    yield from (_line(name, labels, value) for labels, value in samples)


def _line(name: str, labels: Mapping[str, object], value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(str(label))}"' for key, label in labels.items())
    return f"{name}{{{shown}}} {_number(value)}\n" if shown else f"{name} {_number(value)}\n"


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(value)


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
