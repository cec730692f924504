"""GGUF files read and judged in pure Python: `gguf.read(path)`. Any thread; blocking."""

from hoshikage.gguf.reader import GgufHeader, Split, read

__all__ = ["GgufHeader", "Split", "read"]
