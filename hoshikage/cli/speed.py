"""Asks a model for measured answers: through this user's running server, or with a runner of the command's own.

Main thread; blocking. The times are the engine's own, so both ways measure the same thing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from hoshikage import wire
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.loop import Loop, event_loop
from hoshikage.dispatch import making
from hoshikage.dispatch.client import Dispatcher
from hoshikage.errors import InferenceFailed
from hoshikage.infos import Timings
from hoshikage.params import ChatPrompt, GenerationRequest, Message, SamplingParams
from hoshikage.registry import ModelSpec


@dataclass(frozen=True, slots=True)
class Measured:
    """Measured holds the token counts and the timings of one answer."""

    prompt_tokens: int
    completion_tokens: int
    timings: Timings


class Asker(Protocol):
    """An Asker sends prompts to a model and measures the answers."""

    where: str
    """`where` is `server`, or `own` for a runner of this command's own."""

    def ask(self, words: str, max_tokens: int) -> Measured:
        """Measures an answer of just so many tokens, with nothing kept of any prompt. Raises HoshikageError."""

    def status(self) -> dict[str, Any]:
        """Returns what /v1/status shows."""


@contextmanager
def asker(spec: ModelSpec, context: CommandContext) -> Iterator[Asker]:
    """Asks the running server where it is this user's, so that no second copy of the model fills the memory."""
    server = Server.of(context)
    if server.peer() == "own":
        yield _Served(server, spec)
        return
    logging.getLogger("hoshikage").addHandler(logging.NullHandler())  # what the dispatcher would log is raised, too
    with event_loop() as loop:
        dispatcher = making.create(context.settings, context.environ)
        try:
            yield _Own(loop, dispatcher, spec)
        finally:
            loop.run(dispatcher.stop())


class _Served:
    where = "server"

    def __init__(self, server: Server, spec: ModelSpec) -> None:
        self._server = server
        self._spec = spec

    def ask(self, words: str, max_tokens: int) -> Measured:
        body = {
            "model": self._spec.label,
            "messages": [{"role": "user", "content": words}],
            "temperature": 0,
            "max_tokens": max_tokens,
            "ignore_eos": True,
            "cache_prompt": False,
            "timings": True,
        }
        answer = self._server.answer("/v1/chat/completions", body)
        usage, its_timings = answer["usage"], answer["timings"]
        timings = Timings(
            prompt_ms=its_timings["prompt_ms"],
            first_token_ms=its_timings["first_token_ms"],
            decode_ms=its_timings["predicted_ms"],
            drafted=its_timings.get("draft_n", 0),
            accepted=its_timings.get("draft_n_accepted", 0),
        )
        return Measured(usage["prompt_tokens"], usage["completion_tokens"], timings)

    def status(self) -> dict[str, Any]:
        return self._server.status() or {}


class _Own:
    where = "own"

    def __init__(self, loop: Loop, dispatcher: Dispatcher, spec: ModelSpec) -> None:
        self._loop = loop
        self._dispatcher = dispatcher
        self._spec = spec

    def ask(self, words: str, max_tokens: int) -> Measured:
        request = GenerationRequest(
            ChatPrompt((Message("user", words),)),
            SamplingParams(temperature=0, ignore_eos=True),
            max_tokens=max_tokens,
            cache_prompt=False,
        )
        end: wire.Finished = self._loop.run(self._end(request))
        return Measured(end.prompt_tokens, end.completion_tokens, end.timings)

    async def _end(self, request: GenerationRequest) -> wire.Finished:
        async with aclosing(self._dispatcher.generate(self._spec, request)) as notes:
            async for note in notes:
                if isinstance(note, wire.Finished):
                    return note
        raise InferenceFailed("http.answer_cut")

    def status(self) -> dict[str, Any]:
        return self._dispatcher.status().to_json("en")
