"""Adds models to a registry, as one of several processes: FILE NAME COUNT."""

from __future__ import annotations

import sys
from pathlib import Path

from hoshikage.registry import Registry

if __name__ == "__main__":
    file, name, count = sys.argv[1:]
    registry = Registry(Path(file))
    for number in range(int(count)):
        registry.add(f"{name}-{number}", Path(f"{name}.gguf"), [f"stop{number}"])
        if number % 2:
            registry.remove(f"{name}-{number - 1}")
