"""Whether a template shows every text that it was given: texts marked with digits that nobody can guess. Pure.

A template may drop a turn without a word: a late system turn, the words beside a call, the second of two calls. So the
conversation is rendered a second time with a mark at both ends of each text, and what has no mark in it was dropped.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from hoshikage.params import Message

END_OF_THOUGHTS: Final = re.compile(
    r"</(?:seed:|mm:)?think(?:ing)?>|\[/THINK\]|<\|END_THINKING\|>|<\|inner_suffix\|>|<channel\|>"
)
"""Templates leave thoughts of earlier turns out, as their models want it: what follows them is the answer."""
EXTRA: Final = "note"
"""An argument of a call that has no text to mark."""


class Words:
    """Marks the texts of one conversation, and finds those that a rendering has lost. Use it once."""

    def __init__(self) -> None:
        self._base = str(secrets.randbelow(9 * 10**11) + 10**11)
        self._found = re.compile(self._base + r"(\d{6})")
        self._marks: list[str] = []
        """What each mark stands in, for `lost`."""

    def marked(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The conversation with its marks."""
        return tuple(self._message(message, index) for index, message in enumerate(messages))

    def lost(self, text: str) -> frozenset[str]:
        """Which texts have a mark that does not stand in the rendered `text`, as `messages[2]`."""
        there = {int(met[1]) for met in self._found.finditer(text)}
        return frozenset(place for number, place in enumerate(self._marks) if number not in there)

    def _mark(self, place: str) -> str:
        self._marks.append(place)
        return f"{self._base}{len(self._marks) - 1:06}"

    def _message(self, message: Message, index: int) -> Message:
        place = f"messages[{index}]"
        content, extra = message.content, dict(message.extra)
        if content is not None:
            content = self._text(content, place, answer=message.role == "assistant")
        calls = extra.get("tool_calls")
        if isinstance(calls, list):
            extra["tool_calls"] = [self._call(call, f"{place}.tool_calls[{at}]") for at, call in enumerate(calls)]
        return replace(message, content=content, extra=extra)

    def _text(self, text: str, place: str, *, answer: bool) -> str:
        """Marks inside the first and the last word, so that a template may trim it and look how it begins and ends."""
        thoughts = 0
        if answer:
            thoughts = max((met.end() for met in END_OF_THOUGHTS.finditer(text)), default=0)
        words = text[thoughts:]
        if not words.strip():
            return text
        end = len(words.rstrip())
        last = max((met.end() for met in re.finditer(r"\s", words[:end])), default=0)
        words = words[:last] + self._mark(place) + words[last:]
        if not thoughts:
            first = re.match(r"\s*\S+", words)
            assert first is not None
            words = words[: first.end()] + self._mark(place) + words[first.end() :]
        return text[:thoughts] + words

    def _call(self, call: Any, place: str) -> Any:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            return call
        mark = self._mark(place)
        arguments, done = _with_mark(function.get("arguments"), mark)
        if not done:
            arguments = {**arguments, EXTRA: mark} if isinstance(arguments, Mapping) else mark
        return {**call, "function": {**function, "arguments": arguments}}


def _with_mark(value: Any, mark: str) -> tuple[Any, bool]:
    """`value` with the mark behind its first text that is not empty; and whether it has one."""
    if isinstance(value, str) and value.strip():
        return value.rstrip() + mark, True
    if isinstance(value, Mapping):
        for key, item in value.items():
            marked, done = _with_mark(item, mark)
            if done:
                return {**value, key: marked}, True
    elif isinstance(value, list):
        for at, item in enumerate(value):
            marked, done = _with_mark(item, mark)
            if done:
                return [*value[:at], marked, *value[at + 1 :]], True
    return value, False
