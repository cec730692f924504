"""Sends the siege's clients: many at once, of every kind, some of which leave. Event loop thread."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, TraceConfig

from screen import Refused
from siege_totals import Gauge, Totals

PROMPTS: Final = (
    "hello", "こんにちは", "What is Hoshikage?", "星影とは？", "How do I add a model?", "モデルの登録は？", "the stars",
    "a b c d", "once upon a time", "月", "help", "設定", "Thank you", "ありがとう",
)  # fmt: skip
"""Of these, every kind of question uses those that leave no doubt about the answer (`MARGIN`)."""
MARGIN: Final = 0.5
"""By so much the chosen token must be likelier than the next, in natural logarithms: decoded beside others, numbers
differ in their last digits, and what was nearly a tie may fall to the other side."""
MIN_PROMPTS: Final = 2
REFUSALS: Final = {"queue_full", "processing_timeout", "unavailable", "shutting_down", "rate_limit_exceeded"}
CRASHES: Final = {"model_crashed", "model_quarantined", "inference_failed"}
PATIENCE: Final = ClientTimeout(total=180)
LONGEST_REST_S: Final = 5.0
SILENT_S: Final = 29.0
"""A client that is so long between connecting and asking, because it did not run, has broken the rules itself: the
server leaves those that say nothing for 30 s."""


@dataclass(slots=True)
class Target:
    """This is a server and what its answers are, asked for alone."""

    url: str
    model: str
    pid: int
    totals: Totals
    dice: random.Random
    known: dict[tuple[str, str], str] = field(default_factory=dict)
    rest_s: float = 0.05
    """A client rests for so long at most between two requests."""
    may_crash: bool = False
    """`may_crash` tells whether runners are being killed: then crashes are told, and are no faults."""


class Refusal(Exception):
    """The server has refused; `wait` is what it asked for."""

    def __init__(self, code: str, wait: float, status: int = 200) -> None:
        super().__init__(code)
        self.code = code
        self.wait = wait
        self.status = status


Ask = Callable[[ClientSession, Target, str], Awaitable[str]]


class Silence:
    """This tells how long one client said nothing on its connection before it asked, by its own clock."""

    def __init__(self) -> None:
        self.connects()

    def connects(self) -> None:
        self._since, self._until = time.monotonic(), math.inf

    def asks(self) -> None:
        self._until = time.monotonic()

    @property
    def seconds(self) -> float:
        return min(time.monotonic(), self._until) - self._since


SILENCE: Final[ContextVar[Silence]] = ContextVar("silence")
"""This is the silence of the current client's request."""


def _timed() -> TraceConfig:
    """Tells each request's silence when its connection is made, and when its header is sent."""
    made = TraceConfig()

    async def connects(*_: Any) -> None:
        if (silence := SILENCE.get(None)) is not None:
            silence.connects()

    async def asks(*_: Any) -> None:
        if (silence := SILENCE.get(None)) is not None:
            silence.asks()

    made.on_connection_create_start.append(connects)
    made.on_request_headers_sent.append(asks)
    return made


async def load(target: Target, clients: int, seconds: float, *gauges: Gauge) -> None:
    """So many clients ask for so long, each keeping to what a refusal tells it to wait."""
    ends = time.monotonic() + seconds
    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector, timeout=PATIENCE, trace_configs=[_timed()]) as session:
        seeds = [target.dice.random() for _ in range(clients)]
        crowd = [asyncio.create_task(_client(session, target, ends, random.Random(seed))) for seed in seeds]
        watch = asyncio.create_task(_watch(gauges, target.totals))
        await asyncio.gather(*crowd)
        watch.cancel()


async def learn(target: Target) -> None:
    """Learns the answers of one client alone, by which those of many are judged."""
    async with ClientSession(timeout=PATIENCE) as session:
        certain = {True: [], False: []}  # type: dict[bool, list[str]]
        for is_chat, prompt in itertools.product((True, False), PROMPTS):
            if await _margin(session, target, prompt, is_chat=is_chat) >= MARGIN:
                certain[is_chat].append(prompt)
        for name, ask in KINDS.items():
            prompts = certain[name not in ("completed", "tokens")]
            if len(prompts) < MIN_PROMPTS:
                raise Refused("siege_no_prompts", kind=name)
            for prompt in prompts:
                target.known[name, prompt] = await ask(session, target, prompt)


async def _watch(gauges: Sequence[Gauge], totals: Totals) -> None:
    while True:
        for gauge in gauges:
            gauge.look()
        totals.write()
        await asyncio.sleep(2)


async def _client(session: ClientSession, target: Target, ends: float, dice: random.Random) -> None:
    counts = target.totals.counts
    while time.monotonic() < ends:
        name, prompt = dice.choice(list(target.known))
        counts["requests"] += 1
        rest = dice.random() * target.rest_s
        silence = Silence()
        SILENCE.set(silence)
        try:
            if dice.random() < 0.1:
                await _leave(session, target, prompt, dice)
                counts["requests_left"] += 1
                continue
            said = await KINDS[name](session, target, prompt)
        except Refusal as refusal:
            if refusal.code in REFUSALS:
                counts["requests_refused"] += 1
            elif target.may_crash and (refusal.code in CRASHES or refusal.status >= 500):
                counts["requests_told_of_crash"] += 1
            else:
                counts["requests_lost"] += 1
                counts[f"lost: {refusal.code}"] += 1
            rest = min(max(refusal.wait, 1.0), LONGEST_REST_S) * (1 + dice.random())
        except (ClientError, OSError, asyncio.TimeoutError, ValueError) as error:
            if isinstance(error, (ClientError, OSError)) and silence.seconds > SILENT_S:
                counts["requests_silent"] += 1
                continue
            counts["requests_lost"] += 1
            counts[f"lost: {type(error).__name__} {getattr(error, 'errno', '')} {silence.seconds:.0f} s"] += 1
        else:
            wrong = said != target.known[name, prompt]
            counts["requests_wrong" if wrong else "requests_whole"] += 1
            if wrong:
                counts[f"wrong: {name} {prompt[:20]}"] += 1
        await asyncio.sleep(rest)


