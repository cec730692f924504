"""GGUF files read and judged in pure Python: `read_model` for a model, `read` for one file. Any thread; blocking."""

from hoshikage.gguf.draft import require_draft
from hoshikage.gguf.memory import MemoryEstimate, estimate
from hoshikage.gguf.parts import SplitName, files, first, read_chat_model, read_model
from hoshikage.gguf.reader import GgufHeader, Split, read

__all__ = [
    "GgufHeader",
    "MemoryEstimate",
    "Split",
    "SplitName",
    "estimate",
    "files",
    "first",
    "read",
    "read_chat_model",
    "read_model",
    "require_draft",
]
