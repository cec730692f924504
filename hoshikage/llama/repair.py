"""Changes conversations so that a strict template takes them: smallest change first, each named. Any thread; pure.

Templates refuse what their models were not trained on: a system turn, or two turns of one role in a row.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from hoshikage.llama.repair_calls import CALL_REPAIRS
from hoshikage.params import ChatPrompt, Message

SYSTEM_FOLDED: Final = "system-folded"
"""The text of a system turn stands in front of the next user turn."""
LATE_SYSTEM_FOLDED: Final = "late-system-folded"
"""Only the text of a system turn that is not the first turn stands in front of the next user turn."""
ROLES_MERGED: Final = "roles-merged"
"""Neighbours of one role are one turn."""
EMPTY_LEFT_OUT: Final = "empty-left-out"
"""Turns of the assistant that say and call nothing are not told: answers that were cut off before their first word."""
USER_ADDED: Final = "user-added"
"""An empty turn of the user stands before an assistant's that nobody's comes before."""
TOOLS_SIMPLIFIED: Final = "tools-simplified"
"""Parameters of tools are shown with one type each, an empty description where they have none, and what else an object
may have."""
IDS_SHORTENED: Final = "tool-ids-shortened"
"""Ids of calls are nine letters and digits, which Mistral's templates insist on."""
ARGUMENTS_WRAPPED: Final = "arguments-wrapped"
"""Arguments that are no object, being cut off or broken, stand in one."""
WRAPPER: Final = "unparsed"
SHORT_ID: Final = re.compile("[A-Za-z0-9]{9}")
BETWEEN: Final = "\n\n"
JOINED: Final = frozenset({"reasoning_content", "tool_calls"})
"""The turns of one role may have these beside their words, to become one turn."""
THOUGHT_MARKS_AS_TEXT: Final = "thought-marks-as-text"
"""Marks of thoughts that stand in a text are no marks to the template: it would leave out what follows them."""
WORDS_LOST: Final = "words-lost"
"""No repair makes the template show every text: this one loses the fewest."""
TURN_REPAIRS: Final[tuple[tuple[str, ...], ...]] = (
    (),
    (ROLES_MERGED,),
    (LATE_SYSTEM_FOLDED,),
    (SYSTEM_FOLDED,),
    (LATE_SYSTEM_FOLDED, ROLES_MERGED),
    (SYSTEM_FOLDED, ROLES_MERGED),
    (USER_ADDED, LATE_SYSTEM_FOLDED, ROLES_MERGED),
    (EMPTY_LEFT_OUT,),
    (EMPTY_LEFT_OUT, LATE_SYSTEM_FOLDED, ROLES_MERGED),
    (EMPTY_LEFT_OUT, SYSTEM_FOLDED, ROLES_MERGED),
    (EMPTY_LEFT_OUT, USER_ADDED, LATE_SYSTEM_FOLDED, ROLES_MERGED),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """This is a conversation, and what was changed in it."""

    prompt: ChatPrompt
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Telling:
    """A telling says who says what, in all forms that templates expect of it, the smallest change first."""

    forms: tuple[Variant, ...]
    last: tuple[int, ...]
    """`last` tells which of the forms are changed the most: a template that takes none of these takes none at all."""


def tellings(prompt: ChatPrompt) -> Iterator[Telling]:
    """Yields the conversation as it is, then repaired, the smallest change first; each form differs from all before it.

    Of one kind of conversation, whatever its texts, there are always the same ones in the same order.
    """
    yield from _of_messages(prompt, ())
    simple = tuple(_simplified(tool) for tool in prompt.tools)
    if simple != prompt.tools:
        yield from _of_messages(replace(prompt, tools=simple), (TOOLS_SIMPLIFIED,))


def _of_messages(prompt: ChatPrompt, done: tuple[str, ...]) -> Iterator[Telling]:
    seen: list[tuple[Message, ...]] = []
    for of_calls, named in CALL_REPAIRS:
        for of_turns in TURN_REPAIRS:
            messages = _with_turns(of_calls(prompt.messages), of_turns, goes_on=prompt.continue_final_message)
            if messages in seen:
                continue
            forms: list[Variant] = []
            last: list[int] = []
            for details, changed in ((), messages), ((IDS_SHORTENED,), tuple(map(_with_short_ids, messages))):
                last = []
                for form, more, is_last in _forms(changed):
                    if form not in seen:
                        seen.append(form)
                        repairs = (*done, *named, *of_turns, *details, *more)
                        forms.append(Variant(replace(prompt, messages=form), repairs))
                    if is_last:
                        last += [at for at, one in enumerate(forms) if one.prompt.messages == form]
            yield Telling(tuple(forms), tuple(last))


def _with_turns(messages: tuple[Message, ...], repairs: tuple[str, ...], *, goes_on: bool) -> tuple[Message, ...]:
    if EMPTY_LEFT_OUT in repairs:
        kept = messages[-1:] if goes_on else ()
        messages = (*filter(_says, messages[: len(messages) - len(kept)]), *kept)
    if SYSTEM_FOLDED in repairs or LATE_SYSTEM_FOLDED in repairs:
        messages = _folded(messages, keep_first=LATE_SYSTEM_FOLDED in repairs)
    if ROLES_MERGED in repairs:
        messages = _merged(messages)
    if USER_ADDED in repairs:
        first = next((at for at, message in enumerate(messages) if message.role != "system"), 0)
        if messages and messages[first].role == "assistant":
            messages = (*messages[:first], Message("user", ""), *messages[first:])
    return messages


def _says(message: Message) -> bool:
    return message.role != "assistant" or bool((message.content or "").strip() or message.extra.get("tool_calls"))


def _simplified(value: Any) -> Any:
    if isinstance(value, dict):
        made = {key: _simplified(item) for key, item in value.items()}
        kinds = made.get("type")
        if isinstance(kinds, list) and kinds:
            made["type"] = next((kind for kind in kinds if kind != "null"), kinds[0])
        if made.get("type") == "object":
            made.setdefault("additionalProperties", {})
        if isinstance(made.get("properties"), dict):
            made["properties"] = {
                name: {"description": "", **item} if isinstance(item, dict) else item
                for name, item in made["properties"].items()
            }
        return made
    return [_simplified(item) for item in value] if isinstance(value, list) else value


def _forms(messages: tuple[Message, ...]) -> Iterator[tuple[tuple[Message, ...], tuple[str, ...], bool]]:
    """Yields the same conversation in the forms that templates expect: calls' arguments as objects or as JSON text, and
    a turn without content as such or with an empty one; what was changed for it; and whether it is changed the most.

    Some join the arguments of a call as text, most write out an object; some tell no content from an empty one.
    """
    texts = tuple(map(_with_text_arguments, messages))
    wrapped = tuple(map(_with_wrapped_arguments, messages))
    as_they_are = [messages, texts, tuple(map(_with_content, messages)), tuple(map(_with_content, texts))]
    forms = [*as_they_are, wrapped, tuple(map(_with_content, wrapped))]
    last = (as_they_are[-1], forms[-1])
    for index, form in enumerate(forms):
        if form not in forms[:index]:
            yield form, () if index < len(as_they_are) else (ARGUMENTS_WRAPPED,), form in last


def _with_content(message: Message) -> Message:
    return replace(message, content="") if message.content is None else message


def _folded(messages: tuple[Message, ...], keep_first: bool) -> tuple[Message, ...]:
    """System turns become the beginning of the user turn behind them, or one of their own where none comes next."""
    turns: list[Message] = []
    held: list[str] = []
    for index, message in enumerate(messages):
        if message.role == "system" and not (keep_first and index == 0):
            held.append(message.content or "")
        elif held and message.role == "user":
            turns.append(replace(message, content=BETWEEN.join([*held, message.content or ""])))
            held = []
        else:
            if held:
                turns.append(Message("user", BETWEEN.join(held)))
                held = []
            turns.append(message)
    return (*turns, Message("user", BETWEEN.join(held))) if held else tuple(turns)


def _merged(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    turns: list[Message] = []
    for message in messages:
        last = turns[-1] if turns else None
        merged = None if last is None or last.role != message.role else _joined(last, message)
        if merged is None:
            turns.append(message)
        else:
            turns[-1] = merged
    return tuple(turns)


def _joined(first: Message, second: Message) -> Message | None:
    """Joins two turns of one role; None for results, and where they differ in more than what is said."""
    if first.role == "tool" or (first.extra.keys() | second.extra.keys()) - JOINED:
        return None
    said = (*filter(None, (first.content, second.content)),)
    thoughts = (*filter(None, (turn.extra.get("reasoning_content") for turn in (first, second))),)
    calls = [call for turn in (first, second) for call in turn.extra.get("tool_calls", ())]
    extra: dict[str, Any] = {"reasoning_content": BETWEEN.join(thoughts)} if thoughts else {}
    return Message(
        first.role,
        BETWEEN.join(said) if said or not calls else None,
        {**extra, **({"tool_calls": calls} if calls else {})},
    )


def _with_text_arguments(message: Message) -> Message:
    """Writes the arguments of a message's calls as JSON text, where they are objects."""
    calls = message.extra.get("tool_calls")
    if not isinstance(calls, list):
        return message
    return replace(message, extra={**message.extra, "tool_calls": [_text_arguments(call) for call in calls]})


def _text_arguments(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), dict):
        return call
    text = json.dumps(function["arguments"], ensure_ascii=False)
    return {**call, "function": {**function, "arguments": text}}


def _with_wrapped_arguments(message: Message) -> Message:
    calls = message.extra.get("tool_calls")
    if not isinstance(calls, list):
        return message
    return replace(message, extra={**message.extra, "tool_calls": [_wrapped_arguments(call) for call in calls]})


def _wrapped_arguments(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    return {**call, "function": {**function, "arguments": {WRAPPER: function["arguments"]}}}


def _with_short_ids(message: Message) -> Message:
    extra = dict(message.extra)
    if isinstance(extra.get("tool_call_id"), str):
        extra["tool_call_id"] = _short_id(extra["tool_call_id"])
    if isinstance(extra.get("tool_calls"), list):
        extra["tool_calls"] = [
            {**call, "id": _short_id(call["id"])}
            if isinstance(call, dict) and isinstance(call.get("id"), str)
            else call
            for call in extra["tool_calls"]
        ]
    return replace(message, extra=extra)


def _short_id(long_id: str) -> str:
    """Returns the same short id for the same id, so that a result still finds its call."""
    if SHORT_ID.fullmatch(long_id):
        return long_id
    return hashlib.sha256(long_id.encode("utf-8", "replace")).hexdigest()[:9]
