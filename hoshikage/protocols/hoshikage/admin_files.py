"""Judges the files that a body of /admin's POSTs names beside a model's own. Any thread; blocking.

A path is absolute, as the server's working folder is not the client's. Whoever may register models may not read the
disk by it: all but a chat template is GGUF, and a chat template, which callers without a token can see, is a file that
calls itself one.
"""

from __future__ import annotations

from pathlib import Path

from hoshikage import gguf
from hoshikage.dispatch import templates
from hoshikage.errors import InvalidRequest
from hoshikage.registry import (
    TEMPLATE_ENDINGS,
    ModelSpec,
    OwnOptions,
    is_file,
    is_jinja_name,
    read_template,
    template_name,
)


def require_files(file: Path, header: gguf.GgufHeader, options: OwnOptions, known: ModelSpec | None) -> None:
    """Raises InvalidRequest, ModelLoadFailed or GgufInvalid at the first that cannot be used with the model at `file`.

    `known` is what is registered under that name: its own template may be named again, wherever it lies.
    """
    require_adapter_places(options)
    gguf.require_adapters(header, options.lora, options.control_vectors)
    if options.draft is not None:
        require_absolute("draft", options.draft)
        gguf.require_draft(Path(options.draft), header)
    if options.mmproj is not None:
        require_absolute("mmproj", options.mmproj)
        gguf.require_projector(Path(options.mmproj))
    gguf.require_template(file, header, template_name(options.chat_template))
    _require_template(options.chat_template, None if known is None else known.options.chat_template)


def require_adapter_places(options: OwnOptions) -> None:
    """Raises InvalidRequest for an adapter's path that is not absolute."""
    for name, files in (("lora", options.lora), ("control_vector", options.control_vectors)):
        for index, (path, _) in enumerate(files):
            require_absolute(f"{name}[{index}]", path)


def require_absolute(place: str, path: str) -> None:
    """Raises InvalidRequest for a path that is taken from a working folder."""
    if not Path(path).is_absolute():
        raise InvalidRequest("http.file_relative", param=place, place=place, path=path)


def _require_template(chat_template: str | None, kept: str | None) -> None:
    if chat_template is None or not is_file(chat_template):
        return
    require_absolute("chat_template", chat_template)
    if chat_template != kept and not is_jinja_name(chat_template):
        endings = ", ".join(TEMPLATE_ENDINGS)
        raise InvalidRequest("model.template_ending", param="chat_template", file=chat_template, endings=endings)
    source = read_template(chat_template)
    if source and (reason := templates.fault(source)) is not None:
        raise InvalidRequest("model.template_broken", param="chat_template", file=chat_template, reason=reason)
