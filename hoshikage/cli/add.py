"""`hoshikage add PATH LABEL [STOP...]`: looks at the GGUF and registers it. Main thread."""

from __future__ import annotations

import argparse
from pathlib import Path

from hoshikage import gguf
from hoshikage.cli.context import Context
from hoshikage.cli.format import parameters, size
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.gguf import GgufHeader
from hoshikage.registry import Registry, checked_label


def register(commands: Commands) -> None:
    parser = commands.add("add", commands.text("cli.add_summary"))
    parser.add_argument("path", metavar="PATH", help=commands.text("cli.add_path"))
    parser.add_argument("label", metavar="LABEL", help=commands.text("cli.add_label"))
    parser.add_argument("stop", metavar="STOP", nargs="*", default=[], help=commands.text("cli.add_stop"))


def run(args: argparse.Namespace, context: Context) -> CommandResult:
    label = checked_label(args.label)
    file = Path(args.path).absolute()
    header = gguf.read_chat_model(file)
    file = gguf.first(file, header)
    replaced = Registry(context.settings.model_map_file).add(label, file, args.stop)
    lines = [
        context.text("cli.add_replaced" if replaced else "cli.add_done", label=label, file=file),
        "  " + describe(header),
    ]
    if header.chat_template is None:
        lines.append("  " + context.text("cli.add_no_template"))
    return CommandResult(data={"label": label, "file": str(file), "replaced": replaced}, lines=tuple(lines))


def describe(header: GgufHeader) -> str:
    """`llama · 1.24 B · Q4_K_M · 770 MiB`; needs no translation."""
    parts = (header.architecture, parameters(header.n_params), header.file_type, size(header.size_bytes))
    return " · ".join(part for part in parts if part)
