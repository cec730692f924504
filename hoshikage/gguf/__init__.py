"""GGUF files read and judged in pure Python: `read_model` for a model, `read` for one file. Any thread; blocking."""

from hoshikage.gguf.draft import require_draft
from hoshikage.gguf.kinds import purpose, require_served
from hoshikage.gguf.memory import KvSettings, MemoryEstimate, estimate
from hoshikage.gguf.parts import SplitName, files, first, read_chat_model, read_model
from hoshikage.gguf.reader import GgufHeader, Split, read
from hoshikage.gguf.templates import require_template, templates, tool_template

__all__ = [
    "GgufHeader",
    "KvSettings",
    "MemoryEstimate",
    "Split",
    "SplitName",
    "estimate",
    "files",
    "first",
    "purpose",
    "read",
    "read_chat_model",
    "read_model",
    "require_draft",
    "require_served",
    "require_template",
    "templates",
    "tool_template",
]
