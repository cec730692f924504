"""Every text that was given stands in the prompt: a template that drops one gets the conversation in another form."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Final

import pytest

from hoshikage.llama import repair, repair_calls
from hoshikage.llama.template import ChatTemplate, Rendered
from hoshikage.llama.words import OPEN_THOUGHTS, Words
from hoshikage.params import ChatPrompt, Message
from tests.llama.conversations import CONVERSATIONS, SYSTEM, TIME, USER, WEATHER, call, result
from tests.real_templates import real_templates

NOW: Final = datetime(2026, 7, 9, 12, 30, tzinfo=timezone.utc)
LATE: Final = Message("system", "Be brief.")
WORDS: Final = "I look."
TOLD: Final = (result("It is sunny."), result("Twelve o'clock.", 1))
ALL: Final = call("weather", "time", content=WORDS, reasoning_content="They want both.")
MORE: Final[dict[str, tuple[Message, ...]]] = {
    **CONVERSATIONS,
    "everything beside a call": (USER, call("weather", content=WORDS, reasoning_content="I need it."), TOLD[0]),
    "everything beside two calls": (SYSTEM, USER, ALL, *TOLD, Message("assistant", "So it is."), USER),
    "late system at the end": (USER, Message("assistant", "Sunny."), LATE),
    "two systems": (SYSTEM, LATE, USER),
    "system behind the user": (SYSTEM, USER, Message("system", "The session has begun.")),
    "a call cut short": (USER, Message("assistant", WORDS, {"tool_calls": [
        {"id": "abcdef000", "type": "function", "function": {"name": "weather", "arguments": '{"city": "東'}}
    ]}), TOLD[0], USER),
}  # fmt: skip

TURNS: Final = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
SILENT_LATE_SYSTEM: Final = (
    "{% if messages[0].role == 'system' %}<system>{{ messages[0].content }}{% endif %}"
    "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}"
)
LAST_SYSTEM_ALONE: Final = (
    "{% set ns = namespace(s='') %}{% for m in messages if m.role == 'system' %}{% set ns.s = m.content %}{% endfor %}"
    "{{ ns.s }}{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}"
)
CALLS: Final = "{% for c in m.tool_calls %}[{{ c.function.name }} {{ c.function.arguments | tojson }}]{% endfor %}"
NO_WORDS_BESIDE_A_CALL: Final = (
    "{% for m in messages %}<{{ m.role }}>{% if m.tool_calls %}" + CALLS + "{% else %}{{ m.content }}{% endif %}"
    "{% endfor %}"
)
FIRST_CALL_ALONE: Final = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content or '' }}{% if m.tool_calls %}{% set c = m.tool_calls[0] %}"
    "[{{ c.function.name }} {{ c.function.arguments | tojson }}]{% endif %}{% endfor %}"
)
REFUSES_SECOND_CALL: Final = (
    "{% for m in messages if m.tool_calls and m.tool_calls | length > 1 %}{{ raise_exception('one call') }}{% endfor %}"
    + FIRST_CALL_ALONE
)
NO_WORDS_WITH_THOUGHTS: Final = (
    "{% for m in messages %}<{{ m.role }}>"
    "{% if m.tool_calls %}{% if m.content and m.thinking %}{{ raise_exception('both') }}{% endif %}"
    "({{ m.thinking or m.content }})" + CALLS + "{% else %}{{ m.content }}{% endif %}{% endfor %}"
)
NO_THOUGHTS_BESIDE_A_CALL: Final = (
    "{% for m in messages %}<{{ m.role }}>{% if m.tool_calls and m.thinking %}{{ raise_exception('no') }}{% endif %}"
    "{{ m.content or '' }}" + CALLS + "{% endfor %}"
)
NO_CALLS: Final = "{% for m in messages if m.role != 'tool' %}<{{ m.role }}>{{ m.content or '' }}{% endfor %}"
APPENDS: Final = (
    "{% set ids = [] %}{% for m in messages %}{% for c in m.tool_calls %}{% set _ = ids.append(c.id) %}{% endfor %}"
    "<{{ m.role }}{% if m.role == 'tool' %} {{ ids.pop(0) }}{% endif %}>{{ m.content or '' }}" + CALLS + "{% endfor %}"
)
ONE_TYPE_EACH: Final = (
    "{% macro kind(s) %}{% if s.type == 'string' or s.type == 'integer' or s.type == 'array' %}{{ s.type }}"
    "{% else %}{% for t in s.type %}{{ kind({'type': t}) }}{% endfor %}{% endif %}{% endmacro %}"
    "{% for t in tools %}{% for name, p in t.function.parameters.properties.items() %}{{ name }}: {{ kind(p) }}\n"
    "{% endfor %}{% endfor %}" + TURNS
)
NO_MARKED_THOUGHTS: Final = (
    "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}"
    "{% for part in m.content.split('<channel|>') %}{{ part.split('<|channel>')[0] }}{% endfor %}"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}"
)
"""This is as Gemma 4's."""
AFTER_THOUGHTS: Final = (
    "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{{ m.content.split('</think>')[-1] }}"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}"
)
"""This is as Qwen's and DeepSeek's."""
REFUSES_MARKS: Final = (
    "{% for m in messages if '<|channel|>' in m.content %}{{ raise_exception('marks') }}{% endfor %}" + TURNS
)
"""This is as gpt-oss's."""
USER_FIRST: Final = (
    "{% if messages[0].role == 'assistant' %}{{ raise_exception('the user speaks first') }}{% endif %}" + TURNS
)
USER_FIRST_REPAIRS: Final = (repair.USER_ADDED, repair.LATE_SYSTEM_FOLDED, repair.ROLES_MERGED)


