"""GGUF files read and judged in pure Python: `read_model` for a model, `read` for one file. Any thread; blocking."""

from hoshikage.gguf.adapters import control_vector, require_adapters, require_control_vector, require_lora
from hoshikage.gguf.draft import require_draft
from hoshikage.gguf.header import GgufHeader, Split
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
from hoshikage.gguf.templates import require_template, templates, tool_template

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
