"""Reads the tags file of the older version: what it told Ollama's clients beside its models. Any thread; blocks on the
disk.

{"models": [{"name": "llama3:latest", "modified_at": "…", "size": 0, "digest": "…", "details": {…}}]}
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Final

log: Final = logging.getLogger("hoshikage.registry")
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_TAGS: Final = 2048
LATEST: Final = ":latest"
UNUSABLE_TAGS: Final = (OSError, ValueError, RecursionError, LookupError, TypeError)
"""A file that cannot be read or is no tags file raises one of these."""


def read_tags(file: Path | None) -> list[dict[str, Any]]:
    """Returns the entries that can be shown, each with all fields that clients look for; none where the file cannot be
    used."""
    if file is None:
        return []
    try:
        return require_tags(file)
    except UNUSABLE_TAGS as error:
        log.warning("%s: %s", file, error)
        return []


def require_tags(file: Path) -> list[dict[str, Any]]:
    """Reads tags as `read_tags` does, for who asks for that very file. Raises what UNUSABLE_TAGS names."""
    with file.open("rb") as stream:
        tree = json.loads(stream.read(MAX_BYTES + 1))
    rows = tree["models"] if isinstance(tree, dict) else tree
    return [_shown(row) for row in rows[:MAX_TAGS] if _is_tag(row)]


def plain(name: str) -> str:
    """Returns a model's name without the tag that stands for none."""
    return name.removesuffix(LATEST)


def _is_tag(row: Any) -> bool:
    name = row.get("name") or row.get("model") if isinstance(row, dict) else None
    return isinstance(name, str) and 0 < len(name) <= 256


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    name = row.get("name") or row["model"]
    details = row.get("details")
    return {
        "name": name,
        "model": row["model"] if isinstance(row.get("model"), str) else name,
        "modified_at": row["modified_at"] if isinstance(row.get("modified_at"), str) else "1970-01-01T00:00:00Z",
        "size": row["size"] if type(row.get("size")) is int else 0,
        "digest": row["digest"] if isinstance(row.get("digest"), str) else "",
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": "",
            "families": [],
            "parameter_size": "",
            "quantization_level": "",
            **(details if isinstance(details, dict) else {}),
        },
    }
