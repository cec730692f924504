"""Says what `add` and `add --check` do of a model beside its sizes: what it is for, and how chats with it will be. Main
thread.
"""

from __future__ import annotations

from pathlib import Path

from hoshikage import gguf
from hoshikage.cli.context import CommandContext
from hoshikage.errors import GgufInvalid, HoshikageError
from hoshikage.gguf import GgufHeader
from hoshikage.library import locate, media
from hoshikage.registry import OwnOptions


def notes(header: GgufHeader, options: OwnOptions, template_fault: str | None, context: CommandContext) -> list[str]:
    """Returns the lines; `template_fault` is why its chat template cannot be used."""
    purpose = gguf.purpose(header)
    if purpose != "text":
        return [context.text(f"cli.add_for_{purpose}")]
    lines = _projector(options, context)
    if template_fault is not None:
        lines.append(_warning("cli.add_template_broken", context, reason=template_fault))
    if _has_no_template(header, options):
        lines.append(context.text("cli.add_no_template") if header.has_chatml else _warning("cli.add_no_chat", context))
    return lines


def _projector(options: OwnOptions, context: CommandContext) -> list[str]:
    if options.mmproj is None:
        return []
    try:
        header = gguf.require_projector(Path(options.mmproj))
    except GgufInvalid as error:  # one that is kept of an earlier registration
        return [_warning(error.key, context, **error.details)]
    kinds = [("cli.add_images", gguf.reads_images(header)), ("cli.add_audio", gguf.reads_audio(header))]
    senses = ", ".join(context.text(key) for key, has in kinds if has)
    lines = [context.text("cli.add_reads", file=Path(options.mmproj).name, kinds=senses)]
    folder = lacking_media(context)
    return lines if folder is None else [*lines, _warning("library.media_lacking_in", context, folder=folder)]


def lacking_media(context: CommandContext) -> Path | None:
    """Returns the folder of the library in use where it has no libmtmd; None also where none can be found."""
    try:
        located = locate.find(context.settings.lib_path, context.settings.lib_dir, context.environ)
    except HoshikageError:
        return None
    try:
        return None if media.is_there(located.file) else located.file.parent
    except OSError:  # its folder cannot be listed
        return None


def can_chat(header: GgufHeader, options: OwnOptions, template_fault: str | None) -> bool:
    """Whether chats with it will be answered; it was made for texts."""
    return template_fault is None and (header.has_chatml or not _has_no_template(header, options))


def _has_no_template(header: GgufHeader, options: OwnOptions) -> bool:
    return not gguf.templates(header) and options.chat_template is None


def _warning(key: str, context: CommandContext, **details: object) -> str:
    return f"{context.text('cli.warning')}: {context.text(key, **details)}"
