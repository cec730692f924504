"""Tests thoughts with a bound: counted, ended by the mark that the model would write, and the answer goes on from
there."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoshikage import wire
from hoshikage.engine.thoughts import ThoughtLimit, Thoughts
from hoshikage.params import ChatPrompt, GenerationRequest, LoadParams, Message, SamplingParams, ThoughtBudget
from tests import playback
from tests.engine.test_special_text import events_of

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{{ thinks }}"
LONG = "<think>one two three four five six seven eight nine ten eleven twelve</think>So it is."


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says LONG; where thoughts are ended for it, it says what follows a line break."""
    folder = tmp_path_factory.mktemp("thinker")
    return playback.write(folder / "m.gguf", TEMPLATE, ["-"], plain=LONG, follows={"\n": "Ended early."}, n_ctx=512)


@pytest.mark.parametrize("logprobs", [None, 0])
@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (None, LONG),
        (1000, LONG),
        (3, "<think>one two\n</think>\n\nEnded early."),
    ],
)
async def test_thoughts_end_where_their_budget_does(
    library_file: Path, thinker: Path, budget: int | None, text: str, logprobs: int | None
) -> None:
    thoughts = None if budget is None else ThoughtBudget(budget, "<think>", "</think>")
    request = GenerationRequest(
        ChatPrompt((Message("user", "hi"),)),
        SamplingParams(temperature=0),
        max_tokens=80,
        thoughts=thoughts,
        logprobs=logprobs,
    )
    events = await events_of(library_file, LoadParams(str(thinker), n_ctx=512), request)
    assert "".join(event.text for event in events if isinstance(event, wire.Token)) == text


def fed(limit: ThoughtLimit, *pieces: str) -> tuple[list[int], int]:
    """Returns what is forced, and after how many pieces."""
    thoughts = Thoughts(limit)
    for count, piece in enumerate(pieces, start=1):
        thoughts.feed(piece.encode())
        forced = []
        while (token := thoughts.next_forced()) is not None:
            forced.append(token)
        if forced:
            return forced, count
    return [], len(pieces)


@pytest.mark.parametrize(
    ("begun", "pieces", "forced_after"),
    [
        (False, ("<think>", "a", "b", "c"), 3),
        (False, ("\n", "<th", "ink>", "a", "b", "c"), 5),
        (True, ("a", "b", "c"), 2),
        (True, ("a", "</think>", "b", "c", "d"), None),
        (True, ("a</th", "ink>", "b", "c", "d"), None),
        (False, ("a", "<think>", "b", "c", "d"), None),
        (False, ("<t", "able>", "b", "c", "d"), None),
    ],
)
def test_only_what_stands_between_the_marks_is_counted(
    begun: bool, pieces: tuple[str, ...], forced_after: int | None
) -> None:
    limit = ThoughtLimit(2, b"<think>", b"</think>", begun, (7, 8))
    assert fed(limit, *pieces) == (([7, 8], forced_after) if forced_after else ([], len(pieces)))