def rendered(source: str, messages: tuple[Message, ...], tools: tuple[dict[str, Any], ...] = ()) -> Rendered:
    return ChatTemplate(source, "<s>", "</s>", ()).render(ChatPrompt(messages, tools=tools), NOW)


@pytest.mark.parametrize(
    ("source", "messages", "repairs"),
    [
        (SILENT_LATE_SYSTEM, (SYSTEM, USER, LATE), (repair.LATE_SYSTEM_FOLDED,)),
        (SILENT_LATE_SYSTEM, (SYSTEM, USER), ()),
        (LAST_SYSTEM_ALONE, (SYSTEM, LATE, USER), (repair.ROLES_MERGED,)),
        (LAST_SYSTEM_ALONE, (SYSTEM, USER, LATE), (repair.LATE_SYSTEM_FOLDED,)),
        (NO_WORDS_BESIDE_A_CALL, (USER, call("weather", content=WORDS), TOLD[0]), (repair_calls.WORDS_APART,)),
        (FIRST_CALL_ALONE, (USER, call("weather", "time"), *TOLD), (repair_calls.CALLS_APART,)),
        (REFUSES_SECOND_CALL, (USER, call("weather", "time"), *TOLD), (repair_calls.CALLS_APART,)),
        (NO_WORDS_WITH_THOUGHTS, (USER, ALL, *TOLD), (repair_calls.THOUGHTS_JOINED,)),
        (NO_THOUGHTS_BESIDE_A_CALL, (USER, ALL, *TOLD), (repair_calls.THOUGHTS_LEFT_OUT,)),
        (NO_CALLS, (USER, ALL, *TOLD), (repair_calls.CALLS_AS_TEXT,)),
        (APPENDS, (USER, ALL, *TOLD), ()),
        (USER_FIRST, (Message("assistant", "Hi!"), USER), USER_FIRST_REPAIRS),
    ],
)  # fmt: skip
def test_what_a_template_would_drop_is_told_in_another_way(
    source: str, messages: tuple[Message, ...], repairs: tuple[str, ...]
) -> None:
    found = rendered(source, messages)
    assert found.repairs == repairs
    assert missing(found.text, messages) == []


@pytest.mark.parametrize(
    ("source", "answer", "repairs"),
    [
        (NO_MARKED_THOUGHTS, "<|channel>thoug", (repair.THOUGHT_MARKS_AS_TEXT,)),
        (NO_MARKED_THOUGHTS, "Say <|channel> so.", (repair.THOUGHT_MARKS_AS_TEXT,)),
        (NO_MARKED_THOUGHTS, "The mark <|channel> opens, and <channel|> closes.", (repair.THOUGHT_MARKS_AS_TEXT,)),
        (AFTER_THOUGHTS, "Between <think> and </think> are thoughts.", (repair.THOUGHT_MARKS_AS_TEXT,)),
        (AFTER_THOUGHTS, "Begin with <think>.", ()),
        (AFTER_THOUGHTS, "Sunny.</think>", (repair.THOUGHT_MARKS_AS_TEXT,)),
        (AFTER_THOUGHTS + "<think></think>", "Sunny.</think>\nAnd warm.", (repair.THOUGHT_MARKS_AS_TEXT,)),
        (
            AFTER_THOUGHTS + "<think></think>",
            "Sunny.</think><think>Well.</think>Warm.",
            (repair.THOUGHT_MARKS_AS_TEXT,),
        ),
        (REFUSES_MARKS, "<|channel|>final<|message|>So.", (repair.THOUGHT_MARKS_AS_TEXT,)),
    ],
)
def test_an_answer_that_tells_of_marks_is_told_whole(source: str, answer: str, repairs: tuple[str, ...]) -> None:
    found = rendered(source, (USER, Message("assistant", answer), USER))
    assert found.repairs == repairs
    assert answer in found.text


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        (NO_MARKED_THOUGHTS, "<|channel>thought\nHm.<channel|>Sunny."),
        (AFTER_THOUGHTS, "<think>Hm.</think>Sunny."),
        (AFTER_THOUGHTS + "<think>\n", "Hm.</think>Sunny."),
        (AFTER_THOUGHTS + "<think>", "Hm.</think>\n<think>Well.</think>Sunny."),
    ],
)
def test_thoughts_in_front_of_an_answer_may_be_left_out(source: str, answer: str) -> None:
    found = rendered(source, (USER, Message("assistant", answer), USER))
    assert found.repairs == ()
    assert "<assistant>Sunny." in found.text.replace("\n", "")
    assert "Hm." not in found.text


