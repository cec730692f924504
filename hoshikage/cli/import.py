"""Makes names of the older version's tags file further names of models: `hoshikage import [FILE]`. Main thread."""
# ruff: noqa: N999  the verb is called so

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import ModelNotFound, UsageError
from hoshikage.registry import UNUSABLE_TAGS, Registry, plain, require_tags

KEYS: Final = {"there": "cli.import_there", "added": "cli.import_added", "missing": "cli.import_missing"}


def register(commands: Commands) -> None:
    parser = commands.add("import", commands.text("cli.import_summary"))
    parser.add_argument("file", metavar="FILE", nargs="?", help=commands.text("cli.import_help_file"))
    parser.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    file = Path(args.file).absolute() if args.file else context.settings.tag_ollama_file
    names = [str(one["name"]) for one in _tags(file)]
    if not names:
        raise UsageError("cli.import_nothing", file=str(file or "TAG_OLLAMA_FILE"))
    registry = Registry(context.settings.model_map_file, context.settings.model_dir, context.settings.registry_root)
    rows = [{"name": name, "state": _taken_over(registry, name)} for name in names]
    lines = tuple(context.text(KEYS[row["state"]], name=row["name"], model=plain(row["name"])) for row in rows)
    return CommandResult(data={"file": str(file), "names": rows}, lines=lines)


def _tags(file: Path | None) -> list[dict[str, Any]]:
    if file is None:
        return []
    try:
        return require_tags(file)
    except UNUSABLE_TAGS as error:
        if isinstance(error, OSError):
            raise UsageError("model.file_unreadable", file=str(file), reason=error.strerror or str(error)) from None
        return []


def _taken_over(registry: Registry, name: str) -> str:
    """A name whose model is known without its tag becomes a further name of that model; one without a model cannot."""
    if _is_known(registry, name):
        return "there"
    if not _is_known(registry, plain(name)):
        return "missing"
    registry.add_alias(name, plain(name))
    return "added"


def _is_known(registry: Registry, name: str) -> bool:
    try:
        registry.resolve(name)
    except ModelNotFound:
        return False
    return True
