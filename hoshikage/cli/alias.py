"""Gives further names to models and personas, such as gpt-4o: `hoshikage alias [NAME [LABEL]]`. Main thread.

A running server sees each change with the next request.
"""

from __future__ import annotations

import argparse
from typing import Final

from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import ModelNotFound, UsageError
from hoshikage.registry import Registry

VERBS: Final = frozenset({"add", "set", "list", "ls", "rm", "remove"})
"""These words stand in front of what other commands do. As names of models they would be mistakes."""


def register(commands: Commands) -> None:
    parser = commands.add("alias", commands.text("alias.summary"))
    parser.add_argument("name", metavar="NAME", nargs="?", help=commands.text("alias.help_name"))
    parser.add_argument("label", metavar="LABEL", nargs="?", help=commands.text("alias.help_label"))
    parser.add_argument("more", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--rm", action="store_true", help=commands.text("alias.help_rm"))
    parser.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    registry = Registry(context.settings.model_map_file, context.settings.model_dir, context.settings.registry_root)
    if args.name is None:
        return _list(registry, context)
    if args.name in VERBS and not args.rm:
        raise UsageError("alias.verb", verb=args.name)
    if args.more:
        reason = context.text("cli.unknown_arguments", names=" ".join(args.more))
        raise UsageError("cli.usage", reason=reason, help="hoshikage alias --help")
    if args.rm:
        registry.remove_alias(args.name)
        return CommandResult(data={"name": args.name}, lines=(context.text("alias.removed", name=args.name),))
    if args.label is None:
        reason = context.text("cli.missing_arguments", names="LABEL")
        raise UsageError("cli.usage", reason=reason, help="hoshikage alias --help")
    replaced = registry.add_alias(args.name, args.label)
    target = registry.aliases()[args.name]
    lines = (context.text("alias.added", name=args.name, target=target),)
    return CommandResult(data={"name": args.name, "model": target, "replaced": replaced}, lines=lines)


def _list(registry: Registry, context: CommandContext) -> CommandResult:
    rows = [{"name": name, "model": target, "state": _state(registry, name)} for name, target in _sorted(registry)]
    problems = [context.text(result.key, **result.details) for result in registry.alias_problems()]
    keys = {"usable": "alias.line", "missing": "alias.gone"}
    lines = [context.text(keys[row["state"]], name=row["name"], target=row["model"]) for row in rows]
    lines += [f"{context.text('cli.warning')}: {problem}" for problem in problems]
    data = {"file": str(registry.aliases_file), "aliases": rows, "problems": problems}
    return CommandResult(data=data, lines=tuple(lines or [context.text("alias.list_empty")]))


def _sorted(registry: Registry) -> list[tuple[str, str]]:
    return sorted(registry.aliases().items())


def _state(registry: Registry, name: str) -> str:
    try:
        registry.resolve(name)
    except ModelNotFound:
        return "missing"
    return "usable"
