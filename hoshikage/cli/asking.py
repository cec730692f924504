"""Asks one model one question: through this user's running server, else with a runner of the command's own. Main
thread.

The server is asked where there is one, so that no second copy of the model fills the memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from hoshikage import gguf, wire
from hoshikage.cli import result
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.loop import event_loop
from hoshikage.cli.registering import Registering
from hoshikage.cli.result import CommandResult
from hoshikage.errors import InferenceFailed
from hoshikage.registry import ModelSpec, OwnOptions, Registry

SUFFIX: Final = ".gguf"
CUT: Final = 3
"""An answer that ended at its bound of tokens has this exit status: a script must not take it for a whole one."""
Messages = Sequence[Mapping[str, Any]]
Write = Callable[[str], None]


def shown(name: str, messages: Messages, fields: Mapping[str, Any], context: CommandContext) -> CommandResult:
    """Asks, and prints the answer's words as they come, to standard output alone. Raises HoshikageError."""
    last = ""

    def write(piece: str) -> None:
        nonlocal last
        if not last:
            result.transient("")  # what was told while it waited
        result.write(piece)
        last = piece or last

    try:
        reason = ask(name, messages, fields, context, write)
    finally:
        if not last:
            result.transient("")
        elif not last.endswith("\n"):
            result.write("\n")
    if reason == "length":
        result.note(f"{context.text('cli.warning')}: {context.text('run.cut')}")
        return CommandResult(CUT)
    return CommandResult()


def ask(name: str, messages: Messages, fields: Mapping[str, Any], context: CommandContext, write: Write) -> str:
    """Writes the answer's words as they come, and gives why it ended: `stop` or `length`. Raises HoshikageError.

    `name` is a label, a persona, an alias or a GGUF file, `fields` are those of POST /v1/chat/completions.
    """
    server = Server.of(context)
    served = server.peer() == "own" or not server.local
    file = Path(name).absolute() if name.lower().endswith(SUFFIX) else None
    if file is not None:
        header = gguf.read_chat_model(file)
        gguf.require_served(file, header)
        file = gguf.first(file, header)
        label = _label_of(file, context)
        if label is None:
            projector = gguf.projector_of(file, header)
            options = OwnOptions({} if projector is None else {"mmproj": str(projector)})
            return _by_own(ModelSpec(file.stem, file, (), 0, options), messages, fields, context, write)
        name = label
    if served:
        return _by_server(server, name, messages, fields, write)
    settings = context.settings
    spec = Registry(settings.model_map_file, settings.model_dir, settings.registry_root).resolve(name)
    return _by_own(spec, messages, fields, context, write)


def _label_of(file: Path, context: CommandContext) -> str | None:
    """Returns the label that a file is registered under: then its settings count, and the server may have it loaded
    already."""
    specs = Registering(context, verbose=False).listing().specs
    return next((spec.label for spec in specs if spec.file == file), None)


def _by_server(server: Server, name: str, messages: Messages, fields: Mapping[str, Any], write: Write) -> str:
    pieces = server.chat(name, messages, result.transient, fields)
    with closing(pieces):
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                return str(end.value)
            write(piece)


def _by_own(
    spec: ModelSpec, messages: Messages, fields: Mapping[str, Any], context: CommandContext, write: Write
) -> str:
    from hoshikage.answer.chat_formats import ChatFormats
    from hoshikage.answer.plain import answer
    from hoshikage.answer.schema import chat
    from hoshikage.dispatch import making
    from hoshikage.tools import Content

    logging.getLogger("hoshikage").addHandler(logging.NullHandler())  # what the dispatcher would log is raised, too
    settings = replace(context.settings, runner_ahead=False)
    body = chat.parse({**fields, "messages": list(messages)})
    result.transient(context.text("speed.loading", label=spec.label))

    async def run() -> str:
        dispatcher = making.create(settings, context.environ)
        try:
            async with aclosing(answer(dispatcher, ChatFormats(), spec, body, settings)) as said:
                async for one in said:
                    if isinstance(one, Content):
                        write(one.text)
                    elif isinstance(one, wire.Finished):
                        return one.reason
        finally:
            await dispatcher.stop()
        raise InferenceFailed("http.answer_cut")

    with event_loop() as loop:
        return str(loop.run(run()))
