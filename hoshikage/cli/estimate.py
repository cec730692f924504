"""Says of a model for `hoshikage add --check`: what it is, and the memory it will need. Main thread."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hoshikage import gguf
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import describe, size
from hoshikage.cli.model_notes import can_chat, notes
from hoshikage.cli.result import CommandResult
from hoshikage.dispatch.headroom import available_memory
from hoshikage.gguf import GgufHeader
from hoshikage.registry import OwnOptions


def check(
    file: Path,
    header: GgufHeader,
    options: OwnOptions,
    context: CommandContext,
    *,
    template_fault: str | None,
    draft: GgufHeader | None,
) -> CommandResult:
    """`file` is the model's (first) one, `options` those it would be registered with."""
    settings = context.settings
    params = replace(settings.load_params, **options.loading())
    kv = gguf.KvSettings.of(params)
    needed = gguf.estimate(
        header,
        params.fitting_ctx(header.context_length),
        params.n_batch,
        draft,
        kv,
        gguf.projector_bytes(options.mmproj),
    )
    available = available_memory()
    fits = needed.total <= available if available else None
    purpose = gguf.purpose(header)
    use = "no_chat" if purpose == "text" and not can_chat(header, options, template_fault) else purpose
    lines = [
        context.text(f"cli.check_{use}", file=file),
        "  " + describe(header),
        "  " + context.text("cli.check_total", n_ctx=needed.n_ctx, total=size(needed.total)),
        "    "
        + context.text(
            "cli.check_parts",
            weights=size(needed.weights),
            kv_cache=size(needed.kv_cache),
            compute=size(needed.compute),
        )
        + (context.text("cli.check_draft", draft=size(needed.draft)) if draft is not None else "")
        + (context.text("cli.check_projector", projector=size(needed.projector)) if needed.projector else ""),
        "  " + _verdict(fits, size(available), context),
        "  " + context.text("cli.check_note"),
    ]
    lines[2:2] = ["  " + line for line in notes(header, options, template_fault, context)]
    data = {
        "file": str(file),
        "architecture": header.architecture,
        "name": header.name,
        "n_params": header.n_params,
        "file_type": header.file_type,
        "size_bytes": header.size_bytes,
        "context_length": header.context_length,
        "chat_template": header.chat_template is not None,
        "template_fault": template_fault,
        "templates": [*gguf.templates(header)],
        "purpose": purpose,
        "parts": header.split.count if header.split else 1,
        "memory": {
            "n_ctx": needed.n_ctx,
            "weights": needed.weights,
            "kv_cache": needed.kv_cache,
            "compute": needed.compute,
            "draft": needed.draft,
            "projector": needed.projector,
            "total": needed.total,
            "available": available or None,
            "fits": fits,
        },
    }
    return CommandResult(data=data, lines=tuple(lines))


def _verdict(fits: bool | None, available: str, context: CommandContext) -> str:
    if fits is None:
        return context.text("cli.check_unknown")
    return context.text("cli.check_fits" if fits else "cli.check_too_large", available=available)
