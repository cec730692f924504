"""Tests what coding agents send, in the shapes in which they were seen to send it; what they get can be sent back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.protocols.conftest import House
from tests.protocols.test_chat_tools import model, prompted
from tests.protocols.test_responses import says

PARAMETERS: Final = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
PARAMETERS_OFF: Final = {**PARAMETERS, "additionalProperties": False}


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "description": "d", "strict": False, "parameters": PARAMETERS_OFF, **more}


def text(words: str) -> list[dict[str, Any]]:
    return [{"type": "input_text", "text": words}]


NAMESPACE: Final = {
    "type": "namespace",
    "name": "multi_agent_v1",
    "description": "d",
    "tools": [function("close_agent"), function("spawn_agent")],
}
CODEX: Final[dict[str, Any]] = {
    "model": "tiny",
    "stream": True,
    "input": [
        {"type": "message", "id": "1", "role": "developer", "content": text("Permissions.")},
        {"type": "message", "id": "2", "role": "developer", "content": [*text("Apps."), *text("Skills.")]},
        {"type": "message", "id": "3", "role": "user", "content": text("Environment.")},
        {"type": "message", "id": "4", "role": "user", "content": text("List the files.")},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "k",
    "client_metadata": {"session_id": "s"},
    "tools": [
        function("exec_command"),
        NAMESPACE,
        {"type": "custom", "name": "apply_patch", "description": "Patches.",
         "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}},
        {"type": "web_search", "external_web_access": False},
        {"type": "image_generation"},
        {"type": "local_shell"},
        {"type": "mcp", "server_label": "x", "server_url": "https://mcp.example"},
        {"type": "tool_search"},
    ],
}  # fmt: skip
KNOWN_MODEL: Final[dict[str, Any]] = {
    **{name: value for name, value in CODEX.items() if name != "tools"},
    "reasoning": {"effort": "low", "context": "all_turns"},
    "text": {"verbosity": "low"},
    "input": [
        {
            "type": "additional_tools",
            "id": "0",
            "role": "developer",
            "tools": [
                {
                    "type": "namespace",
                    "name": "functions",
                    "description": "",
                    "tools": [
                        {"type": "custom", "name": "exec", "description": "Runs.", "format": {"type": "text"}},
                        function("wait"),
                    ],
                },
                {"type": "namespace", "name": "clock", "description": "d", "tools": [function("sleep")]},
            ],
        },
        *CODEX["input"],
    ],
}
CLAUDE: Final[dict[str, Any]] = {
    "model": "tiny",
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "Reminder."}, {"type": "text", "text": "List the files."}
        ]},
        {"role": "system", "content": [{"type": "text", "text": "Tools.", "cache_control": {"type": "ephemeral"}}]},
    ],
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.332.9a2; cc_entrypoint=sdk-cli;"},
        {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
    ],
    "metadata": {"user_id": "{}"},
    "max_tokens": 32000,
    "thinking": {"type": "adaptive", "display": "updates"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
    "tools": [
        {"name": "Bash", "description": "d", "input_schema": PARAMETERS},
        {"name": "WebFetch", "description": "d", "defer_loading": True, "input_schema": PARAMETERS},
        {"name": "DeferredToolPlaceholder", "defer_loading": True, "input_schema": {"type": "object"}},
    ],
}  # fmt: skip
BETAS: Final = (
    "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
    "mid-conversation-tool-changes-2026-07-01,thinking-token-count-2026-05-13,advanced-tool-use-2025-11-20,"
    "effort-2025-11-24,thinking-display-updates-2026-08-18"
)
PIXEL: Final = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}


@pytest.fixture(autouse=True)
def hermes(tmp_path: Path, house: House) -> None:
    model(tmp_path, "qwen3")
    says(house, "All is well.")


async def responses(house: House, body: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """Returns the response, all events of it, and what was ignored."""
    sent = {"Content-Type": "application/json"}
    async with house.session.post(f"{house.url}/v1/responses", data=json.dumps(body), headers=sent) as answer:
        said = await answer.text()
        assert answer.status == 200, said
        ignored = answer.headers.get("X-Hoshikage-Ignored", "")
        if not body.get("stream"):
            return json.loads(said), [], ignored
    events = [json.loads(frame.partition("data: ")[2]) for frame in said.strip().split("\n\n")]
    return events[-1]["response"], events, ignored


async def messages(house: House, body: dict[str, Any]) -> tuple[int, dict[str, Any], str]:
    headers = {"Content-Type": "application/json", "anthropic-beta": BETAS, "anthropic-version": "2023-06-01"}
    status, answer, told = await house.ask("POST", "/v1/messages?beta=true", json.dumps(body), **headers)
    return status, answer, told.get("X-Hoshikage-Ignored", "")


def names(house: House) -> list[str]:
    return [tool["function"]["name"] for tool in prompted(house).tools]


def call(name: str, **arguments: Any) -> str:
    return "<tool_call>" + json.dumps({"name": name, "arguments": arguments}) + "</tool_call>"


async def test_codex_s_first_request(house: House) -> None:
    response, events, ignored = await responses(house, CODEX)
    assert response["output"][0]["content"][0]["text"] == "All is well."
    assert names(house) == [
        "exec_command",
        "multi_agent_v1__close_agent",
        "multi_agent_v1__spawn_agent",
        "apply_patch",
    ]
    assert prompted(house).tools[3]["function"]["description"].endswith("lark grammar:\nstart: /.+/")
    for left_out in (
        "tools[3]: web_search",
        "tools[4]: image_generation",
        "tools[6]: mcp",
        "client_metadata",
    ):
        assert left_out in ignored
    assert "tools[2].format" not in ignored
    calls = house.dispatcher.asked[-1][1].calls
    assert calls is not None
    assert [grammar.kind for name, grammar in calls.grammars if name == "apply_patch"] == ["gbnf"]
    assert [turn.content for turn in prompted(house).messages] == [
        "Permissions.", "Apps.\nSkills.", "Environment.", "List the files."
    ]  # fmt: skip
    assert [tool["type"] for tool in response["tools"]] == [tool["type"] for tool in CODEX["tools"]]
    assert (response["presence_penalty"], response["frequency_penalty"], response["service_tier"]) == (0, 0, "default")
    assert events[-1]["type"] == "response.completed"


@pytest.mark.parametrize("streamed", [True, False])
async def test_calls_come_back_as_the_kinds_they_were_offered_as_and_go_in_again(house: House, streamed: bool) -> None:
    patch = '*** Begin Patch\n+"星"\n*** End Patch'
    said = (
        call("multi_agent_v1__close_agent", cmd="1") + call("apply_patch", input=patch) + call("exec_command", cmd="ls")
    )
    says(house, f"<think>Three.</think>I act.{said}")
    response, events, _ = await responses(house, {**CODEX, "stream": streamed})
    thought, words, *calls = response["output"]
    assert (thought["type"], words["content"][0]["text"]) == ("reasoning", "I act.")
    shown = [{name: one.get(name) for name in ("type", "name", "namespace", "arguments", "input")} for one in calls]
    assert shown == [
        {"type": "function_call", "name": "close_agent", "namespace": "multi_agent_v1", "arguments": '{"cmd": "1"}',
         "input": None},
        {"type": "custom_tool_call", "name": "apply_patch", "namespace": None, "arguments": None, "input": patch},
        {"type": "function_call", "name": "exec_command", "namespace": None, "arguments": '{"cmd": "ls"}',
         "input": None},
    ]  # fmt: skip
    if streamed:
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        assert done == response["output"]
        (custom,) = (event for event in events if event["type"] == "response.custom_tool_call_input.done")
        assert custom["input"] == patch
    outputs = [
        {"type": "custom_tool_call_output" if one["type"] == "custom_tool_call" else "function_call_output",
         "call_id": one["call_id"], "output": f"result {number}"}
        for number, one in enumerate(calls)
    ]  # fmt: skip
    says(house, "Done.")
    kept = {**thought, "content": None}  # clients keep what is sealed and drop what they cannot read
    await responses(house, {**CODEX, "input": [*CODEX["input"], kept, words, *calls, *outputs]})
    *_, turn, first, second, third = prompted(house).messages
    assert (turn.content, turn.extra["reasoning_content"]) == ("I act.", "Three.")
    assert [one["function"] for one in turn.extra["tool_calls"]] == [
        {"name": "multi_agent_v1__close_agent", "arguments": {"cmd": "1"}},
        {"name": "apply_patch", "arguments": {"input": patch}},
        {"name": "exec_command", "arguments": {"cmd": "ls"}},
    ]
    assert [one.content for one in (first, second, third)] == ["result 0", "result 1", "result 2"]


async def test_tools_that_stand_in_the_input(house: House) -> None:
    says(house, call("exec", input="ls") + call("clock__sleep", cmd="1"))
    response, _, _ = await responses(house, {**KNOWN_MODEL, "stream": False})
    assert names(house) == ["exec", "wait", "clock__sleep"]
    custom, function = response["output"]
    assert (custom["type"], custom["name"], custom["namespace"], custom["input"]) == (
        "custom_tool_call", "exec", "functions", "ls"
    )  # fmt: skip
    assert (function["name"], function["namespace"]) == ("sleep", "clock")


async def test_items_that_stand_for_nothing_here_are_left_out_by_name(house: House) -> None:
    given = [
        {"type": "item_reference", "id": "x"},
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAAAB of another server"},
        {"type": "image_generation_call", "id": "ig", "result": None, "output": 5},
        {"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"]}},
        {"type": "local_shell_call_output", "call_id": "c", "output": "a.txt"},
        {"role": "user", "content": text("Go on.")},
    ]
    _, _, ignored = await responses(house, {"model": "tiny", "input": given})
    assert ignored.endswith("input[0]: item_reference, input[1]: web_search_call, input[3]: image_generation_call")
    assert [(turn.role, turn.content) for turn in prompted(house).messages] == [
        ("assistant", None), ("tool", "a.txt"), ("user", "Go on.")
    ]  # fmt: skip


@pytest.mark.parametrize("given", [{"input": []}, {"input": ""}, {}, {"input": [], "instructions": "Be brief."}])
async def test_a_look_whether_the_model_is_there(house: House, given: dict[str, Any]) -> None:
    response, _, _ = await responses(house, {"model": "tiny", "max_output_tokens": 1, **given})
    assert response["object"] == "response"


async def test_an_image_of_codex_in_a_result_is_a_word_and_in_the_question_a_refusal(house: House) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,aaaa"}
    view = {"type": "function_call", "call_id": "c", "name": "view_image", "arguments": "{}"}
    seen = {"type": "function_call_output", "call_id": "c", "output": [image]}
    _, _, ignored = await responses(house, {**CODEX, "input": [*CODEX["input"], view, seen]})
    assert prompted(house).messages[-1].content == "[image left out: this model reads text only]"
    assert "input[5].output[0]: input_image" in ignored
    asked = {"role": "user", "content": [*text("What is it?"), image]}
    body = json.dumps({**CODEX, "input": [asked]})
    status, error, _ = await house.ask("POST", "/v1/responses", body, **{"Content-Type": "application/json"})
    assert (status, error["error"]["param"]) == (400, "input[0].content[1].type")
    later = [asked, {"role": "assistant", "content": "A star."}, {"role": "user", "content": text("Sure?")}]
    await responses(house, {**CODEX, "input": later})
    assert prompted(house).messages[0].content == "What is it?\n[image left out: this model reads text only]"


async def test_claude_code_s_first_request(house: House) -> None:
    status, answer, ignored = await messages(house, CLAUDE)
    assert (status, answer["content"]) == (200, [{"type": "text", "text": "All is well."}])
    assert [(turn.role, turn.content) for turn in prompted(house).messages] == [
        ("system", "You are an agent."), ("user", "Reminder.\nList the files."), ("system", "Tools.")
    ]  # fmt: skip
    assert names(house) == ["Bash"]
    assert "metadata" in ignored


async def test_a_tool_that_a_result_names_is_shown_from_there_on(house: House) -> None:
    search = {"type": "tool_use", "id": "1", "name": "ToolSearch", "input": {"query": "web", "max_results": 5}}
    found = {
        "type": "tool_result",
        "tool_use_id": "1",
        "content": [{"type": "tool_reference", "tool_name": "WebFetch"}],
    }
    more = [{"role": "assistant", "content": [search]}, {"role": "user", "content": [found]}]
    status, _, _ = await messages(house, {**CLAUDE, "messages": [*CLAUDE["messages"], *more]})
    assert status == 200
    assert names(house) == ["Bash", "WebFetch"]
    assert prompted(house).messages[-1].content == "[tool: WebFetch]"


async def test_an_image_that_a_tool_has_read_ends_no_session(house: House) -> None:
    read = {"type": "tool_use", "id": "1", "name": "Read", "input": {"file_path": "a.png"}}
    seen = {"type": "tool_result", "tool_use_id": "1", "content": [PIXEL]}
    more = [{"role": "assistant", "content": [read]}, {"role": "user", "content": [seen]}]
    status, _, ignored = await messages(house, {**CLAUDE, "messages": [*CLAUDE["messages"], *more]})
    assert status == 200
    assert prompted(house).messages[-1].content == "[image left out: this model reads text only]"
    assert "messages[3].content[0].content[0]: image" in ignored
    status, error, _ = await messages(house, {**CLAUDE, "messages": [{"role": "user", "content": [PIXEL]}]})
    assert status == 400
    assert "messages[0].content[0].type" in error["error"]["message"]


async def test_blocks_of_all_kinds_in_the_history(house: House) -> None:
    cut = {"__unparsedToolInput": {"raw": '{"cmd": "l', "len": 10}}
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [
            {"type": "redacted_thinking", "data": "x"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": {"type": "error", "error_code": "x"}},
            {"type": "tool_use", "id": "1", "name": "Bash", "input": cut},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "1", "content": None, "is_error": True},
            {"type": "document", "title": "T", "source": {"type": "text", "data": "Words."}},
            {"type": "search_result", "source": "u", "title": "S", "content": [{"type": "text", "text": "Found."}]},
            {"type": "text", "text": "Go on."},
        ]},
    ]  # fmt: skip
    status, _, _ = await messages(house, {**CLAUDE, "messages": history})
    assert status == 200
    _, user, assistant, result, last = prompted(house).messages
    assert (user.content, result.content, last.content) == ("a", "Error: ", "T\nWords.\nS\nFound.\nGo on.")
    assert "server_tool_use left out" in str(assistant.content)
    assert assistant.extra["tool_calls"][0]["function"]["arguments"] == '{"cmd": "l'


async def test_tools_of_anthropic_s_own(house: House) -> None:
    own = [
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 10000},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
        {"type": "code_execution_20250825", "name": "code_execution"},
    ]
    status, _, ignored = await messages(house, {**CLAUDE, "tools": own})
    assert status == 200
    assert names(house) == ["bash", "str_replace_based_edit_tool"]
    assert "tools[2]: web_search_20250305" in ignored


PLACEHOLDER: Final = "[image left out: this model reads text only]"
EMPTY_CALL: Final = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
SHOWN: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "/v1/chat/completions": (
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "assistant", "tool_calls": [EMPTY_CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
        {"role": "user", "content": "What is it?"},
    ),
    "/api/chat": (
        {"role": "user", "content": "a", "images": ["aaaa"]},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "look", "arguments": {}}}]},
        {"role": "tool", "tool_name": "look", "content": "", "images": ["aaaa"]},
        {"role": "user", "content": "What is it?"},
    ),
    "/v1/messages": (
        {"role": "user", "content": [{"type": "text", "text": "a"}, PIXEL]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [PIXEL]}]},
        {"role": "user", "content": "What is it?"},
    ),
}


@pytest.mark.parametrize("route", SHOWN)
async def test_images_of_the_history_become_words_and_those_of_the_question_are_refused(
    house: House, route: str
) -> None:
    body: dict[str, Any] = {"model": "tiny", "max_tokens": 9, "stream": False, "messages": list(SHOWN[route])}
    if route == "/api/chat":
        del body["max_tokens"]
    status, answer, told = await house.ask("POST", route, json.dumps(body))
    assert status == 200
    contents = [turn.content for turn in prompted(house).messages]
    assert contents[0] == (f"{PLACEHOLDER}\na" if route == "/api/chat" else f"a\n{PLACEHOLDER}")
    assert contents[2:] == [PLACEHOLDER, "What is it?"]
    assert [one["code"] for one in answer["warnings"]] == ["content_left_out"]
    assert "messages[0]" in told["X-Hoshikage-Ignored"]
    status, answer, _ = await house.ask("POST", route, json.dumps({**body, "messages": body["messages"][:1]}))
    assert status == 400


@pytest.mark.parametrize(
    ("syntax", "definition", "choice", "is_told"),
    [
        ("lark", "start: /[0-9]+/", "auto", False),
        ("lark", "start: /[0-9]+/", "required", False),
        ("regex", "[0-9]+", "auto", False),
        ("regex", "[0-9]+", "required", False),
        ("regex", "(?=1)[0-9]+", "auto", True),
        ("regex", "(?=1)[0-9]+", "required", True),
        ("regex", "(", "auto", True),
        ("regex", "(", "required", True),
        ("lark", "start: a{b}", "auto", True),
        ("lark", "start: a{b}", "required", True),
        ("lark", "start: (", "auto", True),
        ("lark", "start: (", "required", True),
        ("ebnf", "start: /[0-9]+/", "auto", True),
    ],
)
async def test_a_grammar_of_a_custom_tool_is_enforced_or_named(
    house: House, syntax: str, definition: str, choice: str, is_told: bool
) -> None:
    form = {"type": "grammar", "syntax": syntax, "definition": definition}
    tool = {"type": "custom", "name": "sum", "format": form}
    says(house, '[{"name": "sum", "arguments": {"input": "12"}}]' if choice == "required" else call("sum", input="12"))
    asked = {"model": "tiny", "input": "1 + 11?", "tools": [tool], "tool_choice": choice}
    response, _, ignored = await responses(house, asked)
    assert ("tools[0].format" in ignored) == is_told
    assert (response["output"][0]["type"], response["output"][0]["input"]) == ("custom_tool_call", "12")
    request = house.dispatcher.asked[-1][1]
    if choice == "required":
        assert request.grammar is not None
        assert (request.grammar.kind, request.calls) == ("json_schema" if is_told else "layout", None)
        assert "pattern" not in request.grammar.text
        assert ('["gbnf",' in request.grammar.text) != is_told
    elif is_told:
        assert (request.grammar, request.calls) == (None, None)
    else:
        assert request.grammar is None
        assert request.calls is not None
        ((name, grammar),) = request.calls.grammars
        assert (name, grammar.kind, grammar.param, grammar.tool) == ("sum", "gbnf", "tools.sum", "sum")


@pytest.mark.parametrize("choice", ["auto", "required"])
@pytest.mark.parametrize(
    ("begun", "is_said"),
    [
        ("", ""),
        ('{"in', ""),
        ('{ "input" : ', ""),
        ('{"input": "', ""),
        ('{"input": "777', "777"),
        ('{"input": "777-2777"', "777-2777"),
        ('{"input": "777-2777"}', "777-2777"),
        (r'{"input": "a\n\"b\u661f', 'a\n"b星'),
        ('{"input": "a\\', "a"),
        (r'{"input": "a\u66', "a"),
        (r'{"input": "a\ud83d', "a"),
        (r'{"input": "a\ud83d\ude', "a"),
        (r'{"input": "a\ud83d\ude00', "a😀"),
        (r'{"input": "a\ud83d"', "a\ufffd"),
        (r'{"input": "a\ud83d!', "a\ufffd!"),
        (r'{"input": "a\ud83d"}', "a\ufffd"),
        ('{"other": "a', '{"other": "a'),
    ],
)
async def test_a_custom_call_that_is_cut_says_its_text_so_far(
    house: House, choice: str, begun: str, is_said: str
) -> None:
    head = '{"name": "sum", "arguments": ' if choice == "required" else '<tool_call>{"name": "sum", "arguments": '
    says(house, head + (begun or "{"), reason="length")
    asked = {"model": "tiny", "input": "Call.", "tools": [{"type": "custom", "name": "sum"}], "tool_choice": choice}
    whole, events, _ = await responses(house, asked)
    (item,) = whole["output"]
    assert (item["type"], item["status"], item["input"]) == ("custom_tool_call", "incomplete", is_said)
    _, events, _ = await responses(house, {**asked, "stream": True})
    told = [one["delta"] for one in events if one["type"] == "response.custom_tool_call_input.delta"]
    (done,) = (one["input"] for one in events if one["type"] == "response.custom_tool_call_input.done")
    assert "".join(told) == done == is_said


@pytest.mark.parametrize("syntax", ["regex", "lark"])
async def test_beside_other_tools_a_call_that_must_be_made_is_held_to_a_grammar(house: House, syntax: str) -> None:
    definition = "[0-9]+" if syntax == "regex" else "start: /[0-9]+/"
    form = {"type": "grammar", "syntax": syntax, "definition": definition}
    tools = [{"type": "custom", "name": "sum", "format": form}, {"type": "custom", "name": "other"}]
    says(house, '[{"name": "sum", "arguments": {"input": "12"}}]')
    asked = {"model": "tiny", "input": "1 + 11?", "tools": tools, "tool_choice": "required"}
    _, _, ignored = await responses(house, asked)
    assert "tools" not in ignored
    grammar = house.dispatcher.asked[-1][1].grammar
    assert grammar is not None
    assert '["gbnf",' in grammar.text


@pytest.mark.parametrize("syntax", ["lark", "regex"])
@pytest.mark.parametrize("choice", ["auto", "required"])
async def test_a_grammar_of_a_custom_tool_beyond_64_kib_is_refused(house: House, syntax: str, choice: str) -> None:
    form = {"type": "grammar", "syntax": syntax, "definition": "a" * (64 * 1024 + 1)}
    tool = {"type": "custom", "name": "sum", "format": form}
    body = {"model": "tiny", "input": "?", "tools": [tool], "tool_choice": choice}
    status, answer, _ = await house.ask("POST", "/v1/responses", json.dumps(body), **{"Accept-Language": "en"})
    assert (status, answer["error"]["param"]) == (400, "tools[0].format.definition")
    assert "65536 bytes" in answer["error"]["message"]


async def test_codex_s_output_schema_stands_beside_its_tools(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    says(house, '{"a": "y"}')
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "name": "codex_output_schema", "schema": schema, "strict": True}
    body = {**CODEX, "stream": False, "tools": [function("exec_command"), NAMESPACE], "text": {"format": form}}
    status, answer, _ = await house.ask("POST", "/v1/responses", json.dumps(body), **{"Accept-Language": "en"})
    assert status == 200, answer
    (item,) = answer["output"]
    assert (item["type"], json.loads(item["content"][0]["text"])) == ("message", {"a": "y"})
    grammar = house.dispatcher.asked[-1][1].grammar
    assert grammar is not None
    assert '"a"' in grammar.text
    assert "exec_command" in grammar.text, "it may call as well"
    assert "multi_agent_v1__close_agent" in grammar.text
