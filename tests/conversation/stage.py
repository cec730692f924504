"""Runs a real server whose models have real chat templates and say what a test sets. Event loop of its own.

All is real but the engine: requests over sockets, the protocols, the rendering with its repairs, the parsers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, TypeVar

from hoshikage import wire
from hoshikage.dispatch.client import Note
from hoshikage.llama.template import ChatTemplate, Rendered
from hoshikage.params import GenerationRequest, Work
from hoshikage.registry import ModelSpec, Registry
from hoshikage.settings import load
from hoshikage.tools import ChatFormat
from tests.gguf_files import STRING, Gguf
from tests.protocols.conftest import GatedDispatcher, House, finished, serving

NOW: Final = datetime(2026, 7, 9, 12, 30, tzinfo=timezone.utc)
Result = TypeVar("Result")


class Actor(GatedDispatcher):
    """Renders each prompt with the model's own template, and answers by `speaks`."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        super().__init__()
        self._sources = sources
        self._templates: dict[str, ChatTemplate] = {}
        self._last: tuple[str, object, Rendered] | None = None
        self.speaks: Callable[[str], list[str]] = lambda _tail: ["Yes."]
        """`speaks` makes the answer in pieces, given how the prompt ends."""
        self.reason: wire.FinishReason = "stop"

    @property
    def prompt(self) -> str:
        """Gives the last prompt's text."""
        assert self._last is not None
        return self._last[2].text

    async def generate(self, spec: ModelSpec, request: Work) -> AsyncGenerator[Note, None]:
        assert isinstance(request, GenerationRequest)
        rendered = self._rendered(spec.label, request)
        yield wire.Started(1, 5, rendered.repairs, tail=rendered.tail)
        pieces = self.speaks(rendered.tail)
        for count, piece in enumerate(pieces, start=1):
            yield wire.Token(1, piece, count)
        yield finished(self.reason, completion_tokens=len(pieces))

    def _rendered(self, label: str, request: GenerationRequest) -> Rendered:
        """Renders once for the same prompt, asked for whole and as a stream. Raises TemplateRefused."""
        if self._last is None or self._last[:2] != (label, request.prompt):
            if label not in self._templates:
                self._templates[label] = ChatTemplate(self._sources[label], "<s>", "</s>", ("<|im_start|>",))
            self._last = (label, request.prompt, self._templates[label].render(request.chat, NOW))
        return self._last[2]


class Stage:
    """This is the server, and the loop that it runs on while one of its coroutines is waited for."""

    def __init__(self, sources: Mapping[str, str], folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self.actor = Actor(sources)
        self.formats = {label: ChatFormat.of(source) for label, source in sources.items()}
        environ = {"MODEL_MAP_FILE": str(folder / "model_map.json"), "HOSHIKAGE_LANG": "en"}
        settings = load({"PORT": "0"}, environ, folder).settings
        registry = Registry(settings.model_map_file)
        for number, (label, source) in enumerate(sources.items()):
            file = folder / f"{number}.gguf"
            Gguf().with_pair("tokenizer.chat_template", STRING, source).write(file)
            registry.add(label, file)
        self.house: House = self.run(
            self._stack.enter_async_context(serving(settings, stored=False, dispatcher=self.actor))
        )

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._loop.close()
