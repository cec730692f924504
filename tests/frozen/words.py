"""Records every text of the catalogue. No thread of its own."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from hoshikage.messages import AREAS


def record(_scratch: Path) -> dict[str, str]:
    found = {}
    for area in AREAS:
        texts: dict[str, tuple[str, str]] = import_module(f"hoshikage.messages.{area}").TEXTS
        rows = [f"{area}.{key}\n  ja {texts[key][0]!r}\n  en {texts[key][1]!r}\n" for key in sorted(texts)]
        found[f"texts_{area}.txt"] = "".join(rows)
    return found
