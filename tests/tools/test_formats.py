"""Tests every format: what its answers say, however they arrive; and that no text is too strange."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoshikage.tools import CallArguments, CallStart, glm, known_formats, lfm2
from hoshikage.tools.forced import FORMAT as FORCED
from hoshikage.tools.stream import AnswerParser
from hoshikage.tools.tool_format import ToolFormat
from tests.examples import examples
from tests.tools.examples import EXAMPLES, THINK, Example, Said, heard
from tests.tools.spoken import SCHEMAS, Call, spoken

BY_NAME = {example.name: example for example in EXAMPLES}
ALL_FORMATS = tuple(one.form for one in known_formats.BY_NAME.values())
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


@settings(max_examples=examples(400), deadline=None)
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


@settings(max_examples=examples(100), deadline=None)
@given(st.sampled_from(EXAMPLES), st.data())
def test_pieces_of_any_size(example: Example, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(example.text)), max_size=8)))
    edges = [0, *cuts, len(example.text)]
    pieces = [example.text[a:b] for a, b in pairwise(edges)]
    assert heard(example, *pieces) == example.said


TEXTS = st.text("ab星 .,{}[]\"'\n", min_size=1, max_size=12).map(str.strip).filter(bool)
DEEP = st.fixed_dictionaries({"deep": st.lists(st.fixed_dictionaries({"k": TEXTS | st.integers()}), max_size=2)})
WEATHER_GIVEN = st.fixed_dictionaries(
    {"city": TEXTS},
    optional={
        "days": st.integers(-9, 9),
        "exact": st.booleans(),
        "places": st.lists(TEXTS, max_size=3),
        "more": DEEP,
    },
)
CALLS: st.SearchStrategy[Call] = st.one_of(
    st.tuples(st.just("weather"), WEATHER_GIVEN),
    st.tuples(st.just("note"), st.fixed_dictionaries({"text": TEXTS})),
    st.tuples(st.just("time"), st.just({})),
)
SPOKEN = tuple(form for form in ALL_FORMATS if form is not FORCED)


@settings(max_examples=examples(300), deadline=None, derandomize=True)
@given(st.sampled_from(SPOKEN), st.sampled_from(["", "I look."]), st.lists(CALLS, max_size=3), st.booleans(), st.data())
def test_what_every_format_writes_is_read(
    form: ToolFormat, words: str, calls: list[Call], thoughts: bool, data: st.DataObject
) -> None:
    thinking = (
        known_formats.BY_NAME[form.name].thinking or THINK
        if thoughts and form.name not in ("harmony", "muse")
        else None
    )
    text = spoken(form, words, calls, thoughts="Hm." if thoughts else "", thinking=thinking)
    said = Said(words, "Hm." if thoughts else "", tuple(calls))
    assert heard(Example("", form, text, said, thinking, schemas=SCHEMAS), *_pieces(data, text)) == said


CHANNEL = re.compile(r"<\|channel\|>[^<]*☾")
"""This finds whom a message of harmony's is for, which nobody is shown: one for nobody that is known is an answer's
text."""


@pytest.mark.parametrize("form", [form for form in SPOKEN if form.name != "harmony"], ids=lambda form: form.name)
def test_what_stands_behind_a_broken_mark_is_not_lost(form: ToolFormat) -> None:
    """A tag's head that is not closed where it should be does not reach to another tag's end."""
    intact = spoken(form, "I look.", [("weather", {"city": "Tokyo"}), ("note", {"text": "Kyoto"})])
    for at in range(len(intact) + 1):
        text = f"{intact[:at]}☾{intact[at:]}"
        read = heard(Example("", form, text, Said(), schemas=SCHEMAS), text)
        assert all(place in f"{read.content}{read.calls}".replace("☾", "") for place in ("Tokyo", "Kyoto")), text


@pytest.mark.long
@settings(max_examples=examples(600), deadline=None, derandomize=True)
@given(st.sampled_from(SPOKEN), st.lists(CALLS, min_size=1, max_size=2), st.booleans(), st.data())
def test_a_call_that_is_cut_or_broken_ends_alike_however_it_comes(
    form: ToolFormat, calls: list[Call], is_cut: bool, data: st.DataObject
) -> None:
    """Nothing of it is lost, and what has been told of it stays."""
    intact = spoken(form, "I look.", calls)
    at = data.draw(st.integers(0, len(intact)))
    text = intact[:at] if is_cut else f"{intact[:at]}☾{intact[at:]}"
    example = Example("", form, text, Said(), schemas=SCHEMAS)
    whole = heard(example, text, cut=is_cut)
    assert heard(example, *_pieces(data, text), cut=is_cut) == whole
    if is_cut:
        assert whole.parsed
        assert whole.calls[:-1] == tuple(calls)[: max(len(whole.calls) - 1, 0)]
    elif "☾" not in f"{whole.content}{whole.calls}" and not CHANNEL.search(
        text
    ):  # it stood where a format does not look
        assert whole == heard(example, intact)
    for name, read in whole.calls:
        assert name in SCHEMAS or "☾" in name
        assert isinstance(read, str) or (name, read) in calls or "☾" in f"{name}{read}"


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_forced_call_that_is_cut_leaves_nothing_of_its_notation(is_listed: bool) -> None:
    """What is cut within its name is no call; where the name has ended it is one, with as much as has come."""
    calls = [("note", '{"text": "東\\n京"}'), ("time", "{}")]
    intact = ", ".join(f'{{"name": "{name}", "arguments": {arguments}}}' for name, arguments in calls[: 1 + is_listed])
    intact = f"[{intact}]" if is_listed else intact
    for at in range(len(intact) + 1):
        text = intact[:at]
        for pieces in ([text], text):
            parser = AnswerParser(FORCED, SCHEMAS)
            deltas = [delta for piece in pieces for delta in parser.feed(piece)]
            rest = parser.finish(cut=True)
            deltas += rest.deltas
            told = ["", ""]
            for delta in deltas:
                assert isinstance(delta, CallArguments | CallStart), text
                told[delta.index] += delta.piece if isinstance(delta, CallArguments) else ""
            begun = [delta.name for delta in deltas if isinstance(delta, CallStart)]
            assert begun == [name for name, _ in calls if f'"{name}"' in text]
            assert rest.parsed
            for (_, arguments), come in zip(calls, told, strict=True):
                where = text.find(arguments)
                assert come == arguments if where >= 0 else arguments.startswith(come), text


def _pieces(data: st.DataObject, text: str) -> list[str]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]


@pytest.mark.parametrize("number", ["5E01767", "12345678901234567890.000000000000000001"])
def test_a_number_says_no_less_than_was_written(number: str) -> None:
    schemas = {"set": {"type": "object", "properties": {"n": {"type": "number"}}}}
    tags = f"<tool_call>set\n<arg_key>n</arg_key>\n<arg_value>{number}</arg_value>\n</tool_call>"
    written = ((glm.FORMAT, tags), (lfm2.FORMAT, f"<|tool_call_start|>[set(n={number})]<|tool_call_end|>"))
    for form, text in written:
        parser = AnswerParser(form, schemas)
        deltas = [*parser.feed(text), *parser.finish().deltas]
        assert "".join(delta.piece for delta in deltas if isinstance(delta, CallArguments)) == f'{{"n": {number}}}'
