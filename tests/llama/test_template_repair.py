"""Conversations that a template refuses are repaired, the smallest change first, and the answer says so."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import pytest

from hoshikage.errors import TemplateRefused
from hoshikage.llama.repair import IDS_SHORTENED, LATE_SYSTEM_FOLDED, ROLES_MERGED, SYSTEM_FOLDED, tellings
from hoshikage.llama.template import ChatTemplate
from hoshikage.params import ChatPrompt, Message
from tests.llama.conversations import CONVERSATIONS, SYSTEM, USER

FOLDER: Final = Path(__file__).parent / "templates"
NOW: Final = datetime(2026, 7, 9, tzinfo=timezone.utc)
CHATML: Final = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
STRICT: Final = (
    "{% for m in messages %}"
    "{% if m.role == 'system' and not loop.first %}{{ raise_exception('System must be first') }}{% endif %}"
    "{% endfor %}" + CHATML
)
WITH_ARGUMENTS: Final = (
    "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}{{ '```' + c.function.arguments + '```' }}"
    "{% endfor %}{% endfor %}"
)


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, "<bos>", "<eos>", ())


GEMMA: Final = (FOLDER / "gemma.jinja").read_text("utf-8")
BRIEF: Final = Message("system", "Be brief.")


@pytest.mark.parametrize(
    ("source", "messages", "repairs", "text"),
    [
        (
            GEMMA,
            (SYSTEM, USER),
            (SYSTEM_FOLDED,),
            "<bos><start_of_turn>user\nAnswer in haiku. 「短く」\n\n東京の天気は？<end_of_turn>\n"
            "<start_of_turn>model\n",
        ),
        (
            GEMMA,
            (USER, Message("user", "Hello?")),
            (ROLES_MERGED,),
            "<bos><start_of_turn>user\n東京の天気は？\n\nHello?<end_of_turn>\n<start_of_turn>model\n",
        ),
        (
            GEMMA,
            (SYSTEM, USER, USER),
            (SYSTEM_FOLDED, ROLES_MERGED),
            "<bos><start_of_turn>user\nAnswer in haiku. 「短く」\n\n東京の天気は？\n\n東京の天気は？<end_of_turn>\n"
            "<start_of_turn>model\n",
        ),
        (GEMMA, (SYSTEM,), (SYSTEM_FOLDED,), None),
        (
            STRICT,
            (SYSTEM, USER, BRIEF),
            (LATE_SYSTEM_FOLDED,),
            "<system>Answer in haiku. 「短く」<user>東京の天気は？<user>Be brief.",
        ),
        (
            STRICT,
            (SYSTEM, BRIEF, USER),
            (ROLES_MERGED,),
            "<system>Answer in haiku. 「短く」\n\nBe brief.<user>東京の天気は？",
        ),
        (CHATML, (USER, USER, BRIEF), (), None),
    ],
)
def test_what_a_template_refuses_is_repaired(
    source: str, messages: tuple[Message, ...], repairs: tuple[str, ...], text: str | None
) -> None:
    rendered = template(source).render(ChatPrompt(messages), NOW)
    assert rendered.repairs == repairs
    assert text is None or rendered.text == text


def test_a_refusal_that_no_repair_mends_has_the_template_s_words_about_the_conversation_as_it_came() -> None:
    with pytest.raises(TemplateRefused) as refused:
        template("{{ raise_exception('not ' + messages[0].role) }}").render(ChatPrompt((SYSTEM, USER)), NOW)
    assert refused.value.details["reason"] == "not system"


def test_ids_of_other_servers_are_shortened_where_the_template_insists_on_it() -> None:
    foreign = [{"id": "call_0123456789", "type": "function", "function": {"name": "time", "arguments": {}}}]
    told = Message("tool", "12:00", {"tool_call_id": "call_0123456789"})
    mistral = template((FOLDER / "mistral.jinja").read_text("utf-8"))
    rendered = mistral.render(ChatPrompt((USER, Message("assistant", None, {"tool_calls": foreign}), told)), NOW)
    assert rendered.repairs == (IDS_SHORTENED,)
    ids = re.findall(r'"(?:call_)?id": "([^"]*)"', rendered.text)
    assert len(ids) == 2
    assert ids[0] == ids[1]
    assert re.fullmatch("[a-z0-9]{9}", ids[0])


def test_arguments_come_as_text_where_the_template_joins_them() -> None:
    rendered = template(WITH_ARGUMENTS).render(ChatPrompt(CONVERSATIONS["call"]), NOW)
    assert (rendered.text, rendered.repairs) == ('東京の天気は？```{"city": "東京", "days": 3}```{"sky": "晴れ"}', ())


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_no_repair_loses_a_word_or_a_call(name: str) -> None:
    messages = CONVERSATIONS[name]
    for variant in (form for telling in tellings(ChatPrompt(messages)) for form in telling.forms):
        text = "\n\n".join(
            f"{turn.content or ''}\n\n{turn.extra.get('reasoning_content', '')}" for turn in variant.prompt.messages
        )
        assert all((message.content or "") in text for message in messages)
        calls = sum(len(turn.extra.get("tool_calls", ())) for turn in variant.prompt.messages)
        assert calls + text.count("<tool_call>\n") == sum(len(turn.extra.get("tool_calls", ())) for turn in messages)


def test_the_repairs_of_one_conversation_have_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoshikage.llama.template.RENDER_SECONDS", 0.2)
    slow = "{% for i in range(2000) %}{% for j in range(20) %}{% endfor %}{% endfor %}{{ raise_exception('no') }}"
    forever = slow.replace("2000", "99999")
    with pytest.raises(TemplateRefused) as refused:
        template(forever).render(ChatPrompt((SYSTEM, USER, USER)), NOW)
    assert refused.value.key == "engine.template_timeout"
