"""Tests what a chat template shows of tools: found in one pass, and not in a text of any length."""

from __future__ import annotations

from typing import Final

import pytest

from hoshikage.tools.detect import MAX_CHARACTERS, ChatFormat, place_of_tools
from hoshikage.tools.known_formats import BY_NAME, FORMATS


def test_a_template_beyond_the_bound_is_not_looked_at() -> None:
    source = "{{ tools }} <tool_call>" + " " * MAX_CHARACTERS
    assert ChatFormat.of(source) == ChatFormat()
    assert ChatFormat.of(source[:MAX_CHARACTERS]).place == "variable"


def test_a_variable_is_looked_for_inside_of_marks_alone() -> None:
    for source in ("{{ {% tools", "{% if tools %}"):
        assert place_of_tools(source) == "variable"
    for source in ("{{ a }} tools", "{{ 'tools' }}"):
        assert place_of_tools(source) == "nowhere"


LISTS_TOOLS: Final = "{% if tools %}List of tools: {{ tools | tojson }}{% endif %}"


@pytest.mark.parametrize(
    ("source", "marks", "form"),
    [
        (LISTS_TOOLS, ("<|tool_call_start|>", "<|tool_call_end|>", "<|im_end|>"), "lfm2"),
        (LISTS_TOOLS, ("<|tool_call_start|>",), "generic"),
        (LISTS_TOOLS + "<tool_call>", ("<|tool_call_start|>", "<|tool_call_end|>"), "hermes"),
        ("{{ messages }}", ("<|tool_call_start|>", "<|tool_call_end|>"), "generic"),
    ],
)
def test_the_vocabulary_tells_the_format_where_the_template_does_not(
    source: str, marks: tuple[str, ...], form: str
) -> None:
    assert ChatFormat.of(source, frozenset(marks)).known.name == form


@pytest.mark.parametrize(
    ("source", "efforts"),
    [
        ("{% if reasoning_effort in ['low', 'minimal'] %}{% elif reasoning_effort == \"high\" %}", 3),
        ("{{ reasoning_effort if reasoning_effort is defined else 'medium' }}", 0),
        ("{{ ['low', 'high'] }}", 0),
    ],
)
def test_the_words_for_an_effort_are_those_that_the_template_names(source: str, efforts: int) -> None:
    assert len(ChatFormat.of(source).efforts) == efforts


@pytest.mark.parametrize(
    ("source", "form", "thinks"),
    [
        ("{% set dsml = '｜DSML｜' %}<think>{{ tools }}<{{ dsml }}invoke name=\"", "dsml", "<think>"),
        ("{{ tools }}{{ '<|open|>' + tag }}{{ '<|close|>' + tag }} argument", "kimi_k3", "<|open|>think<|sep|>"),
        ("{% set sep = '<tool_sep{}>'.format(':opensource') %}{{ tools }}", "hy3", "<think:opensource>"),
        ("{{ tools }}<function name=\"x\"><param name=\"y\">z</param></function><think>", "minicpm5", "<think>"),
        ("{{ tools }}<|start|>system<|message|><atem:invoke name=\"", "muse", None),
    ],
)  # fmt: skip
def test_the_newest_formats_are_told_by_their_templates(source: str, form: str, thinks: str | None) -> None:
    known = ChatFormat.of(source)
    assert (known.known.name, known.place) == (form, "variable")
    assert (known.thinking.opens if known.thinking else None) == thinks


def test_what_tells_a_format_in_a_vocabulary_is_what_its_parser_reads() -> None:
    told = {one.name: set(one.vocabulary) - set(one.form.special_text) for one in FORMATS}
    assert {name: lacking for name, lacking in told.items() if lacking} == {}
    assert {one.form.name for one in BY_NAME.values()} == set(BY_NAME)
