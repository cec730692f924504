"""Makes a request ready for the engine: its jobs, and how their answers are to be read. Event loop thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from aiohttp import web

from hoshikage import wire
from hoshikage.answer.chat_formats import CHAT_FORMATS
from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.answer.output_parser import PLAIN, ParserSpec
from hoshikage.answer.remembering import NOTHING, Remembered, remembered
from hoshikage.answer.schema import chat
from hoshikage.answer.schema.media import Remote, addresses, has_media
from hoshikage.answer.schema.tools import select
from hoshikage.answer.senses import senses_of
from hoshikage.answer.tools import adapted
from hoshikage.errors import InferenceFailed, InvalidRequest
from hoshikage.frozen import Frozen
from hoshikage.http.keys import DISPATCHER, SETTINGS
from hoshikage.params import Counting, GenerationRequest
from hoshikage.registry import ModelSpec

Rename = Callable[[str], str]
"""A function of this type takes the name of a field of a chat body, and returns the name in the client's own
protocol."""


class PreparedRequest(Frozen, frozen=True):
    """This holds what the engine is asked for, and how the answers are to be read."""

    spec: ModelSpec
    jobs: tuple[GenerationRequest, ...]
    """Each prompt has one job; they are answered one after the other."""
    parsing: ParserSpec = PLAIN
    rename: Rename = str
    """`rename` gives the protocol's name of a field for the engine's, as its refusals need it."""
    memory: Remembered = NOTHING

    @property
    def job(self) -> GenerationRequest:
        """Gives the first job, which is the only one of a chat."""
        return self.jobs[0]


async def prepare(request: web.Request, spec: ModelSpec, body: chat.ChatBody, rename: Rename = str) -> PreparedRequest:
    """Makes a chat ready. Raises InvalidRequest and ParameterUnsupported, whose places `rename` makes the
    protocol's."""
    try:
        selection = select(body.tools, body.tool_choice, body.parallel_tool_calls)
        chat_format = await request.app[CHAT_FORMATS].of(spec)
        job, memory = await remembered(request, spec, body, await requested(request, spec, body))
        job, parsing = adapted(job, selection, chat_format, spec.stop)
    except InvalidRequest as error:
        raise renamed(error, rename) from None
    return PreparedRequest(spec, (job,), parsing, rename, memory)


async def requested(request: web.Request, spec: ModelSpec, body: chat.ChatBody) -> GenerationRequest:
    """Returns what the engine shall do for a chat, pictures and sounds included. Raises InvalidRequest,
    ParameterUnsupported."""
    app = request.app
    contents = [turn.content for turn in body.messages]
    if not has_media(contents):
        return chat.to_request(body, spec, app[SETTINGS])
    senses = await senses_of(app[MODEL_FILES], spec, app[DISPATCHER].status().runners)
    remote: Remote = {}
    if senses.images and app[SETTINGS].allow_remote_images and (urls := [*addresses(contents)]):
        from hoshikage.answer.remote import Fetching

        remote = await Fetching().fetch(urls)
    return await asyncio.to_thread(chat.to_request, body, spec, app[SETTINGS], senses, remote)


def renamed(error: InvalidRequest, rename: Rename) -> InvalidRequest:
    """Returns the error with its places as the protocol calls them."""
    details = dict(error.details)
    for name in ("place", "names"):
        if name in details:
            details[name] = ", ".join(map(rename, str(details[name]).split(", ")))
    return type(error).of(error.key, details, param=None if error.param is None else rename(error.param))


async def count_prompt_tokens(request: web.Request, prepared: PreparedRequest) -> int:
    """How many tokens the prompt has, as the engine itself counts them: it is not read, and no answer is begun."""
    async with aclosing(request.app[DISPATCHER].generate(prepared.spec, Counting(prepared.job))) as notes:
        async for note in notes:
            if isinstance(note, wire.Finished) and note.reason != "cancelled":
                return note.prompt_tokens
    raise InferenceFailed("http.answer_cut")
