"""Puts what clients spell in another way than a schema has it into its form, in the body itself. Any thread; pure.

A body comes here as plain JSON, before its types are checked: what is of no known form is left for those to refuse.
"""

from __future__ import annotations

from typing import Any


def texts_as_parts(tree: Any, field: str, kind: str = "text") -> None:
    """Makes parts of that kind of the plain texts in a list of `content`, in each message of the field."""
    for message in _objects(tree, field):
        content = message.get("content")
        if isinstance(content, list) and any(isinstance(one, str) for one in content):
            message["content"] = [{"type": kind, "text": one} if isinstance(one, str) else one for one in content]


def flat_functions(tree: Any) -> None:
    """Takes what a chat's tool has in `function` out of it, and so for a tool that must be called."""
    choice = tree.get("tool_choice") if isinstance(tree, dict) else None
    for one in (*_objects(tree, "tools"), choice):
        if isinstance(one, dict) and one.get("type") == "function" and isinstance(one.get("function"), dict):
            for name, value in one.pop("function").items():
                one.setdefault(name, value)


def _objects(tree: Any, field: str) -> list[dict[str, Any]]:
    value = tree.get(field) if isinstance(tree, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
