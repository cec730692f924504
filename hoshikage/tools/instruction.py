"""Writes tools as text, for templates that do not write them: what may be called, what was, and what came of it. Pure.

Functions are a system text, calls stand in the assistant's own words, and results are turns of the user.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from hoshikage.params import Message

Call = Mapping[str, Any]
"""A call has `name` and `arguments`; those are an object, or text where that is not one's."""

INSTRUCTION: Final = """\
# Tools

You may call functions to help the user. These are the functions, as JSON, within <tools></tools>:
<tools>
{tools}
</tools>

To call one, answer with a JSON object of its name and arguments within <tool_call></tool_call>:
<tool_call>
{{"name": "<function>", "arguments": {{"<parameter>": <value>}}}}
</tool_call>
Results come back within <tool_response></tool_response>. If no function is needed, answer without calling any."""


def instruction(tools: Iterable[Mapping[str, Any]]) -> str:
    """Writes the system text that makes these tools known. A tool is as in a request: `type` and `function`."""
    return INSTRUCTION.format(tools="\n".join(_dumped(tool["function"]) for tool in tools))


def with_instruction(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Returns the conversation with this text at the end of its first system turn, or as one of its own."""
    if messages and messages[0].role == "system":
        content = "\n\n".join(filter(None, (messages[0].content, text)))
        return (replace(messages[0], content=content), *messages[1:])
    return (Message("system", text), *messages)


def calls_as_text(messages: tuple[Message, ...], write: Callable[[list[Call]], str]) -> tuple[Message, ...]:
    """Returns the conversation with its calls written into the assistant's words."""
    return tuple(_with_calls_as_text(message, write) for message in messages)


def results_as_text(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Returns the conversation with the results of calls as turns of the user; those that follow each other in one."""
    turns: list[Message] = []
    joined = False
    for message in messages:
        is_result = message.role == "tool"
        text = f"<tool_response>\n{message.content or ''}\n</tool_response>"
        if is_result and joined:
            turns[-1] = replace(turns[-1], content=f"{turns[-1].content}\n{text}")
        elif is_result:
            turns.append(Message("user", text))
        else:
            turns.append(message)
        joined = is_result
    return tuple(turns)


def write_tagged(calls: list[Call]) -> str:
    """Writes a call as the instruction has it, and Hermes."""
    return "\n".join(f"<tool_call>\n{_dumped(call)}\n</tool_call>" for call in calls)


def _with_calls_as_text(message: Message, write: Callable[[list[Call]], str]) -> Message:
    calls = message.extra.get("tool_calls")
    if not calls:
        return message
    functions: list[Call] = [
        {"name": call["function"]["name"], "arguments": call["function"]["arguments"]} for call in calls
    ]
    extra = {name: value for name, value in message.extra.items() if name != "tool_calls"}
    return replace(message, content="\n".join(filter(None, (message.content, write(functions)))), extra=extra)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
