"""Items of a Responses request, as clients send them and get them back, and the turns they stand for. Pure.

What one assistant turn thinks, says and calls is several items here and one message of a chat.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal

from msgspec import Struct

from hoshikage.answer.schema.media import ContentPart, ImageUrl, InputAudio, PlacedPart, content_of
from hoshikage.answer.schema.parts import left_out
from hoshikage.answer.schema.turns import CalledFunction, ChatMessage
from hoshikage.answer.schema.turns import ToolCall as ChatCall
from hoshikage.errors import InvalidRequest
from hoshikage.http.ignored import note
from hoshikage.protocols.openai.responses_tools import arguments_of, flat_name

SEAL: Final = "hoshikage:"
"""Begins thoughts that a client keeps for us without looking at them; they are encoded, not encrypted."""
KINDS: Final = frozenset(
    {
        "message",
        "reasoning",
        "additional_tools",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "shell_call_output",
        "apply_patch_call",
        "apply_patch_call_output",
        "mcp_call",
    }
)
"""Items of these kinds are read; others are left out and named as ignored."""
RESULTS: Final = frozenset(kind for kind in KINDS if kind.endswith("_output"))
OWN: Final = {"local_shell_call": "action", "shell_call": "action", "apply_patch_call": "operation"}
"""Maps calls of OpenAI's own tools, which a client carries out, to the field that says what to do."""


class Part(Struct, frozen=True):
    """This is one part of an item's content."""

    ECHOED: ClassVar[frozenset[str]] = frozenset(
        {"annotations", "logprobs", "detail", "file_id", "stdout", "stderr", "outcome"}
    )

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | ImageUrl | None = None
    input_audio: InputAudio | None = None


class Item(Struct, frozen=True):
    """This is any input item that can be read; `type` says which of the fields it has."""

    ECHOED: ClassVar[frozenset[str]] = frozenset(
        {"id", "status", "approval_request_id", "server_label", "max_output_length", "created_by"}
    )

    type: str | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[Part] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    output: str | list[Part] | dict[str, Any] | None = None
    error: Any = None
    summary: list[Part] | None = None
    namespace: str | None = None
    input: str | None = None
    action: dict[str, Any] | None = None
    operation: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    encrypted_content: str | None = None


def readable(item: Any) -> Any:
    """Returns the item; of one that stands for nothing here, only its kind, for its fields have forms of their own."""
    kind = item.get("type") if isinstance(item, dict) else None
    if kind == "shell_call_output" and isinstance(item.get("output"), list):
        return {**item, "output": json.dumps(item["output"], ensure_ascii=False)}
    return {"type": kind} if isinstance(kind, str) and kind not in KINDS else item


def turns_of(items: str | Sequence[Item]) -> list[ChatMessage]:
    """Makes turns of a chat of the input. Raises InvalidRequest, ParameterUnsupported."""
    if isinstance(items, str):
        return [ChatMessage("user", items)]
    turns: list[ChatMessage] = []
    newest = max((index for index, item in enumerate(items) if item.role == "user"), default=-1)
    for index, item in enumerate(items):
        _add(turns, item, f"input[{index}]", is_newest=index == newest)
    return turns


def _add(turns: list[ChatMessage], item: Item, place: str, *, is_newest: bool) -> None:
    """What one assistant turn thinks, says and calls is several items here and one message of a chat."""
    kind = item.type or "message"
    if kind == "message":
        role = needed(item.role, f"{place}.role")
        words = item.content if item.content is not None or role != "assistant" else ""
        words = needed(words, f"{place}.content")
        if role == "assistant":
            _join(turns, content=_text(words, f"{place}.content"))
        else:
            turns.append(ChatMessage(role, _content(words, f"{place}.content", is_asked=is_newest)))
    elif kind == "mcp_call":
        _add_done(turns, item, place)
    elif kind in ("function_call", "custom_tool_call", *OWN):
        _join(turns, call=_call(item, kind, place))
    elif kind in RESULTS:
        output = item.output or ""
        content = json.dumps(output) if isinstance(output, dict) else _content(output, f"{place}.output")
        turns.append(ChatMessage("tool", content, tool_call_id=needed(item.call_id, f"{place}.call_id")))
    elif kind == "reasoning":
        parts = item.content if isinstance(item.content, list) and item.content else item.summary or []
        thoughts = "".join(part.text or "" for part in parts) or unsealed(item.encrypted_content)
        if thoughts:
            _join(turns, thoughts=thoughts)
    elif kind != "additional_tools":  # a call of OpenAI's own, or a word between its machines: nothing to answer
        note(f"{place}: {kind}")


