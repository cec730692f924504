"""Reads the chat template that a model was given in place of its own. Any thread; blocking."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from hoshikage.errors import ModelLoadFailed
from hoshikage.registry.options import CHATML, NAMED

MAX_TEMPLATE_BYTES: Final = 1024 * 1024
ENDINGS: Final = (".jinja", ".jinja2", ".j2")
"""The name of a template has one of these endings where a request names it: it must not have any text shown."""


def template_name(chat_template: str | None) -> str:
    """Returns what `LoadParams.template_name` takes; empty where none of the model's own is named."""
    return chat_template.removeprefix(NAMED) if chat_template is not None and chat_template.startswith(NAMED) else ""


def is_file(chat_template: str | None) -> bool:
    """Returns whether the setting is the path of a file."""
    return chat_template not in (None, CHATML) and not template_name(chat_template)


def is_jinja_name(chat_template: str) -> bool:
    """Returns whether the file's name, whatever a link of that name leads to, says that it is a template."""
    return Path(chat_template).suffix.lower() in ENDINGS


def read_template(chat_template: str | None) -> str | None:
    """Returns what `LoadParams.chat_template` takes: the Jinja source, "" for ChatML, None for one of the model's own.

    Raises ModelLoadFailed for a file that is not there or is no text.
    """
    if chat_template is None or chat_template.startswith(NAMED):
        return None
    if chat_template == CHATML:
        return ""
    try:
        with open(chat_template, "rb", opener=_open_at_once) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise ModelLoadFailed("model.template_no_text", param="model", file=chat_template)
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


def _open_at_once(file: str, flags: int) -> int:
    """Opens without waiting: a pipe of that name would block for ever."""
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))
