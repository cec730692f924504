"""Reads whether an answer is to be thought over, and for how long: every spelling that clients have for it. Any thread;
pure.

OpenAI names an effort, Anthropic and GLM an object with a type, OpenRouter one with an effort or a number of tokens,
Qwen and llama-server names of their own. All of them say one of three things: think, do not, or so many tokens at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hoshikage.errors import InvalidRequest
from hoshikage.frozen import Frozen

OFF: Final = frozenset({"none", "off", "disabled", "disable", "false", "no", "0"})
ON: Final = frozenset({"on", "enabled", "enable", "true", "yes", "1", "auto", "adaptive", "default"})
LEVELS: Final = frozenset({"minimal", "low", "medium", "high", "xhigh", "max"})
SWITCHES: Final = ("enable_thinking", "think", "thinking", "reasoning")
"""These fields say yes or no, as a truth value, a word or an object."""
BUDGETS: Final = ("thinking_budget", "thinking_budget_tokens", "reasoning_budget", "reasoning_budget_tokens")
"""These fields say how many tokens; 0 is none, and a negative number no bound."""
PARTS: Final = ("type", "enabled", "effort")
PART_BUDGETS: Final = ("budget_tokens", "max_tokens")
KWARGS: Final = frozenset({"enable_thinking", "thinking"})
"""These variables of templates say yes or no; clients send words where templates want truth values."""


class ThoughtRequest(Frozen, frozen=True):
    """This is what a request says of thoughts; None stands where it says nothing."""

    on: bool | None = None
    budget: int | None = None
    effort: str | None = None


def asked(fields: Mapping[str, Any]) -> ThoughtRequest:
    """Returns what these fields of a request say, taken together: a no counts more than a yes, the least budget most.

    Raises InvalidRequest for a value that says neither.
    """
    says: list[bool] = []
    budgets: list[int] = []
    efforts: list[str] = []
    for place, value in _told(fields):
        if place.rpartition(".")[2] in (*BUDGETS, *PART_BUDGETS):
            if value == 0:
                says.append(False)
            elif value > 0:
                budgets.append(value)
            continue
        word = str(value).lower()
        if word in LEVELS:
            efforts.append("xhigh" if word == "max" else word)
        elif word in OFF or word in ON:
            says.append(word in ON)
        else:
            raise InvalidRequest("http.invalid_value", param=place, place=place)
    on = None if not says and not efforts else all(says)
    return ThoughtRequest(on, min(budgets, default=None) if on is not False else None, efforts[0] if efforts else None)


def truth(value: Any) -> Any:
    """Returns a template's truth value for the word that a client has written; any other value as it is."""
    word = str(value).lower()
    return word in ON if isinstance(value, str) and (word in ON or word in OFF) else value


def _told(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields every place that says something, with a truth value, a word or a number."""
    for name in SWITCHES:
        value = fields.get(name)
        if isinstance(value, Mapping):
            for part in (*PARTS, *PART_BUDGETS):
                if value.get(part) is not None:
                    yield f"{name}.{part}", _checked(value[part], f"{name}.{part}", part in PART_BUDGETS)
        elif value is not None:
            yield name, _checked(value, name, False)
    for name in BUDGETS:
        if fields.get(name) is not None:
            yield name, _checked(fields[name], name, True)


def _checked(value: Any, place: str, budget: bool) -> Any:
    if budget and isinstance(value, float) and value.is_integer():
        value = int(value)
    if (type(value) is not int) if budget else not isinstance(value, bool | str | int):
        expected = "integer" if budget else "boolean | string"
        raise InvalidRequest("http.wrong_type", param=place, place=place, expected=expected, got=type(value).__name__)
    return value
