"""Has the running server give a model's memory back now: `hoshikage unload [LABEL]`. Main thread."""

from __future__ import annotations

import argparse

from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult


def register(commands: Commands) -> None:
    parser = commands.add("unload", commands.text("cli.unload_summary"))
    parser.add_argument("label", metavar="LABEL", nargs="?", help=commands.text("cli.unload_label"))
    parser.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    path = ["unload"] if args.label is None else ["models", args.label, "unload"]
    answer = Server.of(context).require("POST", *path)
    if answer["unloaded"]:
        return CommandResult(data=answer, lines=(context.text("cli.unload_done", label=answer["name"]),))
    if args.label is not None:
        return CommandResult(data=answer, lines=(context.text("cli.unload_not_loaded", label=answer["name"]),))
    return CommandResult(data=answer, lines=(context.text("cli.unload_none"),))
