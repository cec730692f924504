"""Content blocks of Anthropic's messages as the turns of a chat. Any thread; pure.

What is no text leaves a word in its place, for it lies in the history and would be sent again with every turn; only in
what the user has just said is it refused.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from hoshikage.answer import unparsed
from hoshikage.answer.schema.media import ContentPart, PlacedPart, content_of
from hoshikage.answer.schema.parts import left_out
from hoshikage.answer.schema.turns import CalledFunction, ChatMessage, ToolCall
from hoshikage.errors import InvalidRequest


class Block(Struct, frozen=True):
    """This is any content block that can be read; `type` says which of the fields it has."""

    ECHOED: ClassVar[frozenset[str]] = frozenset({"cache_control", "caller", "citations", "signature"})

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None
    tool_use_id: str | None = None
    content: str | list[Block] | dict[str, Any] | None = None
    is_error: bool | None = None
    tool_name: str | None = None
    source: Any = None
    title: str | None = None


def add_user(turns: list[ChatMessage], role: str, blocks: list[Block], place: str, *, is_newest: bool) -> None:
    """Adds the turns of one message that is not the assistant's: results of tools become turns of their own."""
    parts: list[str | ContentPart] = []
    for index, block in enumerate(blocks):
        at = f"{place}[{index}]"
        if block.type == "tool_result" and role == "user":
            _flush(turns, role, parts)
            turns.append(_result(block, at))
        else:
            parts.append(_part(block, at, is_asked=is_newest))
    _flush(turns, role, parts)


def assistant(blocks: list[Block], place: str) -> ChatMessage:
    """Makes one turn of thoughts, words and calls."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for index, block in enumerate(blocks):
        at = f"{place}[{index}]"
        if block.type == "thinking":
            thoughts.append(needed(block.thinking, f"{at}.thinking"))
        elif block.type == "tool_use":
            called = CalledFunction(needed(block.name, f"{at}.name"), unparsed.text_of(block.input))
            calls.append(ToolCall(needed(block.id, f"{at}.id"), "function", called))
        elif block.type != "redacted_thinking":  # sealed for Anthropic's eyes
            texts.append(text_of(block, at))
    content = "\n".join(texts) or (None if calls else "")
    return ChatMessage("assistant", content, reasoning_content="\n".join(thoughts) or None, tool_calls=calls or None)


def text_of(block: Block, place: str) -> str:
    """Returns the words of a block, or the word for what has none. Raises InvalidRequest."""
    words = _words(block, place)
    return left_out(block.type, place) if words is None else words


def _words(block: Block, place: str) -> str | None:
    """Returns a block's words; None for a block without any. Raises InvalidRequest."""
    if block.type == "text":
        return str(needed(block.text, f"{place}.text"))
    if block.type == "tool_reference":
        return f"[tool: {block.tool_name or block.name}]"
    return _document(block) or None if block.type in ("document", "search_result") else None


def _part(block: Block, place: str, *, is_asked: bool = False) -> str | ContentPart:
    """Returns the words of a block, or what it holds else. Raises InvalidRequest."""
    words = _words(block, place)
    return PlacedPart(block.type, image_url=_url(block), place=place, is_asked=is_asked) if words is None else words


def _url(block: Block) -> str | None:
    """Returns where a picture is, as OpenAI says it; None for one that lies with Anthropic."""
    source = block.source if isinstance(block.source, dict) else {}
    data, url = source.get("data"), source.get("url")
    if source.get("type") == "base64" and isinstance(data, str):
        return f"data:;base64,{data}"
    return url if source.get("type") == "url" and isinstance(url, str) else None


def referenced(blocks: list[Block]) -> set[str]:
    """The tools that blocks name, those in results included."""
    result: set[str] = set()
    for block in blocks:
        if block.type == "tool_reference" and block.tool_name:
            result.add(block.tool_name)
        elif isinstance(block.content, list):
            result |= referenced(block.content)
    return result


def needed(value: Any, place: str) -> Any:
    if value is None:
        raise InvalidRequest("http.field_missing", param=place, place=place)
    return value


def _document(block: Block) -> str:
    """Returns the words of a document that is text, or is made of blocks of it."""
    source = block.source if isinstance(block.source, dict) else {}
    parts = block.content if isinstance(block.content, list) else []
    words = [part.text for part in parts if part.text]
    data = source.get("data")
    if source.get("type") == "text" and isinstance(data, str):
        words.append(data)
    inner = source.get("content") if source.get("type") == "content" else None
    if isinstance(inner, str):
        words.append(inner)
    elif isinstance(inner, list):
        words += [one["text"] for one in inner if isinstance(one, dict) and isinstance(one.get("text"), str)]
    return "\n".join(([block.title] if block.title and words else []) + words)


def _flush(turns: list[ChatMessage], role: Any, parts: list[str | ContentPart]) -> None:
    if parts:
        turns.append(ChatMessage(role, content_of(parts)))
        parts.clear()


def _result(block: Block, place: str) -> ChatMessage:
    content = "" if block.content is None else block.content
    if isinstance(content, list):
        shown = content_of([_part(one, f"{place}.content[{at}]") for at, one in enumerate(content)])
    else:
        shown = content if isinstance(content, str) else msgspec.json.encode(content).decode()
    if block.is_error:  # templates know no other way to tell it
        shown = f"Error: {shown}" if isinstance(shown, str) else [ContentPart("text", "Error:"), *shown]
    return ChatMessage("tool", shown, tool_call_id=needed(block.tool_use_id, f"{place}.tool_use_id"))
