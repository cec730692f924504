"""Every format: what its answers say, however they arrive; and that no text is too strange."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoshikage.tools.detect import FORMATS
from hoshikage.tools.forced import FORMAT as FORCED
from hoshikage.tools.generic import FORMAT as GENERIC
from hoshikage.tools.tool_format import ToolFormat
from tests.tools.examples import EXAMPLES, THINK, Example, Said, heard

BY_NAME = {example.name: example for example in EXAMPLES}
ALL_FORMATS = (*FORMATS, GENERIC, FORCED)
FRAGMENTS = [
    *sorted({text for form in ALL_FORMATS for text in form.special_text}),
    *("<think>", "</think>", "<function=", "<parameter=", "</parameter>", "</function>", ">>>", "all\n", "[ARGS]"),
    *("<arg_key>", "</arg_key>", "<arg_value>", "functools[", "Action: ```json", "```", "to=functions.f"),
    *('{"name": "time", "arguments": {}}', '{"name": "time"', '"arguments": {"a": ', "}", "]", "[", ",", ";", '"'),
    *("weather " * 40, "time(", "a=1", ")", "\\", "\n", " ", "weather", "星", "x", "1", "true", "\x00", "\ud800"),
]


@pytest.mark.parametrize("name", BY_NAME)
def test_what_an_answer_says(name: str) -> None:
    example = BY_NAME[name]
    assert heard(example, example.text) == example.said


@pytest.mark.parametrize("name", BY_NAME)
def test_how_an_answer_arrives_changes_nothing(name: str) -> None:
    example = BY_NAME[name]
    text = example.text
    assert heard(example, *text) == example.said
    for at in range(len(text) + 1):
        assert heard(example, text[:at], text[at:]) == example.said


@pytest.mark.parametrize("form", ALL_FORMATS, ids=lambda form: form.name)
def test_every_format_has_examples(form: ToolFormat) -> None:
    assert any(example.form is form and example.said.calls for example in EXAMPLES)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(ALL_FORMATS),
    st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), max_size=24),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_no_text_is_too_strange(form: ToolFormat, fragments: list[str], thinking: bool, random: object) -> None:
    text = "".join(fragments)
    example = Example("", form, text, Said(), THINK if thinking else None)
    whole = heard(example, text)
    assert heard(example, *fragments) == whole
    assert heard(example, *text) == whole


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(EXAMPLES), st.data())
def test_pieces_of_any_size(example: Example, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(example.text)), max_size=8)))
    edges = [0, *cuts, len(example.text)]
    pieces = [example.text[a:b] for a, b in pairwise(edges)]
    assert heard(example, *pieces) == example.said
