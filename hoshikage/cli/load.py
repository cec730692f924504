"""Has the running server load a model before anyone asks for it: `hoshikage load LABEL`. Main thread."""

from __future__ import annotations

import argparse

from hoshikage.cli import result
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult


def register(commands: Commands) -> None:
    parser = commands.add("load", commands.text("cli.load_summary"))
    parser.add_argument("label", metavar="LABEL", help=commands.text("cli.rm_label"))
    parser.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    result.transient(context.text("cli.load_running", label=args.label))
    try:
        answer = Server.of(context).require("POST", "models", args.label, "load")
    finally:
        result.transient("")
    return CommandResult(data=answer, lines=(context.text("cli.load_done", label=answer["name"]),))
