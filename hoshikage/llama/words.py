"""Judges whether a template shows every text that it was given: texts marked with digits that nobody can guess. Pure.

A template may drop a turn without a word: a late system turn, the words beside a call, the second of two calls. So the
conversation is rendered a second time with a mark at both ends of each text, and what has no mark in it was dropped.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from msgspec.structs import replace

from hoshikage.params import Message

END_OF_THOUGHTS: Final = re.compile(
    r"</(?:seed:|mm:)?think(?:ing)?>|\[/THINK\]|<\|END_THINKING\|>|<\|inner_suffix\|>|<channel\|>"
)
"""Templates leave thoughts of earlier turns out, as their models want it: what follows them is the answer."""
THOUGHT_MARKS: Final = (
    *(f"<{slash}{name}>" for name in ("think", "thinking", "seed:think", "mm:think") for slash in ("", "/")),
    *("[THINK]", "[/THINK]", "<|START_THINKING|>", "<|END_THINKING|>", "<|inner_prefix|>", "<|inner_suffix|>"),
    *("<|channel>", "<channel|>", "<|channel|>"),
)
"""Templates look for these in texts, to leave out or refuse what stands between."""
BEGIN_OF_THOUGHTS: Final = re.compile(
    r"<(?:seed:|mm:)?think(?:ing)?>|\[THINK\]|<\|START_THINKING\|>|<\|inner_prefix\|>|<\|channel>"
)
OPEN_THOUGHTS: Final = re.compile(rf"(?:{BEGIN_OF_THOUGHTS.pattern})(?:thought)?\s*\Z")
MAX_TAIL: Final = 64
"""A prompt's end is looked for in so many of its characters."""
FIRST_WORD: Final = re.compile(r"\s*[^\s<\[]+")
MAX_CLOSINGS: Final = 8
"""This many ends of thoughts in one text are looked at."""
EXTRA: Final = "note"
"""A call that has no text to mark gets an argument of this name."""


def has_thought_marks(messages: tuple[Message, ...]) -> bool:
    """Returns whether a template may take what a text tells for marks of its own."""
    return any(mark in (message.content or "") for message in messages for mark in THOUGHT_MARKS)


class Words:
    """Marks the texts of one conversation, and finds those that a rendering has lost. Use it once."""

    def __init__(self) -> None:
        self._base = str(secrets.randbelow(9 * 10**11) + 10**11)
        self._found = re.compile(self._base + r"(\d{6})")
        self._marks: list[str] = []
        """Each mark stands in one of these, for `lost`."""
        self._maybe_thoughts: set[int] = set()
        """These marks are in front of an end of thoughts that nothing has begun."""

    def marked(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Returns the conversation with its marks."""
        return tuple(self._message(message, index) for index, message in enumerate(messages))

    def lost(self, text: str) -> frozenset[str]:
        """Returns which texts have a mark that does not stand in the rendered `text`, as `messages[2]`.

        Where a prompt begins the thoughts of its answer, what stands before their end in earlier answers are thoughts.
        """
        there = {int(met[1]) for met in self._found.finditer(text)}
        if OPEN_THOUGHTS.search(text[-MAX_TAIL:]):
            there |= self._maybe_thoughts
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
        """Marks inside the first and the last word, so that a template may trim it and look how it begins and ends.

        And one where a template may think that thoughts end.
        """
        thoughts = _end_of_thoughts(text) if answer else 0
        front, words = self._front(text[:thoughts], place), text[thoughts:]
        if not words.strip():
            return front + words
        words = END_OF_THOUGHTS.sub(lambda closes: self._mark(place) + closes[0], words, count=MAX_CLOSINGS)
        end = len(words.rstrip())
        last = max((met.end() for met in re.finditer(r"\s", words[:end])), default=0)
        words = words[:last] + self._mark(place) + words[last:]
        if not thoughts:
            first = re.match(r"\s*\S+", words)
            assert first is not None
            words = words[: first.end()] + self._mark(place) + words[first.end() :]
        return front + words

    def _front(self, thoughts: str, place: str) -> str:
        """Returns the text with a mark in front of each end of thoughts that nothing has begun: what stands up to it
        are words, where the model was not thinking."""
        result, at = "", 0
        for closes in islice(END_OF_THOUGHTS.finditer(thoughts), MAX_CLOSINGS):
            first = FIRST_WORD.match(thoughts, at, closes.start())
            if first is not None and not BEGIN_OF_THOUGHTS.search(thoughts, at, closes.start()):
                self._maybe_thoughts.add(len(self._marks))
                result += thoughts[at : first.end()] + self._mark(place)
                at = first.end()
            result += thoughts[at : closes.end()]
            at = closes.end()
        return result + thoughts[at:]

    def _call(self, call: Any, place: str) -> Any:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            return call
        mark = self._mark(place)
        arguments, done = _with_mark(function.get("arguments"), mark)
        if not done:
            arguments = {**arguments, EXTRA: mark} if isinstance(arguments, Mapping) else mark
        return {**call, "function": {**function, "arguments": arguments}}


def _end_of_thoughts(text: str) -> int:
    """Returns where the thoughts at the beginning of an answer end, 0 where it has none. An answer with words in front
    of a mark only tells of marks."""
    end = 0
    for closes in END_OF_THOUGHTS.finditer(text):
        opens = BEGIN_OF_THOUGHTS.search(text, end, closes.start())
        if opens and text[end : opens.start()].strip():
            break
        end = closes.end()
    return end


def _with_mark(value: Any, mark: str) -> tuple[Any, bool]:
    """Returns `value` with the mark behind its first text that is not empty, and whether it has one."""
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
