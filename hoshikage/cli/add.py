"""Looks at the GGUF and registers it; with `--check` it only looks: `hoshikage add PATH LABEL [STOP...]`. Main
thread."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from hoshikage import gguf
from hoshikage.cli.context import CommandContext
from hoshikage.cli.estimate import check
from hoshikage.cli.format import describe
from hoshikage.cli.model_notes import notes
from hoshikage.cli.options import add_options, chosen
from hoshikage.cli.parser import Commands
from hoshikage.cli.registering import Registering
from hoshikage.cli.result import CommandResult
from hoshikage.dispatch import templates
from hoshikage.errors import ModelLoadFailed, UsageError
from hoshikage.gguf import GgufHeader
from hoshikage.options import OWN
from hoshikage.registry import (
    OwnOptions,
    checked_label,
    is_file,
    is_jinja_name,
    own_options,
    read_template,
    template_name,
)

REMOTE: Final = re.compile("[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def register(commands: Commands) -> None:
    parser = commands.add("add", commands.text("cli.add_summary"))
    parser.add_argument("path", metavar="PATH", help=commands.text("cli.add_path"))
    parser.add_argument("label", metavar="LABEL", nargs="?", help=commands.text("cli.add_label"))
    parser.add_argument("stop", metavar="STOP", nargs="*", help=commands.text("cli.add_stop"))
    parser.add_argument("--check", action="store_true", help=commands.text("cli.add_check"))
    add_options(parser, OWN)
    parser.add_json()
    parser.add_argument("--verbose", action="store_true", help=commands.text("cli.help_verbose"))


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    if args.label is None and not args.check:
        reason = context.text("cli.missing_arguments", names="LABEL")
        raise UsageError("cli.usage", reason=reason, help="hoshikage add --help")
    if REMOTE.match(args.path):
        raise UsageError("cli.add_not_local", path=args.path)
    stop: list[str] | None = [] if args.stop == [""] else args.stop or None
    if not all(stop or ()):
        raise UsageError("cli.stop_empty")
    label = checked_label(args.label) if args.label is not None else ""
    options = own_options(chosen(args, OWN))
    params = replace(context.settings.load_params, **options.loading())
    if "rope_scale" in options.given() and params.rope_scale != 1 and params.rope_scaling == "auto":
        raise UsageError("engine.rope_scale_alone")
    file = Path(args.path).absolute()
    header = gguf.read_chat_model(file)
    file = gguf.first(file, header)
    draft = None if options.draft is None else gguf.require_draft(Path(options.draft), header)
    gguf.require_adapters(header, options.lora, options.control_vectors)
    registering = Registering(context, verbose=args.verbose)
    kept = registering.kept(label, file)
    beside: list[str] = []
    if options.mmproj is not None:
        gguf.require_projector(Path(options.mmproj))
    elif "mmproj" not in options.given() and kept.mmproj is None:
        options, beside = _with_projector(file, header, options)
    gguf.require_template(file, header, template_name(options.chat_template))
    whole = kept.having(**options.given()).kept()
    fault = _template_fault(header, whole, context)
    if args.check:
        return check(file, header, whole, context, template_fault=fault, draft=draft)
    template = options.chat_template
    itself = template is not None and is_file(template) and (fault is not None or not is_jinja_name(template))
    replaced = registering.add(label, file, stop, options, itself=itself)
    lines = [
        context.text("cli.add_replaced" if replaced else "cli.add_done", label=label, file=file),
        "  " + describe(header),
    ]
    lines += ["  " + context.text("cli.add_reloads", label=label)] if registering.reloads else []
    lines += ["  " + line for line in notes(header, whole, fault, context)]
    lines += ["  " + context.text("cli.add_projectors", names=", ".join(beside))] if beside else []
    data = {
        "label": label,
        "file": str(file),
        "replaced": replaced,
        "options": options.given(),
        "template_fault": fault,
        "templates": [*gguf.templates(header)],
        "purpose": gguf.purpose(header),
    }
    return CommandResult(data=data, lines=tuple(lines))


def _with_projector(file: Path, header: GgufHeader, options: OwnOptions) -> tuple[OwnOptions, list[str]]:
    """Returns the options with the one projector that lies beside the model; else the names of those that may be its
    own."""
    projector = gguf.projector_of(file, header)
    if projector is not None:
        return options.having(mmproj=str(projector)), []
    return options, [one.name for one in gguf.projectors_beside(file)]


def _template_fault(header: GgufHeader, options: OwnOptions, context: CommandContext) -> str | None:
    """Returns why no chat could use the template; a file that was named earlier may be gone by now."""
    try:
        source = read_template(options.chat_template)
    except ModelLoadFailed as error:
        return context.text(error.key, **error.details)
    sources = gguf.templates(header).values() if source is None else [source]
    return next(filter(None, (templates.fault(one) for one in sources if one)), None)
