"""Runs one model in a program's own process, for `hoshikage.Engine`. AsyncEngine: one event loop; Engine: any one
thread.

The same queue, loading and engine thread as the server's with ENGINE=thread. A crash of the library ends the program.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, TypeVar

from hoshikage.answer.chat_formats import ChatFormats
from hoshikage.answer.plain import answer
from hoshikage.answer.schema import chat
from hoshikage.dispatch import making
from hoshikage.options import SETTINGS
from hoshikage.registry import ModelSpec
from hoshikage.settings import config_dir, load
from hoshikage.tools import Content

T = TypeVar("T")
Messages = str | Sequence[Mapping[str, Any]]
"""A question, or the turns of a conversation as POST /v1/chat/completions takes them."""
OTHERWISE: Final = {"model", "stream", "stream_options", "n", "logprobs", "tools", "tool_choice"}
"""These fields of that route ask for more than the text of one answer."""
FIXED: Final = {"ENGINE": "thread", "IDLE_TIMEOUT": "0", "RAMDISK_PATH": "off"}


class AsyncEngine:
    """This is a model with a library, loaded with the first answer. `close` gives its memory back, as far as a thread
    can."""

    def __init__(self, model: str | Path, library: str | Path | None = None, **settings: object) -> None:
        """`settings` are those of the manual, such as `n_ctx=8192`. Raises SettingInvalid and TypeError.

        Without `library` the one is used that the server would use.
        """
        values = {name.upper(): str(value) for name, value in settings.items()}
        if unknown := sorted(values.keys() - {option.variable for option in SETTINGS}):
            raise TypeError(f"unknown settings: {', '.join(unknown)}")
        own = {} if library is None else {"HOSHIKAGE_LIB_PATH": str(Path(library).absolute())}
        self._settings = load({**FIXED, **values, **own}, os.environ, config_dir()).settings
        self._model = ModelSpec(Path(model).stem, Path(model).absolute(), (), 0)
        self._dispatcher = making.create(self._settings, os.environ)
        self._formats = ChatFormats()

    async def stream(self, messages: Messages, **fields: Any) -> AsyncGenerator[str, None]:
        """Yields the answer's text as it comes, without thoughts. Raises HoshikageError; closing it ends the answer.

        `fields` are those of POST /v1/chat/completions, such as `temperature`, `max_tokens` and `response_format`.
        """
        if more := sorted(OTHERWISE.intersection(fields)):
            raise TypeError(f"only the text of one answer can be asked for here, not {', '.join(more)}")
        turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else [*messages]
        body = chat.parse({"messages": turns, **fields})
        said = answer(self._dispatcher, self._formats, self._model, body, self._settings)
        async with aclosing(said) as deltas:
            async for delta in deltas:
                if isinstance(delta, Content):
                    yield delta.text

    async def chat(self, messages: Messages, **fields: Any) -> str:
        """Gives the whole text of an answer; otherwise as `stream`."""
        return "".join([piece async for piece in self.stream(messages, **fields)])

    async def close(self) -> None:
        await self._dispatcher.stop()

    async def __aenter__(self) -> AsyncEngine:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


class Engine:
    """An Engine is an AsyncEngine for programs without an event loop: it runs one in a thread of its own until
    `close`."""

    def __init__(self, model: str | Path, library: str | Path | None = None, **settings: object) -> None:
        self._engine = AsyncEngine(model, library, **settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hoshikage-engine", daemon=True)
        self._thread.start()

    def stream(self, messages: Messages, **fields: Any) -> Generator[str, None, None]:
        pieces = self._engine.stream(messages, **fields)
        try:
            while (piece := self._run(_next(pieces))) is not None:
                yield piece
        finally:
            self._run(pieces.aclose())

    def chat(self, messages: Messages, **fields: Any) -> str:
        return self._run(self._engine.chat(messages, **fields))

    def close(self) -> None:
        """Closes the engine. It may be called twice."""
        if self._loop.is_closed():
            return
        self._run(self._engine.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _next(pieces: AsyncIterator[str]) -> str | None:
    return await anext(pieces, None)
