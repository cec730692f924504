"""Conversations that chat templates are rendered with: systems, tools, calls, thoughts, other scripts. Values."""

from __future__ import annotations

from typing import Any, Final

from hoshikage.params import Message

WEATHER: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather. 「天気」を返す <b>",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "都市"},
                "units": {"type": "string", "enum": ["C", "F"]},
                "days": {"type": ["integer", "null"]},
                "places": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["city"],
        },
    },
}
TIME: Final[dict[str, Any]] = {
    "type": "function",
    "function": {"name": "time", "description": "Now.", "parameters": {"type": "object", "properties": {}}},
}
USER: Final = Message("user", "東京の天気は？")
SYSTEM: Final = Message("system", "Answer in haiku. 「短く」")


def call(*names: str, content: str | None = "", **extra: Any) -> Message:
    calls = [
        {
            "id": f"abcdef{number:03}",
            "type": "function",
            "function": {"name": name, "arguments": {"city": "東京", "days": 3} if name == "weather" else {}},
        }
        for number, name in enumerate(names)
    ]
    return Message("assistant", content, {"tool_calls": calls, **extra})


def result(text: str, number: int = 0) -> Message:
    return Message("tool", text, {"tool_call_id": f"abcdef{number:03}", "name": "weather"})


CONVERSATIONS: Final[dict[str, tuple[Message, ...]]] = {
    "one turn": (USER,),
    "system": (SYSTEM, USER),
    "turns": (SYSTEM, USER, Message("assistant", " 晴れ。\n"), Message("user", "  and tomorrow? 🌸")),
    "thoughts": (
        USER,
        Message("assistant", "Sunny.", {"reasoning_content": "Hm.\nWell."}),
        Message("user", "Sure?"),
        Message("assistant", "Yes.", {"reasoning_content": "Again?"}),
    ),
    "thoughts in the text": (USER, Message("assistant", "<think>\nHm.\n</think>\n\nSunny."), Message("user", "ok")),
    "call": (USER, call("weather"), result('{"sky": "晴れ"}')),
    "call, no text at all": (USER, call("weather", content=None), result("sunny")),
    "calls": (SYSTEM, USER, call("weather", "time"), result("sunny"), result("12:00", 1)),
    "call, told": (USER, call("weather"), result("sunny"), Message("assistant", "Sunny!"), Message("user", "Thanks")),
    "call with text": (USER, call("weather", content="I look."), result("sunny")),
    "call with thoughts": (USER, call("weather", reasoning_content="I need it."), result("sunny")),
    "two of the user": (USER, Message("user", "Hello?")),
    "late system": (USER, Message("assistant", "Sunny."), Message("system", "Be brief."), Message("user", "More")),
    "assistant first": (Message("assistant", "Hi!"), USER),
    "Jinja in the text": (Message("user", "{{ 7 * 7 }} {% raise %} \\n <|x|> &amp; 'a' \"b\""),),
}
