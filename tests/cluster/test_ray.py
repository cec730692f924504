"""Tests the cluster on a real Ray of three nodes on this machine: with real servers, and with servers of a given
slowness."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from yarl import URL

import processes
from hoshikage.cluster import build
from hoshikage.cluster.plan import ClusterPlan
from hoshikage.registry import Registry

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]
ROOT: Final = Path(__file__).resolve().parent.parent.parent
SLOW: Final = (sys.executable, "-m", "tests.cluster.slow_server")
PATIENCE_S: Final = 120


@dataclass
class Nodes:
    """This is the cluster, and where it takes requests."""

    cluster: Any
    url: str

    def deploy(self, plan: ClusterPlan, *more: Any) -> None:
        from ray import serve

        serve.run(build(plan, *more), name="hoshikage", route_prefix="/")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["RAY_SERVE_LOG_TO_STDERR"] = "0"
    small = {"object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **small})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=2, object_store_memory=80 << 20)
        ray.init(address=cluster.address, log_to_driver=False)
        port = free_port()
        # The nodes share this machine's address: with a proxy on each, killing a node would cut its connections too.
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
        yield Nodes(cluster, f"http://127.0.0.1:{port}")
    finally:
        serve.shutdown()
        ray.shutdown()
        cluster.shutdown()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
        yield session


def slow(nodes: Nodes, count: int, pause_s: float = 0.5, **settings: str) -> None:
    named = {"PAUSE_S": str(pause_s), **settings}
    nodes.deploy(ClusterPlan(min_replicas=count, max_replicas=count, concurrency=2, num_cpus=1, settings=named), SLOW)


async def ask(
    session: aiohttp.ClientSession, nodes: Nodes, *turns: str, model: str = "star", **more: Any
) -> tuple[int, Any, Any]:
    messages = [{"role": "user", "content": turn} for turn in turns]
    body = {"model": model, "messages": messages, **more}
    async with session.post(f"{nodes.url}/v1/chat/completions", json=body) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


async def throughput(session: aiohttp.ClientSession, nodes: Nodes, requests: int) -> float:
    began = time.monotonic()
    answers = await asyncio.gather(*(ask(session, nodes, f"question {number}") for number in range(requests)))
    assert [status for status, _, _ in answers] == [200] * requests
    return requests / (time.monotonic() - began)


async def test_four_servers_do_the_work_of_four(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    slow(nodes, 1)
    await ask(session, nodes, "warm")
    alone = await throughput(session, nodes, 8)
    slow(nodes, 4)
    await throughput(session, nodes, 8)
    four = await throughput(session, nodes, 32)
    print(f"one server {alone:.2f} answers/s, four {four:.2f}, {four / alone:.2f} times")
    assert four > alone * 2.5


async def test_a_conversation_stays_where_its_beginning_is(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    slow(nodes, 4, 0.3)
    talks = [f"talk {number}" for number in range(8)]
    first = await asyncio.gather(*(ask(session, nodes, talk) for talk in talks))
    places = {talk: answer["pid"] for talk, (_, answer, _) in zip(talks, first, strict=True)}
    assert len(set(places.values())) > 1, "so many at once are not all at one place"
    for talk in talks:
        for turns in ((talk, "and then?"), (talk, "and then?", "and then?")):
            status, answer, _ = await ask(session, nodes, *turns)
            assert (status, answer["pid"]) == (200, places[talk])


async def test_errors_and_headers_pass_unchanged(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    slow(nodes, 1, 0.05)
    status, answer, headers = await ask(session, nodes, "a", fail=True)
    assert (status, headers["Retry-After"], answer["error"]["code"]) == (429, "7", "queue_full")


async def test_a_client_that_leaves_ends_the_work(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    slow(nodes, 1, 20.0)
    body = {"model": "star", "messages": [{"role": "user", "content": "a"}], "stream": True}
    answer = await session.post(f"{nodes.url}/v1/chat/completions", json=body)
    assert (await answer.content.readline()).startswith(b"data: ")
    answer.close()
    until = time.monotonic() + PATIENCE_S
    left = 0
    while not left:
        assert time.monotonic() < until
        async with session.get(f"{nodes.url}/v1/status") as told:
            left = (await told.json())["left"]


async def test_a_lost_server_before_and_after_the_first_byte(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    slow(nodes, 2, 4.0)
    _, _, headers = await ask(session, nodes, "where", model="", stream=False)
    whole = asyncio.create_task(ask(session, nodes, "where", "again", model=""))
    body = {"messages": [{"role": "user", "content": "other"}], "stream": True}
    async with session.post(f"{nodes.url}/v1/messages", json=body) as answer:
        assert (await answer.content.readline()).startswith(b"data: ")
        os.kill(int(answer.headers["x-pid"]), signal.SIGKILL)
        os.kill(int(headers["x-pid"]), signal.SIGKILL) if headers["x-pid"] != answer.headers["x-pid"] else None
        rest = await answer.content.read()
    assert b"event: error\n" in rest
    assert "has gone" in json.loads(rest.rpartition(b"data: ")[2])["error"]["message"]
    status, said, _ = await whole
    assert (status, said["said"]) == (200, "again")


async def test_a_killed_replica_leaves_no_server(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    slow(nodes, 1, 0.05)
    _, _, headers = await ask(session, nodes, "who is there")
    server = int(headers["x-pid"])
    os.kill(parent_of(server), signal.SIGKILL)
    assert await asyncio.to_thread(processes.left, {server}, PATIENCE_S) == set()
    status, _, headers = await ask(session, nodes, "who is there now")
    assert (status, int(headers["x-pid"]) == server) == (200, False)


async def test_a_killed_node_takes_no_request_with_it(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    slow(nodes, 4, 0.3)
    await throughput(session, nodes, 8)
    asked = [asyncio.create_task(ask(session, nodes, f"node {number}")) for number in range(24)]
    await asyncio.to_thread(nodes.cluster.remove_node, nodes.cluster.worker_nodes.copy().pop(), False)
    answers = await asyncio.gather(*asked)
    assert [status for status, _, _ in answers] == [200] * 24


async def test_another_library_comes_without_a_gap(nodes: Nodes, session: aiohttp.ClientSession) -> None:
    slow(nodes, 2, 0.1, LIBRARY="old")
    ended, found = asyncio.Event(), []

    async def keep_asking() -> None:
        while not ended.is_set():
            status, _, headers = await ask(session, nodes, "a", model="")
            found.append((status, headers.get("x-library")))

    asking = asyncio.create_task(keep_asking())
    await asyncio.to_thread(slow, nodes, 2, 0.1, LIBRARY="new")
    while ("200", "new") not in [(str(status), library) for status, library in found]:
        await asyncio.wait({asking}, timeout=0.1)
    ended.set()
    await asking
    assert {status for status, _ in found} == {200}
    assert {library for _, library in found} == {"old", "new"}


async def test_real_servers(
    nodes: Nodes, session: aiohttp.ClientSession, home: Path, library_file: Path, demo_model: Path, tmp_path: Path
) -> None:
    from hoshikage.settings import config_dir

    for label in ("tiny", "org/tiny"):
        Registry(config_dir() / "model_map.json").add(label, demo_model)
    settings = {
        "HOSHIKAGE_LIB_PATH": str(library_file),
        "HOME": str(home),
        "XDG_CONFIG_HOME": os.environ["XDG_CONFIG_HOME"],
        "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"],
        "RAMDISK_PATH": "off",
        "HOSHIKAGE_LANG": "en",
    }
    nodes.deploy(ClusterPlan(min_replicas=0, max_replicas=1, up_after_s=0.1, settings=settings))
    status, answer, _ = await ask(session, nodes, "星影とは何ですか？", model="tiny", temperature=0)
    assert status == 200, answer
    text = answer["choices"][0]["message"]["content"]
    assert "GGUF" in text
    body = {"model": "tiny", "messages": [{"role": "user", "content": "星影とは何ですか？"}]}
    async with session.post(
        f"{nodes.url}/v1/chat/completions", json={**body, "temperature": 0, "stream": True}
    ) as streamed:
        lines = [line async for line in streamed.content if line.startswith(b"data: ")]
    assert lines[-1] == b"data: [DONE]\n"
    pieces = [json.loads(line[6:])["choices"] for line in lines[:-1]]
    assert "".join(one["delta"].get("content") or "" for choices in pieces for one in choices) == text
    async with session.get(URL(f"{nodes.url}/v1/models/org%2Ftiny", encoded=True)) as told:
        assert (told.status, (await told.json())["id"]) == (200, "org/tiny")
    status, answer, _ = await ask(session, nodes, "a", model="nobody")
    assert (status, answer["error"]["code"]) == (404, "model_not_found")
