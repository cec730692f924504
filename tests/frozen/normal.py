"""Takes out of a text what differs from one run to the next: times, random ids, places, the version. Pure functions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hoshikage import __version__

RULES: Final = (
    (r'(_seconds_(?:bucket\{[^}]*le="[\d.]+"\}|sum(?:\{[^}]*\})?)) \S+', r"\1 <number>"),
    (r"hsk-[\w-]{20,}", "<token>"),
    (r"\b[0-9a-f]{16,}\b", "<hex>"),
    (r"(?<=_)[0-9a-f]{16,}\b", "<hex>"),
    (r'("(?:created|created_at|completed_at|finished_at|last_used|expires)": ?)\d+(?:\.\d+)?', r"\1<time>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?", "<time>"),
    (r'("(?:total_duration|load_duration|uptime_s|pid|available_bytes)": ?)\d+(?:\.\d+)?', r"\1<number>"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
)


def normal(text: str, scratch: Path) -> str:
    """Returns the same text for the same behaviour, whenever and wherever it was recorded."""
    text = text.replace(str(scratch), "<scratch>").replace(__version__, "<version>")
    for pattern, instead in RULES:
        text = re.sub(pattern, instead, text)
    return text
