"""The turns of a chat as clients send them, in OpenAI's forms of all years, and as chat templates get them. Any thread;
pure.

A turn that lies in the history comes again with every request: where its words can be had they are taken, in whatever
field another server has put them, and what has none becomes a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, get_args

import msgspec
from msgspec import Struct

from hoshikage.answer.schema import parts
from hoshikage.answer.schema.media import TEXT_PARTS, ContentPart, PlacedPart, Taken
from hoshikage.answer.schema.senses import BLIND, Senses
from hoshikage.errors import InvalidRequest
from hoshikage.params import Medium, Message

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
CHOICES: Final = {
    "messages[].role": get_args(Role),
    "messages[].tool_calls[].type": ("function",),
}
TEMPLATE_ROLES: Final[Mapping[str, str]] = {"developer": "system", "function": "tool"}
"""A role that chat templates do not know has another name there."""
THOUGHTS: Final = ("thinking", "reasoning")
"""Parts of these kinds hold what an answer thought."""


class CalledFunction(Struct, frozen=True):
    """A tool call's `function` is the name of the function that the assistant called, with its arguments."""

    name: str
    arguments: str | dict[str, Any] | None = None


class ToolCall(Struct, frozen=True):
    """A tool call is one call of a function in an assistant's turn."""

    ECHOED: ClassVar[frozenset[str]] = frozenset({"index"})

    id: str = ""
    type: Literal["function"] = "function"
    function: CalledFunction = CalledFunction("")


class ChatMessage(Struct, frozen=True):
    """A ChatMessage is one turn of a chat, as OpenAI's clients send it."""

    ECHOED: ClassVar[frozenset[str]] = frozenset({"annotations"})

    role: Role
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: Any = None
    """`reasoning` is other servers' name of `reasoning_content`, where it is a text."""
    refusal: str | None = None
    """`refusal` is what an answer says in place of `content`."""
    function_call: CalledFunction | None = None
    """`function_call` is a single call in its former form."""
    audio: Any = None
    """`audio` is an answer that was spoken, and lies with another server."""


def turns_of(messages: Sequence[ChatMessage], media_taken: Taken, senses: Senses) -> tuple[Message, ...]:
    """Returns the turns as chat templates get them. Raises InvalidRequest."""
    result: list[Message] = []
    former = ""
    for at, turn in enumerate(messages):
        if turn.function_call is not None:
            former = f"call{at:05}"
        result.append(_message(turn, at, former, media_taken, senses))
    return tuple(result)


def _message(turn: ChatMessage, at: int, former: str, media_taken: Taken, senses: Senses) -> Message:
    """Returns the turn as chat templates get it. `former` is the id of the last call that came without one, in the
    former way."""
    place = f"messages[{at}]"
    calls = [_call(call, f"{place}.tool_calls[{i}]") for i, call in enumerate(turn.tool_calls or ())]
    if turn.function_call is not None:
        calls.append(_call(ToolCall(former, function=turn.function_call), place, "function_call"))
    if calls and turn.role != "assistant":
        name = f"{place}.{'tool_calls' if turn.tool_calls else 'function_call'}"
        raise InvalidRequest("http.tool_calls_role", param=name, place=name)
    content = None if turn.content is None else _text(turn.content, at, media_taken, senses)
    if turn.refusal is not None:
        content = f"{content}\n{turn.refusal}" if content else turn.refusal
    if turn.audio is not None and not content:
        content = parts.left_out("audio", f"{place}.audio")
    if content is None and not calls and turn.role in ("assistant", "tool", "function"):
        content = ""  # an answer of thoughts alone, a tool that told nothing
    if content is None and not calls:
        raise InvalidRequest("http.content_missing", param=f"{place}.content", place=f"{place}.content")
    extra = {
        "name": turn.name,
        "tool_calls": calls or None,
        "tool_call_id": former if turn.role == "function" and turn.tool_call_id is None else turn.tool_call_id,
        "reasoning_content": _thoughts(turn),
    }
    return Message(
        role=TEMPLATE_ROLES.get(turn.role, turn.role),
        content=content,
        extra={name: value for name, value in extra.items() if value is not None},
    )


def _call(call: ToolCall, place: str, field: str = "function") -> dict[str, Any]:
    """Returns the call as templates and OpenAI have it, its arguments as text. Raises InvalidRequest."""
    if not call.function.name:
        raise InvalidRequest("http.field_missing", param=f"{place}.{field}.name", place=f"{place}.{field}.name")
    arguments = call.function.arguments
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": text}}


def _thoughts(turn: ChatMessage) -> str | None:
    """Returns what an answer thought, in whichever field a server has told it; None where there is nothing."""
    if turn.reasoning_content is not None:
        return turn.reasoning_content
    if isinstance(turn.reasoning, str) and turn.reasoning:
        return turn.reasoning
    if turn.role != "assistant" or not isinstance(turn.content, list):
        return None
    return "\n".join(part.thought for part in turn.content if part.type in THOUGHTS) or None


def _text(content: str | list[ContentPart], turn: int, media_taken: Taken, senses: Senses) -> str:
    """Returns the words of a content. What is no text has its mark there, or a word where it is left out."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for index, part in enumerate(content):
        at = part.place if isinstance(part, PlacedPart) else f"messages[{turn}].content[{index}]"
        if part.type in TEXT_PARTS:
            if part.words is None:
                name = f"{at}.{part.field}"
                raise InvalidRequest("http.field_missing", param=name, place=name)
            texts.append(part.words)
        elif part.type in THOUGHTS and part.thought:
            continue
        elif isinstance(medium := media_taken[turn, index], Medium):
            texts.append(medium.mark)
        else:
            is_blind = senses == BLIND and medium == "unread"
            texts.append(parts.left_out(part.type, at, parts.TEXT_ONLY if is_blind else parts.REASONS[medium]))
    return "\n".join(texts)
