"""Brings a model from elsewhere and registers it once it is whole: `hoshikage pull REPO[:QUANT]|URL [LABEL]`. Main
thread.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hoshikage.cli import result
from hoshikage.cli.context import CommandContext
from hoshikage.cli.estimate import check
from hoshikage.cli.format import describe, size
from hoshikage.cli.model_notes import notes
from hoshikage.cli.parser import Commands
from hoshikage.cli.registering import Registering
from hoshikage.cli.result import CommandResult
from hoshikage.dispatch import templates
from hoshikage.hub import pull
from hoshikage.hub.address import Address
from hoshikage.hub.sources import source
from hoshikage.hub.transfer import Transfer
from hoshikage.registry import OwnOptions, checked_label
from hoshikage.settings import cache_dir


def register(commands: Commands) -> None:
    parser = commands.add("pull", commands.text("pull.summary"))
    parser.add_argument("address", metavar="REPO[:QUANT]|URL", help=commands.text("pull.address"))
    parser.add_argument("label", metavar="LABEL", nargs="?", help=commands.text("cli.add_label"))
    parser.add_argument("--dry-run", action="store_true", help=commands.text("pull.dry_run"))
    parser.add_json()
    parser.add_argument("--verbose", action="store_true", help=commands.text("cli.help_verbose"))


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    address = Address.of(args.address)
    own_label = None if args.label is None else checked_label(args.label)
    origin = source(address, cache_dir() / "models", context.environ)
    wanted = pull.find(address, origin)
    label = own_label or checked_label(pull.label_for(address, wanted))
    plan = {
        "where": origin.where,
        "label": label,
        "quant": wanted.variant.quant,
        "files": [{"path": file.path, "size_bytes": file.size, "sha256": file.sha256} for file in wanted.files],
    }
    if args.dry_run:
        lines = [context.text("pull.would", label=label, quant=wanted.variant.quant)]
        lines += [f"  {file.path} · {size(file.size)}" for file in wanted.files]
        return CommandResult(data=plan, lines=tuple(lines))
    with _progress(context) as transfer:
        brought = pull.bring(wanted, origin, transfer, lambda total: _say(context, wanted.variant.quant, total))
    options = OwnOptions(brought.options)
    replaced = Registering(context, verbose=args.verbose).add(label, brought.file, None, options)
    fault = next(filter(None, (templates.fault(one) for one in _templates(brought))), None)
    lines = [
        context.text("cli.add_replaced" if replaced else "cli.add_done", label=label, file=brought.file),
        "  " + describe(brought.header),
        *("  " + line for line in notes(brought.header, options, fault, context)),
    ]
    if brought.draft is not None:
        lines.append("  " + context.text("pull.with_draft", file=brought.draft))
    fitting = check(brought.file, brought.header, options, context, template_fault=fault, draft=None)
    if isinstance(fitting.data, dict) and fitting.data.get("fits") is False:
        lines.append("  " + context.text("pull.too_large"))
    return CommandResult(
        data={**plan, "file": str(brought.file), "replaced": replaced, "options": options.given()}, lines=tuple(lines)
    )


def _templates(brought: pull.Brought) -> list[str]:
    from hoshikage import gguf

    return [one for one in gguf.templates(brought.header).values() if one]


def _say(context: CommandContext, quant: str, total: int) -> None:
    result.note(context.text("pull.bringing", quant=quant, size=size(total)))


@contextmanager
def _progress(context: CommandContext) -> Iterator[Transfer]:
    """Draws bars with speed and time left on a terminal; elsewhere nothing is drawn."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=result.console(progress=True), disable=not sys.stderr.isatty()) as drawn:

        def on_bytes(name: str, done: int, total: int) -> None:
            if name not in tasks:  # what an earlier try brought counts for no speed
                tasks[name] = drawn.add_task(result.one_line(name), total=total or None, completed=done)
            drawn.update(tasks[name], completed=done, total=total or None)

        def on_check(name: str) -> None:
            if name in tasks:
                drawn.update(tasks[name], description=context.text("pull.checking", name=result.one_line(name)))

        yield Transfer(on_bytes, on_check)