def test_parameters_of_several_types_are_shown_with_one_where_a_template_knows_no_more() -> None:
    found = rendered(ONE_TYPE_EACH, (USER,), (WEATHER,))
    assert found.repairs == (repair.TOOLS_SIMPLIFIED,)
    assert "days: integer\n" in found.text


def test_where_nothing_helps_the_answer_says_so() -> None:
    found = rendered("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", (SYSTEM, USER))
    assert found.repairs == (repair.SYSTEM_FOLDED,)
    found = rendered("{{ messages[0].content }}", (USER, Message("assistant", "Sunny."), USER))
    assert found.repairs == (repair.WORDS_LOST,)
    assert found.text == USER.content


def test_short_texts_that_stand_in_others_are_missed_as_well() -> None:
    messages = (Message("system", "a"), Message("user", "a a a"))
    found = rendered("{{ messages[-1].content }}", messages)
    assert found.repairs == (repair.SYSTEM_FOLDED,)


def test_time_that_runs_out_leaves_what_the_template_has_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoshikage.llama.template.RENDER_SECONDS", 0.3)
    slow = "{% for m in messages if loop.index > 1 %}{% for i in range(90000) %}{% for j in range(9) %}{% endfor %}"
    lazy = TURNS + "{% if messages[-1].content | length > 9 %}" + slow + "{% endfor %}{% endfor %}{% endif %}"
    found = rendered(lazy, (USER, Message("user", "Hello?")))  # with its marks the text is long
    assert found.text == "<user>東京の天気は？<user>Hello?"


def test_marks_are_in_every_text_and_change_nothing_else() -> None:
    words = Words()
    messages = MORE["everything beside two calls"]
    marked = words.marked(messages)
    shown = json.dumps([[turn.role, turn.content, turn.extra] for turn in marked])
    assert words.lost(shown) == frozenset()
    assert words.lost("") == {
        *(f"messages[{index}]" for index in range(len(messages))),
        "messages[2].tool_calls[0]",
        "messages[2].tool_calls[1]",
    }
    assert [turn.role for turn in marked] == [turn.role for turn in messages]


def missing(text: str, messages: tuple[Message, ...]) -> list[str]:
    """The texts that do not stand in a prompt as they are, or as JSON has them."""
    given = [turn.content or "" for turn in messages]
    for turn in messages:
        for called in turn.extra.get("tool_calls", ()):
            arguments = called["function"]["arguments"]
            given += [called["function"]["name"], *(str(value) for value in _leaves(arguments))]
    answers = [one.rpartition("</think>")[2].strip() for one in given]
    return [one for one in answers if one not in text and json.dumps(one, ensure_ascii=False)[1:-1] not in text]


def _leaves(value: Any) -> list[Any]:
    return [value] if not isinstance(value, dict) else [leaf for one in value.values() for leaf in _leaves(one)]


@pytest.mark.process
def test_no_template_of_the_field_refuses_a_conversation_or_loses_a_word_of_it() -> None:
    faults: list[str] = []
    for name, source in real_templates().items():
        template = ChatTemplate(source, "<s>", "</s>", ("<|im_start|>", "<|im_end|>"))
        for kind, messages in MORE.items():
            found = template.render(ChatPrompt(messages, tools=(WEATHER, TIME)), NOW)
            if repair.WORDS_LOST in found.repairs or missing(found.text, messages):
                faults.append(f"{name}: {kind}: {found.repairs} {missing(found.text, messages)}")
    assert faults == []


LONE_ENDS: Final = ("It is sunny.</think>", "It is sunny.</think>\nAnd it is warm.", "It is so.</think>A.</think>B.")


@pytest.mark.process
def test_a_lone_end_of_thoughts_takes_no_words_with_it() -> None:
    """A model writes so that was told not to think; where the prompt begins thoughts, they are some."""
    faults: list[str] = []
    met: set[str] = set()
    for name, source in real_templates().items():
        template = ChatTemplate(source, "<s>", "</s>", ())
        for answer in LONE_ENDS:
            said = answer.split("</think>")
            for system in ((Message("system", "/no_think"),), ()):
                off = {"enable_thinking": False, "thinking": False} if system else {}
                messages = (*system, USER, Message("assistant", answer), USER)
                found = template.render(ChatPrompt(messages, template_kwargs=off), NOW)
                if repair.WORDS_LOST in found.repairs:
                    faults.append(f"{name}: {answer}: {found.repairs}")
                elif not OPEN_THOUGHTS.search(found.text) and not all(one.strip() in found.text for one in said):
                    faults.append(f"{name}: {answer}: {found.text[-200:]}")
                elif repair.THOUGHT_MARKS_AS_TEXT in found.repairs:
                    met.add(name)
    assert faults == []
    assert "NVIDIA-Nemotron-Nano-v2" in met
    assert len(met) > 10