async def _post(session: ClientSession, target: Target, path: str, body: dict[str, Any]) -> Any:
    async with session.post(target.url + path, json=body) as answer:
        said = await answer.json()
        _require(answer.status, said, answer.headers.get("Retry-After"))
        return said


def _require(status: int, said: Any, retry_after: str | None) -> None:
    if status == 200:
        return
    error = said.get("error") if isinstance(said, dict) else None
    code = error.get("code") or error.get("type") if isinstance(error, dict) else None
    if code is None or (code not in REFUSALS and status in (429, 503) and retry_after):  # other protocols' errors
        code = "queue_full" if status in (429, 503) and retry_after else f"status {status}"
    raise Refusal(str(code), float(retry_after or 0), status)


async def _margin(session: ClientSession, target: Target, prompt: str, *, is_chat: bool) -> float:
    """Returns by how much the answer's tokens are likelier than the next ones, at the least."""
    body: dict[str, Any] = {"model": target.model, "temperature": 0}
    if is_chat:
        body |= {"messages": _chat(prompt), "max_tokens": 24, "logprobs": True, "top_logprobs": 2}
        said = await _post(session, target, "/v1/chat/completions", body)
        tops = [[top["logprob"] for top in one["top_logprobs"]] for one in said["choices"][0]["logprobs"]["content"]]
    else:
        body |= {"prompt": _framed(prompt), "max_tokens": 8, "logprobs": 2}
        said = await _post(session, target, "/v1/completions", body)
        tops = [sorted(one.values(), reverse=True) for one in said["choices"][0]["logprobs"]["top_logprobs"]]
    return min((top[0] - top[1] for top in tops if len(top) > 1), default=0.0)


def _framed(prompt: str) -> str:
    """Returns what the chat template makes of it: the model knows nothing else."""
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


def _chat(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


async def _whole(session: ClientSession, target: Target, prompt: str) -> str:
    body = {"model": target.model, "messages": _chat(prompt), "temperature": 0, "max_tokens": 12}
    said = await _post(session, target, "/v1/chat/completions", body)
    return str(said["choices"][0]["message"]["content"])


async def _streamed(session: ClientSession, target: Target, prompt: str) -> str:
    body = {"model": target.model, "messages": _chat(prompt), "temperature": 0, "max_tokens": 24, "stream": True}
    pieces: list[str] = []
    async with session.post(target.url + "/v1/chat/completions", json=body) as answer:
        if answer.status != 200:
            _require(answer.status, await answer.json(), answer.headers.get("Retry-After"))
        async for line in answer.content:
            if not line.startswith(b"data: "):
                continue
            if line.strip() == b"data: [DONE]":
                return "".join(pieces)
            chunk = json.loads(line[6:])
            if "error" in chunk:
                raise Refusal(str(chunk["error"]["code"]), 1.0)
            pieces += [choice["delta"].get("content") or "" for choice in chunk["choices"]]
    raise ValueError("a stream without its end")


async def _completed(session: ClientSession, target: Target, prompt: str) -> str:
    body = {"model": target.model, "prompt": _framed(prompt), "temperature": 0, "max_tokens": 8}
    return str((await _post(session, target, "/v1/completions", body))["choices"][0]["text"])


async def _anthropic(session: ClientSession, target: Target, prompt: str) -> str:
    body = {"model": target.model, "messages": _chat(prompt), "temperature": 0, "max_tokens": 8}
    return "".join(part.get("text", "") for part in (await _post(session, target, "/v1/messages", body))["content"])


async def _ollama(session: ClientSession, target: Target, prompt: str) -> str:
    options = {"temperature": 0, "num_predict": 8}
    body = {"model": target.model, "messages": _chat(prompt), "stream": False, "options": options}
    return str((await _post(session, target, "/api/chat", body))["message"]["content"])


async def _tokens(session: ClientSession, target: Target, prompt: str) -> str:
    return str((await _post(session, target, "/tokenize", {"model": target.model, "content": prompt}))["tokens"])


KINDS: Final[dict[str, Ask]] = {
    "whole": _whole,
    "streamed": _streamed,
    "completed": _completed,
    "anthropic": _anthropic,
    "ollama": _ollama,
    "tokens": _tokens,
}


async def _leave(session: ClientSession, target: Target, prompt: str, dice: random.Random) -> None:
    """Asks for a long answer and goes: before it begins, or in the middle of it."""
    body = {"model": target.model, "messages": _chat(prompt), "max_tokens": 400, "stream": dice.random() < 0.5}
    asked = asyncio.create_task(_read_on(session, target, body))
    await asyncio.wait([asked], timeout=dice.random())
    asked.cancel()
    with suppress(asyncio.CancelledError, ClientError, OSError):
        await asked


async def _read_on(session: ClientSession, target: Target, body: dict[str, Any]) -> None:
    async with session.post(target.url + "/v1/chat/completions", json=body) as answer:
        async for _ in answer.content:
            pass
