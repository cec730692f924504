"""Registers the built-in model and talks with it, or says what is missing for that: `hoshikage demo`. Main thread.

In a pipe it answers what comes by standard input, as `hoshikage run` does.
"""

from __future__ import annotations

import argparse
import sys

from hoshikage import gguf
from hoshikage.cli.asking import shown
from hoshikage.cli.chat import converse
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import UsageError
from hoshikage.library import demo
from hoshikage.registry import Registry


def register(commands: Commands) -> None:
    commands.add("demo", commands.text("cli.demo_summary"))


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    result = demo.find()
    if result is None:
        raise UsageError("cli.demo_missing")
    gguf.read(result.model)
    registry = Registry(context.settings.model_map_file, context.settings.model_dir, context.settings.registry_root)
    if not any(spec.label == result.label and spec.file == result.model for spec in registry.specs()):
        registry.add(result.label, result.model)
    by_hand = sys.stdin is not None and sys.stdin.isatty()
    prompt = "" if by_hand or sys.stdin is None else sys.stdin.read().strip()
    if prompt:
        return shown(result.label, [{"role": "user", "content": prompt}], {}, context)
    if by_hand and Server.of(context).status() is not None:
        return converse(result.label, context)
    return CommandResult(lines=(context.text("cli.demo_registered", label=result.label),))
