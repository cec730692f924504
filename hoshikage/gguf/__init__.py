"""GGUF files read and judged in pure Python: `read_model` for a model, `read` for one file. Any thread; blocking.

A server starts and lists its models without looking into a file: what reads them is imported with its first name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from hoshikage.gguf.header import GgufHeader, Split
from hoshikage.gguf.templates import require_template, templates, tool_template

if TYPE_CHECKING:
    from hoshikage.gguf.adapters import control_vector, require_adapters, require_control_vector, require_lora
    from hoshikage.gguf.draft import require_draft
    from hoshikage.gguf.kinds import purpose, require_served
    from hoshikage.gguf.memory import KvSettings, MemoryEstimate, estimate, keeps_windows
    from hoshikage.gguf.newest import read
    from hoshikage.gguf.parts import SplitName, files, first, read_chat_model, read_model
    from hoshikage.gguf.projector import (
        is_projector,
        projector_bytes,
        projector_of,
        projectors_beside,
        reads_audio,
        reads_images,
        require_projector,
    )

__all__ = [
    "GgufHeader",
    "KvSettings",
    "MemoryEstimate",
    "Split",
    "SplitName",
    "control_vector",
    "estimate",
    "files",
    "first",
    "is_projector",
    "keeps_windows",
    "projector_bytes",
    "projector_of",
    "projectors_beside",
    "purpose",
    "read",
    "read_chat_model",
    "read_model",
    "reads_audio",
    "reads_images",
    "require_adapters",
    "require_control_vector",
    "require_draft",
    "require_lora",
    "require_projector",
    "require_served",
    "require_template",
    "templates",
    "tool_template",
]

OWNERS: Final = {
    "adapters": ("control_vector", "require_adapters", "require_control_vector", "require_lora"),
    "draft": ("require_draft",),
    "kinds": ("purpose", "require_served"),
    "memory": ("KvSettings", "MemoryEstimate", "estimate", "keeps_windows"),
    "newest": ("read",),
    "parts": ("SplitName", "files", "first", "read_chat_model", "read_model"),
    "projector": (
        "is_projector",
        "projector_bytes",
        "projector_of",
        "projectors_beside",
        "reads_audio",
        "reads_images",
        "require_projector",
    ),
}
"""These modules are imported when one of these names is asked for."""


def __getattr__(name: str) -> Any:
    for module, names in OWNERS.items():
        if name in names:
            return globals().setdefault(name, getattr(import_module(f"{__name__}.{module}"), name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
