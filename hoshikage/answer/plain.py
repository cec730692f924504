"""Gives one answer's words, thoughts and calls as they come, for programs that speak no protocol. Event loop thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from hoshikage import wire
from hoshikage.answer.chat_formats import ChatFormats
from hoshikage.answer.model_files import ModelFiles
from hoshikage.answer.output_parser import OutputParser
from hoshikage.answer.schema import chat, tools
from hoshikage.answer.senses import senses_of
from hoshikage.answer.tools import adapted
from hoshikage.dispatch.client import Dispatcher
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings

if TYPE_CHECKING:
    from hoshikage.tools import Delta


async def answer(
    dispatcher: Dispatcher, formats: ChatFormats, spec: ModelSpec, body: chat.ChatBody, settings: Settings
) -> AsyncGenerator[Delta | wire.Finished, None]:
    """Yields what the model says to the chat `body`, and at last its end. Raises HoshikageError; closing it ends it."""
    senses = await senses_of(ModelFiles(), spec, dispatcher.status().runners)
    request = chat.to_request(body, spec, settings, senses)
    selection = tools.select(None, None, None)
    job, parsing = adapted(request, selection, await formats.of(spec), spec.stop)
    parser = OutputParser(parsing, "")
    async with aclosing(dispatcher.generate(spec, job)) as notes:
        async for note in notes:
            if isinstance(note, wire.Started):
                parser = OutputParser(parsing, note.tail)
            elif isinstance(note, wire.Token):
                for delta in parser.feed(note.text):
                    yield delta
            elif isinstance(note, wire.Finished):
                for delta in parser.finish(note.reason, note.stop).deltas:
                    yield delta
                yield note
