"""Takes a model out of the registry and leaves its file alone: `hoshikage rm LABEL`. Main thread."""

from __future__ import annotations

import argparse

from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.registering import Registering
from hoshikage.cli.result import CommandResult
from hoshikage.registry import Persona, Registry


def register(commands: Commands) -> None:
    parser = commands.add("rm", commands.text("cli.rm_summary"), aliases=("remove",))
    parser.add_argument("label", metavar="LABEL", help=commands.text("cli.rm_label"))
    parser.add_argument("--verbose", action="store_true", help=commands.text("cli.help_verbose"))


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    registering = Registering(context, verbose=args.verbose)
    registry = Registry(context.settings.model_map_file, context.settings.model_dir, context.settings.registry_root)
    files = [spec.file for spec in registry.specs() if (spec.label, spec.source) == (args.label, "registry")]
    registering.remove(args.label)
    lost = [result for result in registry.personas() if isinstance(result, Persona) and result.model == args.label]
    gone = {persona.name for persona in lost} | ({args.label} - {spec.label for spec in registry.specs()})
    astray = [name for name, target in registry.aliases().items() if target in gone]
    lines = [context.text("cli.rm_done", label=args.label)]
    lines += ["  " + context.text("cli.rm_file_stays", file=file) for file in files if file.exists()]
    lines += ["  " + context.text("cli.rm_persona_stays", name=persona.name) for persona in lost]
    lines += ["  " + context.text("cli.rm_alias_stays", name=name) for name in astray]
    return CommandResult(data={"label": args.label}, lines=tuple(lines))