def _add_done(turns: list[ChatMessage], item: Item, place: str) -> None:
    """Adds a call that another server has carried out: its result stands beside it."""
    called = CalledFunction(needed(item.name, f"{place}.name"), item.arguments)
    name = f"mcp{len(turns):06}"
    _join(turns, call=ChatCall(name, "function", called))
    result = item.output if item.error is None else item.error
    turns.append(ChatMessage("tool", result if isinstance(result, str) else json.dumps(result), tool_call_id=name))


def _call(item: Item, kind: str, place: str) -> ChatCall:
    if kind in OWN:
        doing = getattr(item, OWN[kind]) or {}
        called = CalledFunction(kind.removesuffix("_call"), json.dumps(doing, ensure_ascii=False))
    elif kind == "custom_tool_call":
        name = flat_name(needed(item.name, f"{place}.name"), item.namespace)
        called = CalledFunction(name, arguments_of(needed(item.input, f"{place}.input")))
    else:
        name = flat_name(needed(item.name, f"{place}.name"), item.namespace)
        called = CalledFunction(name, needed(item.arguments, f"{place}.arguments"))
    return ChatCall(needed(item.call_id, f"{place}.call_id"), "function", called)


def sealed(thoughts: str) -> str:
    """Seals thoughts as a client gives them back without having looked at them."""
    return SEAL + base64.b64encode(thoughts.encode("utf-8", "replace")).decode()


def unsealed(text: str | None) -> str:
    """Returns the thoughts again; none of what another server has sealed."""
    if text is None or not text.startswith(SEAL):
        return ""
    try:
        return base64.b64decode(text.removeprefix(SEAL)).decode("utf-8", "replace")
    except ValueError:
        return ""


def _join(
    turns: list[ChatMessage], *, content: str | None = None, thoughts: str | None = None, call: ChatCall | None = None
) -> None:
    """Adds to the assistant's turn if that goes on, else begins one. Thoughts and a second text begin a new one."""
    last = turns[-1] if turns and turns[-1].role == "assistant" else None
    open_ended = last is not None and thoughts is None and (content is None or not (last.content or last.tool_calls))
    if last is None or not open_ended:
        last = ChatMessage("assistant", "")
        turns.append(last)
    calls = [*(last.tool_calls or ()), *([call] if call else ())]
    text = content or last.content or (None if calls else "")  # templates tell a call alone from an empty text
    thoughts = thoughts or last.reasoning_content
    turns[-1] = ChatMessage("assistant", text, reasoning_content=thoughts, tool_calls=calls or None)


def _content(content: str | Sequence[Part], place: str, *, is_asked: bool = False) -> str | list[ContentPart]:
    """Returns a content as the chat has it; `is_asked` tells that it is what the user has just said."""
    if isinstance(content, str):
        return content
    parts: list[str | ContentPart] = []
    for index, part in enumerate(content):
        at = f"{place}[{index}]"
        words = _words(part, at)
        other = PlacedPart(
            part.type, image_url=part.image_url, input_audio=part.input_audio, place=at, is_asked=is_asked
        )
        parts.append(other if words is None else words)
    return content_of(parts)


def _text(content: str | Sequence[Part], place: str) -> str:
    """Returns the words of a content. What is no text leaves a word in its place."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for index, part in enumerate(content):
        at = f"{place}[{index}]"
        words = _words(part, at)
        texts.append(left_out(part.type, at) if words is None else words)
    return "\n".join(texts)


def _words(part: Part, place: str) -> str | None:
    """Returns a part's words; None for a part that is no text."""
    if part.type in ("input_text", "output_text", "text", "summary_text", "reasoning_text"):
        return str(needed(part.text, f"{place}.text"))
    return str(needed(part.refusal, f"{place}.refusal")) if part.type == "refusal" else None


def needed(value: Any, place: str) -> Any:
    """Raises InvalidRequest for what is not there."""
    if value is None:
        raise InvalidRequest("http.field_missing", param=place, place=place)
    return value
