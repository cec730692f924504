"""Says turns with calls in ways that a template shows whole: each way named, the smallest change first. Pure.

Templates lose or refuse what their models were not trained on: words or thoughts beside a call, and a second call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from hoshikage.params import Message

Messages = tuple[Message, ...]
THOUGHTS_JOINED: Final = "thoughts-joined"
"""Words beside a call stand at the end of the thoughts before it."""
WORDS_APART: Final = "words-apart"
"""Words beside a call are a turn of their own before it."""
CALLS_APART: Final = "calls-apart"
"""Each of several calls is a turn of its own, with its result behind it."""
THOUGHTS_LEFT_OUT: Final = "thoughts-left-out"
"""Thoughts beside a call are not told."""
CALLS_AS_TEXT: Final = "calls-as-text"
"""Calls stand in the assistant's words, and their results are turns of the user."""


def _with_thoughts_joined(messages: Messages) -> Messages:
    return tuple(_joined(message) if message.extra.get("tool_calls") else message for message in messages)


def _joined(message: Message) -> Message:
    thoughts = message.extra.get("reasoning_content")
    if not thoughts or not message.content:
        return message
    return replace(
        message, content="", extra={**message.extra, "reasoning_content": f"{thoughts}\n\n{message.content}"}
    )


def _with_words_apart(messages: Messages) -> Messages:
    return tuple(turn for message in messages for turn in _apart(message))


def _apart(message: Message) -> Iterator[Message]:
    if message.extra.get("tool_calls") and message.content:
        yield Message("assistant", message.content)
        yield replace(message, content=None)
    else:
        yield message


def _with_calls_apart(messages: Messages) -> Messages:
    """Puts each call together with its own result, found by its id; results that belong to none stay where they are."""
    turns: list[Message] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        calls = message.extra.get("tool_calls")
        if not isinstance(calls, list) or len(calls) < 2:
            turns.append(message)
            continue
        results: list[Message] = []
        while at < len(messages) and messages[at].role == "tool":
            results.append(messages[at])
            at += 1
        for number, call in enumerate(calls):
            first = message if number == 0 else Message("assistant", None)
            turns.append(replace(first, extra={**first.extra, "tool_calls": [call]}))
            own = next((one for one in results if one.extra.get("tool_call_id") == _id(call)), None)
            if own is None and len(results) == len(calls) - number:
                own = results[0]  # without ids, results come in the calls' order
            if own is not None:
                results.remove(own)
                turns.append(own)
        turns += results
    return tuple(turns)


def _id(call: Any) -> Any:
    return call.get("id") if isinstance(call, Mapping) else None


def _with_calls_and_words_apart(messages: Messages) -> Messages:
    return _with_calls_apart(_with_words_apart(messages))


def _without_thoughts(messages: Messages) -> Messages:
    return tuple(
        replace(message, extra={key: value for key, value in message.extra.items() if key != "reasoning_content"})
        if message.extra.get("tool_calls")
        else message
        for message in messages
    )


def _without_thoughts_apart(messages: Messages) -> Messages:
    return _with_calls_and_words_apart(_without_thoughts(messages))


def _with_calls_as_text(messages: Messages) -> Messages:
    turns: list[Message] = []
    joined = False
    for message in messages:
        is_result = message.role == "tool"
        text = f"<tool_response>\n{message.content or ''}\n</tool_response>"
        if is_result and joined:
            turns[-1] = replace(turns[-1], content=f"{turns[-1].content}\n{text}")
        else:
            turns.append(Message("user", text) if is_result else _as_text(message))
        joined = is_result
    return tuple(turns)


def _as_text(message: Message) -> Message:
    calls = message.extra.get("tool_calls")
    if not isinstance(calls, list):
        return message
    written = (f"<tool_call>\n{_written(call)}\n</tool_call>" for call in calls)
    extra = {key: value for key, value in message.extra.items() if key != "tool_calls"}
    return replace(message, content="\n".join(filter(None, (message.content, *written))), extra=extra)


def _written(call: Any) -> str:
    function = call.get("function") if isinstance(call, Mapping) else None
    function = function if isinstance(function, Mapping) else {}
    return json.dumps({"name": function.get("name"), "arguments": function.get("arguments")}, ensure_ascii=False)


def _unchanged(messages: Messages) -> Messages:
    return messages


CALL_REPAIRS: Final[tuple[tuple[Callable[[Messages], Messages], tuple[str, ...]], ...]] = (
    (_unchanged, ()),
    (_with_thoughts_joined, (THOUGHTS_JOINED,)),
    (_with_words_apart, (WORDS_APART,)),
    (_with_calls_apart, (CALLS_APART,)),
    (_with_calls_and_words_apart, (WORDS_APART, CALLS_APART)),
    (_without_thoughts, (THOUGHTS_LEFT_OUT,)),
    (_without_thoughts_apart, (THOUGHTS_LEFT_OUT, WORDS_APART, CALLS_APART)),
    (_with_calls_as_text, (CALLS_AS_TEXT,)),
)
"""These change the turns with calls; each stands with what that is called."""
