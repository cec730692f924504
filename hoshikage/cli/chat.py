"""Holds a conversation in the terminal, over the running server: `hoshikage chat [LABEL]`. Main thread."""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import closing, suppress
from typing import Final

from hoshikage.cli import result
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import HoshikageError, UsageError

PROMPT: Final = ">>> "
MORE: Final = "... "
BLOCK: Final = '"""'
"""Opens and closes a message of several lines."""
EXIT: Final = "/exit"
CLEAR: Final = "/clear"
COMMAND: Final = re.compile("/[a-z]+")


def register(commands: Commands) -> None:
    parser = commands.add("chat", commands.text("cli.chat_summary"))
    parser.add_argument("label", metavar="LABEL", nargs="?", help=commands.text("cli.chat_label"))
    parser.add_argument("--any-server", action="store_true", help=commands.text("cli.chat_any_server"))


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    return converse(args.label, context, any_server=args.any_server)


def converse(label: str | None, context: CommandContext, *, any_server: bool = False) -> CommandResult:
    """Holds a conversation on a terminal; elsewhere standard input is one prompt, and its answer goes to standard
    output.

    `any_server`: also with a program on this machine that cannot prove to be this user's server.
    """
    server = Server.of(context)
    server.anyone = any_server
    chat = Chat(context, server, choose(label, server))
    if not sys.stdin.isatty():
        prompt = sys.stdin.read().strip()
        if not prompt:
            raise UsageError("cli.chat_empty")
        if {EXIT, CLEAR}.intersection(map(str.strip, prompt.splitlines())):
            result.note(f"{context.text('cli.warning')}: {context.text('cli.chat_piped')}")
        chat.ask(prompt)
        return CommandResult()
    with suppress(ImportError):  # line editing and pasted lines as one message; Windows' terminal has its own
        import readline  # noqa: F401
    result.note(context.text("cli.chat_welcome", model=chat.model))
    while (words := read_message()) is not None:
        if words == EXIT:
            break
        if words == CLEAR:
            chat.clear()
            result.note(context.text("cli.chat_cleared"))
        elif COMMAND.fullmatch(words):
            result.note(context.text("cli.chat_unknown", name=words))
        elif words:
            try:
                chat.ask(words)
            except HoshikageError as error:
                result.show_error(error, context.language)
    return CommandResult()


def choose(label: str | None, server: Server) -> str:
    """Returns the label that was given, else the model that is loaded, else the first one. Raises Unavailable,
    UsageError."""
    known = server.models()
    if label is not None:
        return label  # the server says what is wrong with a label that it does not know
    if not known:
        raise UsageError("cli.chat_no_models")
    status = server.status()
    loaded = status["model"]["id"] if status else None
    return loaded if loaded in known else known[0]


class Chat:
    """This is one conversation and its turns so far."""

    def __init__(self, context: CommandContext, server: Server, model: str) -> None:
        self.model = model
        self._context = context
        self._server = server
        self._turns: list[dict[str, str]] = []

    def clear(self) -> None:
        self._turns = []

    def ask(self, words: str) -> None:
        """Shows the answer as it comes. Ctrl-C stops it; what came of it stays part of the conversation."""
        turns = [*self._turns, {"role": "user", "content": words}]
        said: list[str] = []
        pieces = self._server.chat(self.model, turns, result.transient)
        try:
            with closing(pieces):
                for piece in pieces:
                    if not said:
                        result.transient("")
                    result.write(piece)
                    said.append(piece)
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            result.transient("")
            result.note(self._context.text("cli.chat_stopped"))
        finally:
            if said:
                result.write("\n")
        result.transient("")
        if said:
            self._turns = [*turns, {"role": "assistant", "content": "".join(said)}]


def read_message() -> str | None:
    """Reads the next message, without blanks around it; None at the end of the input. Ctrl-C empties the line."""
    try:
        words = result.ask(PROMPT).strip()
        if not words.startswith(BLOCK):
            return words
        lines = [words.removeprefix(BLOCK)]
        while not lines[-1].rstrip().endswith(BLOCK):
            lines.append(result.ask(MORE))
        return "\n".join(lines).rstrip().removesuffix(BLOCK).strip()
    except EOFError:
        return None
    except KeyboardInterrupt:
        result.note("")
        return ""
