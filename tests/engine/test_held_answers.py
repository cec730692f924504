"""Tests answers of which grammars hold a part, by the real engine: behind thoughts, and in calls that need not be
made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from hoshikage import wire
from hoshikage.params import (
    ChatPrompt,
    GenerationRequest,
    Grammar,
    HeldCalls,
    LoadParams,
    Message,
    SamplingParams,
    ThoughtBudget,
)
from hoshikage.tools import glm
from tests import playback
from tests.engine.test_special_text import events_of
from tests.tools.examples import Example, Said, heard

TEMPLATE: Final = "{% for m in messages %}{{ m.content }}{% endfor %}"
THINKS: Final = "<think>I wonder what they want to hear from me now.</think>So it is."
CALLS: Final = 'I look.<tool_call>{"name": "weather", "arguments": {"city": 5, "x": [1, 2]}}</tool_call> Seen.'
COLOR: Final = Grammar("json_schema", '{"enum": ["red", "green"]}', "response_format")
CITY: Final = Grammar(
    "json_schema",
    json.dumps(
        {
            "type": "object",
            "properties": {"city": {"enum": ["Tokyo", "Oslo"]}},
            "required": ["city"],
            "additionalProperties": False,
        }
    ),
    "tools",
)
MARKS: Final = ThoughtBudget(None, "<think>", "</think>")
HELD: Final = HeldCalls(r'"name": "([a-z]{1,32})", "arguments":', (("weather", CITY),))
TAGGED: Final = "I look.<tool_call>weather\n<arg_key>town</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call> Seen."
LOADS: Final = {
    "alone": {},
    "beside others": {"n_parallel": 2},
    "guessing": {"speculation": "lookup"},
}


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thinks; where the conversation has tools, it calls one with arguments that are none of its own."""
    folder = tmp_path_factory.mktemp("speaker")
    return playback.write(
        folder / "m.gguf", TEMPLATE, [CALLS], plain=THINKS, n_ctx=512, controls=("<think>", "</think>")
    )


async def text_of(library: Path, load: LoadParams, request: GenerationRequest) -> tuple[str, str]:
    """Returns the answers, one behind the other, and why the last ended."""
    events = await events_of(library, load, request)
    finished = events[-1]
    assert isinstance(finished, wire.Finished), finished
    tokens = [event for event in events if isinstance(event, wire.Token)]
    return "".join(event.text for event in sorted(tokens, key=lambda event: event.choice)), finished.reason


def asking(*, tools: bool = False, **fields: object) -> GenerationRequest:
    prompt = ChatPrompt((Message("user", "hi"),), tools=({"type": "function"},) if tools else ())
    made = GenerationRequest(
        prompt, SamplingParams(temperature=0), max_tokens=120, special_text=("<think>", "</think>")
    )
    return replace(made, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LOADS)
async def test_the_model_thinks_freely_and_answers_as_it_must(library_file: Path, speaker: Path, name: str) -> None:
    load = LoadParams(str(speaker), n_ctx=512, **LOADS[name])  # type: ignore[arg-type]
    thoughts = THINKS.partition("So it")[0]
    for choices in (1, 2):
        said, reason = await text_of(library_file, load, asking(grammar=COLOR, thoughts=MARKS, choices=choices))
        answers = said.split(thoughts)
        assert answers[0] == ""
        assert len(answers) == choices + 1
        assert {json.loads(one) for one in answers[1:]} <= {"red", "green"}
        assert reason == "stop"


async def test_thoughts_before_a_held_answer_have_their_budget(library_file: Path, speaker: Path) -> None:
    load = LoadParams(str(speaker), n_ctx=512)
    request = asking(grammar=COLOR, thoughts=replace(MARKS, tokens=2))
    said, reason = await text_of(library_file, load, request)
    thoughts, mark, answer = said.partition("\n</think>")
    assert mark
    assert THINKS.startswith(thoughts)
    assert len(thoughts) < len(THINKS) // 2
    assert json.loads(answer) in ("red", "green")
    assert reason == "stop"


async def test_an_end_in_thoughts_is_the_end_of_those_alone(library_file: Path, speaker: Path) -> None:
    marks = ThoughtBudget(None, "<think>", "<closes>", lead_in="[so]", always=True)
    said, reason = await text_of(
        library_file, LoadParams(str(speaker), n_ctx=512), asking(grammar=COLOR, thoughts=marks)
    )
    thoughts, mark, answer = said.partition("\n<closes>[so]")
    assert mark
    assert thoughts.startswith("<think>")
    assert json.loads(answer) in ("red", "green")
    assert reason == "stop"


@pytest.mark.parametrize("name", LOADS)
async def test_a_call_by_itself_is_given_what_its_schema_says(library_file: Path, speaker: Path, name: str) -> None:
    load = LoadParams(str(speaker), n_ctx=512, **LOADS[name])  # type: ignore[arg-type]
    free, _ = await text_of(library_file, load, asking(tools=True))
    assert free == CALLS
    said, _ = await text_of(library_file, load, asking(tools=True, calls=HELD))
    before, head, rest = said.partition('"arguments":')
    assert before + head == CALLS.partition('{"city"')[0].rstrip()
    arguments, _ = json.JSONDecoder().raw_decode(rest.lstrip())
    assert arguments in ({"city": "Tokyo"}, {"city": "Oslo"})


async def test_tags_that_are_control_tokens_are_held_as_such(library_file: Path, tmp_path: Path) -> None:
    controls = glm.FORMAT.special_text
    file = playback.write(tmp_path / "m.gguf", TEMPLATE, [TAGGED], n_ctx=512, controls=controls)
    assert glm.FORMAT.layout is not None
    assert glm.FORMAT.held is not None
    made, _ = glm.FORMAT.layout.of({"weather": json.loads(CITY.text)})
    held = HeldCalls(glm.FORMAT.held.pattern, (("", Grammar("layout", json.dumps(made), "tools")),))
    load, request = LoadParams(str(file), n_ctx=512), asking(tools=True, special_text=controls)
    assert (await text_of(library_file, load, request))[0] == TAGGED
    events = await events_of(library_file, load, replace(request, calls=held))
    tokens = [event.text for event in events if isinstance(event, wire.Token)]
    said = heard(Example("", glm.FORMAT, "", Said()), "".join(tokens))
    assert said.content == "I look."
    assert said.calls in ((("weather", {"city": "Tokyo"}),), (("weather", {"city": "Oslo"}),))


@pytest.mark.parametrize("held", ["behind thoughts", "calls"])
async def test_a_seed_draws_the_same_with_and_without_log_probabilities(
    library_file: Path, speaker: Path, held: str
) -> None:
    load = LoadParams(str(speaker), n_ctx=512)
    part = {"tools": True, "calls": HELD} if held == "calls" else {"grammar": COLOR, "thoughts": MARKS}
    drawn = SamplingParams(temperature=8.0, top_k=0, top_p=1.0, seed=7)
    for seed in (7, 8):
        request = asking(sampling=replace(drawn, seed=seed), **part)
        plain = await text_of(library_file, load, request)
        assert await text_of(library_file, load, replace(request, logprobs=2)) == plain
        guessing = replace(load, speculation="lookup")
        assert await text_of(library_file, guessing, request) == plain
