"""Sends guests who cost: slow connections, refused clients, a long queue. Each is measured beside what is served.
Blocking.

`siege_guests.py URL MODEL COUNT SECONDS` is the refused crowd, in a process of its own, so that its CPU is known.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from serving import get_json
from siege_totals import Totals, cpu_seconds

HERE: Final = Path(__file__).resolve()
SLOW: Final = 700
"""So many connections are more than the server keeps open."""
HEAD: Final = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
ANSWER_TOKENS: Final = 64


def hold_slowly(url: str, totals: Totals, dice: random.Random) -> None:
    """Opens more connections than there is room for, none of which does anything useful; others are answered."""
    parts = urlsplit(url)
    address = (str(parts.hostname), int(parts.port or 0))
    starts = (b"", b"GET /hea", HEAD, HEAD + b"Content-Length: 100000\r\n\r\n{", b"\x16\x03\x01")
    with ExitStack() as held:
        for number in range(SLOW):
            with suppress(OSError):
                one = held.enter_context(socket.create_connection(address, 5))
                one.sendall(dice.choice(starts))
                totals.counts["slow_connections"] += 1
            if number % 50 == 49 and get_json(url, "/health", 20) is None:
                totals.counts["slow_kept_out"] += 1


def refused_beside_served(url: str, pid: int, model: str, seconds: float, crowd: int) -> dict[str, float]:
    """Measures the tokens a second of all who are served, alone and with a refused crowd whose own CPU is taken out."""
    alone = asyncio.run(_served(url, model, seconds))
    command = [sys.executable, str(HERE), url, model, str(crowd), str(seconds + 5)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as refused:
        assert refused.stdout is not None
        refused.stdout.readline()  # all of the crowd are there
        own, server, begun = cpu_seconds(refused.pid), cpu_seconds(pid), time.monotonic()
        beside = asyncio.run(_served(url, model, seconds))
        took = time.monotonic() - begun
        share = (cpu_seconds(refused.pid) - own) / (took * (os.cpu_count() or 1))
        server = (cpu_seconds(pid) - server) / took
        count = int(refused.stdout.read() or 0)
    return {
        "refused_alone_tokens_s": round(alone, 1),
        "refused_beside_tokens_s": round(beside, 1),
        "refused_crowd_cpu_share": round(share, 3),
        "refused_server_cpu": round(server, 3),
        "refused_count": count,
        "refused_ratio": round(beside / alone / (1 - share), 3) if alone and share < 1 else 0.0,
    }


def waiting_beside_served(url: str, pid: int, model: str, seconds: float, crowd: int) -> dict[str, float]:
    """Measures the CPU of the server for an answer, while one waits and while many do."""
    few, many = (asyncio.run(_queued(url, pid, model, seconds, waiting)) for waiting in (1, crowd))
    return {
        "waiting_one_cpu_ms": round(few * 1e3, 2),
        "waiting_many_cpu_ms": round(many * 1e3, 2),
        "waiting_ratio": round(many / few, 2) if few else 0.0,
    }


async def _served(url: str, model: str, seconds: float) -> float:
    """Measures the tokens a second that the model computes while as many ask as have places."""
    async with ClientSession(timeout=ClientTimeout(total=120)) as session:
        ends = time.monotonic() + seconds
        begun, at = await _computed(session, url), time.monotonic()
        asking = [asyncio.create_task(_ask_on(session, url, model, ends)) for _ in range(3)]
        await asyncio.sleep(seconds)
        tokens, took = await _computed(session, url) - begun, time.monotonic() - at
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        return tokens / took


async def _queued(url: str, pid: int, model: str, seconds: float, waiting: int) -> float:
    """Measures the CPU seconds of the server for one answer while so many others wait."""
    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=600)) as session:
        answers = [0]
        ends = time.monotonic() + seconds + 15
        asking = [asyncio.create_task(_ask_on(session, url, model, ends, answers)) for _ in range(waiting + 1)]
        await asyncio.sleep(15)  # all have their place
        begun, cpu = answers[0], cpu_seconds(pid)
        await asyncio.sleep(seconds)
        count, cpu = answers[0] - begun, cpu_seconds(pid) - cpu
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        return cpu / count if count else 0.0


async def _computed(session: ClientSession, url: str) -> int:
    async with session.get(f"{url}/v1/status") as answer:
        return int((await answer.json())["totals"]["completion_tokens"])


async def _ask_on(session: ClientSession, url: str, model: str, ends: float, answers: list[int] | None = None) -> None:
    """Streams one answer after the other."""
    while time.monotonic() < ends:
        with suppress(ClientError, OSError):
            async with session.post(f"{url}/v1/chat/completions", json=_body(model)) as answer:
                whole = await answer.read()
                if answer.status == 200 and answers is not None and whole:
                    answers[0] += 1
                if answer.status == 200:
                    continue
        await asyncio.sleep(1)


def _body(model: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": "hello"}]
    return {"model": model, "messages": messages, "max_tokens": ANSWER_TOKENS, "temperature": 1, "stream": True}


async def _crowd(url: str, model: str, count: int, seconds: float) -> int:
    """Sends so many clients, each of which asks, is refused, and waits as it is told, at least a second. They come one
    after the other; with the last one a line is printed."""
    ends = time.monotonic() + seconds
    body, refused = json.dumps(_body(model)).encode(), [0]

    async def client(session: ClientSession, number: int) -> None:
        await asyncio.sleep(number / count)
        if number == count - 1:
            print(flush=True)
        while time.monotonic() < ends:
            wait = 1.0
            with suppress(ClientError, OSError, asyncio.TimeoutError):
                headers = {"Content-Type": "application/json"}
                async with session.post(f"{url}/v1/chat/completions", data=body, headers=headers) as answer:
                    if answer.status != 200:
                        refused[0] += 1
                        wait = max(1.0, float(answer.headers.get("Retry-After", 1)))
                    await answer.read()
            await asyncio.sleep(min(wait, ends - time.monotonic() + 0.01))

    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=60)) as session:
        await asyncio.gather(*(client(session, number) for number in range(count)))
    return refused[0]


if __name__ == "__main__":
    print(asyncio.run(_crowd(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
