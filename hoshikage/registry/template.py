"""The chat template that a model was given in place of its own. Any thread; blocking."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hoshikage.errors import ModelLoadFailed
from hoshikage.registry.options import CHATML

MAX_TEMPLATE_BYTES: Final = 1024 * 1024


def read_template(chat_template: str | None) -> str | None:
    """What `LoadParams.chat_template` takes: the Jinja source, "" for ChatML, None for the model's own.

    Raises ModelLoadFailed for a file that is not there or is no text.
    """
    if chat_template is None or chat_template == CHATML:
        return None if chat_template is None else ""
    try:
        with Path(chat_template).open("rb") as stream:
            content = stream.read(MAX_TEMPLATE_BYTES + 1)
        source = content.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelLoadFailed("model.template_unreadable", param="model", file=chat_template, reason=reason) from None
    except ValueError:
        raise ModelLoadFailed("model.template_no_text", param="model", file=chat_template) from None
    if not source.strip() or len(content) > MAX_TEMPLATE_BYTES:
        raise ModelLoadFailed("model.template_no_text", param="model", file=chat_template)
    return source
