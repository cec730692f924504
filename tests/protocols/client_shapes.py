"""Makes requests of programs as they were seen, and as their documents have them: client_requests/*.json made whole.
Pure.

The files hold structure. `<string:N>` stands for a text, `<id>` for an id, `<schema: …>` and `<dict>` for a schema:
each gets a value of its own here, so that a test can tell which of them was lost on the way.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.media_samples import STAR, encoded, url

FOLDER: Final = Path(__file__).parent / "client_requests"
SCHEMA: Final[dict[str, Any]] = {"type": "object", "properties": {"a": {"type": "string"}}}
MARK: Final = re.compile(r"<(\w+)(?:: ?([^>]*))?>")
FIXED: Final = {
    "image_url": url(STAR),
    "media_type": "image/png",
    "data": encoded(STAR),
    "detail": "high",
    "verbosity": "low",
    "context": "all_turns",
    "keep_alive": "5m",
}
"""Maps a field to its value, where a text must be one of few."""
SPOKEN: Final = frozenset({"text", "content", "output", "instructions", "prompt", "system", "input_prefix"})
"""A model must be given the texts of these fields."""


@dataclass(slots=True)
class Shape:
    """This is one request, made whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] | None
    spoken: list[str] = field(default_factory=list)
    """`spoken` has every text that a model must be given, in the order of the body."""


def names() -> list[str]:
    """Lists the names of all files."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def shape(name: str) -> Shape:
    """Makes the request of that file; any model that it names is `tiny`."""
    found = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    method, path, _ = found["request_line"].split(" ")
    made = _Made()
    body = made.value(found["body"], "") if "body" in found else None
    if body is not None and "model" in body:
        body["model"] = "tiny"
    return Shape(method, path, found["headers"], body, made.spoken)


class _Made:
    """Gives each mark its value."""

    def __init__(self) -> None:
        self.spoken: list[str] = []
        self._numbers = count(1)
        self._called: deque[str] = deque()

    def value(self, given: Any, name: str) -> Any:
        if isinstance(given, dict):
            return {key: self._answered(given) if _answers(given, key) else self.value(inner, key)
                    for key, inner in given.items()}  # fmt: skip
        if isinstance(given, list):
            return [self.value(one, name) for one in given]
        found = MARK.fullmatch(given) if isinstance(given, str) else None
        if found is None:
            if name in SPOKEN and isinstance(given, str) and given:
                self.spoken.append(given)
            return given
        return self._of(found[1], found[2] or "", name)

    def _of(self, kind: str, size: str, name: str) -> Any:
        number = next(self._numbers)
        if name in FIXED:
            return FIXED[name]
        if kind in ("schema", "dict") or name in ("parameters", "input_schema"):
            return SCHEMA
        if name == "arguments":
            return json.dumps({"a": f"word{number}"})
        if kind == "id":
            if name in ("id", "call_id"):
                self._called.append(f"id{number}")
            return f"id{number}"
        if size == "0":
            return ""
        if name in SPOKEN:
            self.spoken.append(f"word{number}")
        return f"word{number}"

    def _answered(self, given: dict[str, Any]) -> str:
        """Returns the id of the call that this result answers."""
        return self._called.popleft() if self._called else given.get("tool_call_id", "id0")


def _answers(given: dict[str, Any], key: str) -> bool:
    is_output = str(given.get("type", "")).endswith("_output")
    return key in ("tool_call_id", "tool_use_id") or (key == "call_id" and is_output)
