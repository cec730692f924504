"""`hoshikage unload`: has the running server give a model's memory back now. Main thread."""

from __future__ import annotations

import argparse

from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult


def register(commands: Commands) -> None:
    commands.add("unload", commands.text("cli.unload_summary")).add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    answer = Server.of(context).require("POST", "unload")
    if answer["unloaded"]:
        return CommandResult(data=answer, lines=(context.text("cli.unload_done", label=answer["name"]),))
    return CommandResult(data=answer, lines=(context.text("cli.unload_none"),))
