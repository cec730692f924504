"""Tests turns that other servers have made, or a client's former version: every word of them reaches the template.

They lie in the history and come again with every request, so that one that is refused would end the conversation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage.answer.schema import chat
from hoshikage.answer.schema.thoughts import ThoughtRequest
from hoshikage.params import ChatPrompt, Message
from hoshikage.protocols.ollama import ollama_schema
from hoshikage.protocols.openai.responses_tools import ResponsesTool, offer
from hoshikage.registry import ModelSpec
from hoshikage.settings import Settings
from tests.protocols.conftest import House
from tests.protocols.field_values import SCHEMA, USER, Body
from tests.protocols.test_chat_tools import model
from tests.protocols.test_responses import says

JSON: Final = {"Content-Type": "application/json"}
HEADER: Final = "X-Hoshikage-Ignored"


def seen(settings: Settings, *turns: Body) -> tuple[Message, ...]:
    """The turns as the chat template would get them."""
    body = chat.parse(json.loads(json.dumps({"messages": [*turns, USER]})))
    return chat.to_request(body, ModelSpec("tiny", Path("tiny.gguf"), (), 0), settings).chat.messages[:-1]


async def asked(house: House, path: str, **body: Any) -> tuple[tuple[Message, ...], str]:
    """Returns the turns of a request that is answered, and what it was told that nobody looked at."""
    status, told, headers = await house.ask(
        "POST", path, json.dumps({"model": "tiny", "stream": False, **body}), **JSON
    )
    assert status == 200, told
    prompt = house.dispatcher.asked[-1][1].prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt.messages, headers.get(HEADER, "")


@pytest.mark.parametrize(
    ("turn", "content", "thoughts"),
    [
        ({"content": "a", "reasoning": "Hm."}, "a", "Hm."),
        ({"content": "a", "reasoning": "Hm.", "reasoning_content": "So."}, "a", "So."),
        ({"content": "a", "reasoning": {"effort": "low"}}, "a", None),
        ({"content": None, "refusal": "I will not."}, "I will not.", None),
        ({"content": "a", "refusal": "I will not."}, "a\nI will not.", None),
        ({"content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}]}, "a\nno", None),
        ({"content": [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "a"}]},
         "a", "Hm."),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}, "", "Hm."),
        ({"content": [{"type": "reasoning", "text": "Hm."}, {"type": "output_text", "text": "a"}]}, "a", "Hm."),
        ({"content": None, "audio": {"id": "x"}}, "[audio left out: this model reads text only]", None),
    ],
)  # fmt: skip
def test_an_answer_of_another_server(settings: Settings, turn: Body, content: str, thoughts: str | None) -> None:
    (told,) = seen(settings, {"role": "assistant", **turn})
    assert (told.content, told.extra.get("reasoning_content")) == (content, thoughts)


def test_calls_of_before_there_were_tools(settings: Settings) -> None:
    turns: list[Body] = []
    for city in ("東京", "大阪"):
        arguments = json.dumps({"city": city})
        turns.append(
            {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": arguments}}
        )
        turns.append({"role": "function", "name": "weather", "content": f"{city}: 晴れ"})
    told = seen(settings, *turns)
    assert [turn.role for turn in told] == ["assistant", "tool"] * 2
    ids = [turn.extra["tool_calls"][0]["id"] for turn in told[::2]]
    assert [turn.extra["tool_call_id"] for turn in told[1::2]] == ids
    assert len(set(ids)) == 2
    assert [json.loads(turn.extra["tool_calls"][0]["function"]["arguments"])["city"] for turn in told[::2]] == [
        "東京",
        "大阪",
    ]


def call(kind: str, **fields: Any) -> Body:
    return {"type": f"{kind}_call", "id": "i", "status": "completed", "call_id": "c", **fields}


def output(kind: str, told: Any, **fields: Any) -> Body:
    return {"type": f"{kind}_call_output", "id": "o", "status": "completed", "call_id": "c", "output": told, **fields}


@pytest.mark.parametrize(
    ("items", "name", "said", "result"),
    [
        ([call("function", name="weather", arguments={"city": "東京"}), output("function", "晴れ")],
         "weather", "東京", "晴れ"),
        ([call("shell", action={"commands": ["ls"]}),
          output("shell", [{"stdout": "made.txt", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}])],
         "shell", "ls", "made.txt"),
        ([call("apply_patch", operation={"type": "update_file", "diff": "+b"}), output("apply_patch", "ok")],
         "apply_patch", "+b", "ok"),
        ([{"type": "mcp_call", "server_label": "s", "name": "find", "arguments": '{"q": 1}', "output": "it"}],
         "find", '"q": 1', "it"),
        ([{"type": "mcp_call", "id": "i", "name": "find", "arguments": "{}", "error": {"code": 7}}],
         "find", "{}", '{"code": 7}'),
    ],
)  # fmt: skip
async def test_calls_of_openais_own_tools(
    house: House, tmp_path: Path, items: list[Body], name: str, said: str, result: str
) -> None:
    model(tmp_path, "qwen3")
    turns, ignored = await asked(house, "/v1/responses", input=[USER, *items, USER])
    assert ignored == ""
    assert [turn.role for turn in turns] == ["user", "assistant", "tool", "user"]
    (made,) = turns[1].extra["tool_calls"]
    assert made["function"]["name"] == name
    assert said in json.dumps(made["function"]["arguments"], ensure_ascii=False)
    assert result in (turns[2].content or "")
    assert turns[2].extra["tool_call_id"] == made["id"]


@pytest.mark.parametrize("nothing", [{"input": None}, {"input": "x", "previous_response_id": ""}])
async def test_nothing_is_asked_for_by_an_empty_field(house: House, nothing: Body) -> None:
    _, ignored = await asked(house, "/v1/responses", **nothing)
    assert ignored == ""


async def test_what_ollamas_clients_send_back(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    calls = [
        {"type": "function", "function": {"index": n, "name": name, "arguments": {}}} for n, name in enumerate("ab")
    ]
    results = [{"role": "tool", "name": name, "content": f"of {name}"} for name in "ba"]
    turns, ignored = await asked(
        house, "/api/chat", messages=[USER, {"role": "assistant", "content": "", "tool_calls": calls}, *results]
    )
    assert ignored == ""
    ids = {one["function"]["name"]: one["id"] for one in turns[1].extra["tool_calls"]}
    assert [(turn.extra["tool_call_id"], turn.content) for turn in turns[2:]] == [
        (ids["b"], "of b"),
        (ids["a"], "of a"),
    ]


@pytest.mark.parametrize(
    ("think", "on", "effort"),
    [
        ("max", True, "xhigh"),
        ("low", True, "low"),
        ("true", True, None),
        ("off", False, None),
        (False, False, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_every_word_for_thoughts(think: Any, on: bool | None, effort: str | None) -> None:
    body = ollama_schema.parse_chat({"messages": [USER], "think": think})
    assert chat.thoughts_of(ollama_schema.chat_of(body)) == ThoughtRequest(on, None, effort)
    assert body.shows_thoughts is (on is not False)


async def test_what_anthropics_clients_send_beside_a_conversation(house: House) -> None:
    form = {"type": "json_schema", "schema": SCHEMA}
    _, ignored = await asked(house, "/v1/messages", messages=[USER], speed="fast", output_format=form)
    work = house.dispatcher.asked[-1][1]
    assert ignored == "speed"
    assert work.grammar is not None
    assert json.loads(work.grammar.text) == SCHEMA
    assert work.max_tokens is None, "as many as there are"


NAMESPACE: Final = ResponsesTool("namespace", "agents", tools=[{"type": "function", "name": "close"}])


@pytest.mark.parametrize("name", ["agents__close", "close", "agents.close"])
async def test_a_function_of_a_namespace_by_any_of_its_names(house: House, tmp_path: Path, name: str) -> None:
    model(tmp_path, "qwen2.5")
    says(house, f'<tool_call>\n{{"name": "{name}", "arguments": {{}}}}\n</tool_call>')
    body = {"input": "x", "tools": [{"type": "namespace", "name": "agents", "tools": list(NAMESPACE.tools or ())}]}
    status, told, _ = await house.ask("POST", "/v1/responses", json.dumps({"model": "tiny", **body}), **JSON)
    assert status == 200
    (item,) = told["output"]
    assert (item["type"], item["name"], item["namespace"]) == ("function_call", "close", "agents")


def test_a_name_that_means_several_functions_is_none_of_them() -> None:
    plain = ResponsesTool("function", "close")
    other = ResponsesTool("namespace", "files", tools=[{"type": "function", "name": "close"}])
    offered = offer([("tools[0]", NAMESPACE), ("tools[1]", other)])
    assert offered.origin("close") is None
    assert offered.origin("files.close") == offered.origins["files__close"]
    own = offer([("tools[0]", NAMESPACE), ("tools[1]", plain)]).origin("close")
    assert own is not None
    assert own.namespace is None
