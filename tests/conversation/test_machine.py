"""Sends random conversations over real templates and all protocols, each answer sent back: none is refused, no word is
lost.

`CONVERSATIONS` in the environment: so many for each template and protocol, others each time. By default there are a few
for each template, the same ones each time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from hoshikage.llama.repair import WORDS_LOST
from tests.conversation.clients import CLIENTS, Client
from tests.conversation.stage import Stage
from tests.llama.test_template_words import (
    APPENDS,
    FIRST_CALL_ALONE,
    LAST_SYSTEM_ALONE,
    NO_CALLS,
    NO_THOUGHTS_BESIDE_A_CALL,
    NO_WORDS_BESIDE_A_CALL,
    NO_WORDS_WITH_THOUGHTS,
    REFUSES_SECOND_CALL,
    SILENT_LATE_SYSTEM,
)
from tests.protocols.test_chat_tools import TEMPLATES
from tests.real_templates import real_templates
from tests.tools.spoken import SCHEMAS, spoken

OWN: Final = {
    "late system": SILENT_LATE_SYSTEM,
    "last system": LAST_SYSTEM_ALONE,
    "no words beside a call": NO_WORDS_BESIDE_A_CALL,
    "first call": FIRST_CALL_ALONE,
    "one call": REFUSES_SECOND_CALL,
    "words or thoughts": NO_WORDS_WITH_THOUGHTS,
    "no thoughts": NO_THOUGHTS_BESIDE_A_CALL,
    "no calls": NO_CALLS,
    "appends": APPENDS,
    **{file.stem: file.read_text("utf-8") for file in sorted(TEMPLATES.glob("*.jinja"))},
}
FEW: Final = 3
"""Each template has so many conversations; the first of them is the shortest."""
CALLED: Final = ((), (), ("weather",), ("time",), ("note", "weather"), ("weather", "weather"), ("time", "note", "time"))
LEAST: Final = 90
"""There are at least so many templates."""
TURNS: Final = 10
WORD: Final = re.compile(r"w\d+q")
"""Each text has words of its own, so that none is found in another's place; thoughts have others."""
FRAMES: Final = (
    "{0}",
    "  {0}\n",
    "{0}. 「星」 <b> {1}",
    '{{"a": "{0}", "b": [1, null]}}',
    "- {0}\n\n```\n{1}\n```",
    "{0} <think> or <|channel> {1} it.",
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    sources = {**real_templates(), **{f"own-{name.replace(chr(32), chr(45))}": source for name, source in OWN.items()}}
    made = Stage(sources, tmp_path_factory.mktemp("stage"))
    yield made
    made.close()


class Conversation(RuleBasedStateMachine):
    """This is one conversation of one client with one model."""

    stage: ClassVar[Stage]
    label: ClassVar[str]
    kind: ClassVar[type[Client]]

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._client: Client
        self._sent: set[str] = set()
        """These are the words of the whole conversation, but those of thoughts."""
        self._last = ""
        """This is who spoke last."""

    def _words(self, frame: str = "{0}") -> str:
        self._count += 2
        return frame.format(f"w{self._count}q", f"w{self._count + 1}q")

    def _given(self, frame: str = "{0}") -> str:
        text = self._words(frame)
        self._sent.update(WORD.findall(text))
        return text

    @initialize(data=st.data(), tools=st.sampled_from([True, True, True, False]))
    def begin(self, data: st.DataObject, tools: bool) -> None:
        house = self.stage.house
        self._client = self.kind(house.session, house.url, self.label, SCHEMAS if tools else {})
        if data.draw(st.booleans()):
            self.system(data.draw(st.sampled_from(self.kind.roles)))
        self.user(["{0}"])

    @rule(data=st.data())
    def late_system(self, data: st.DataObject) -> None:
        self.system(data.draw(st.sampled_from(self._client.roles)))

    @rule(frames=st.lists(st.sampled_from(FRAMES), min_size=1, max_size=2))
    def user(self, frames: list[str]) -> None:
        self._client.user([self._given(frame) for frame in frames])
        self._last = "user"

    @precondition(lambda self: self._last == "results")
    @rule()
    def tools_are_offered_no_more(self) -> None:
        self._client.body.pop("tools", None)

    @rule(
        thoughts=st.booleans(),
        words=st.sampled_from(["", *FRAMES]),
        names=st.sampled_from(CALLED),
        harm=st.sampled_from(["none", "none", "none", "cut", "broken"]),
        data=st.data(),
    )
    def answer(self, thoughts: bool, words: str, names: tuple[str, ...], harm: str, data: st.DataObject) -> None:
        calls = [(name, self._arguments(name)) for name in names] if "tools" in self._client.body else []
        said = self._words(words).strip() if words or not calls else ""
        thought = f"t{self._count}q." if thoughts else ""
        form = self.stage.formats[self.label]
        fractions = sorted(data.draw(st.lists(st.floats(0, 1), max_size=4)))

        def speaks(tail: str) -> list[str]:
            if self._last == "words" and self._client.goes_on:
                text = said
            else:
                text = spoken(form.form, said, calls, thoughts=thought, thinking=form.thinking, tail=tail)
            at = int(len(text) * place)
            if harm != "none":
                text = text[:at] if harm == "cut" else f"{text[:at]}☾{text[at:]}"
            edges = [0, *(int(len(text) * one) for one in fractions), len(text)]
            return [text[a:b] for a, b in pairwise(edges)]

        place = data.draw(st.floats(0, 1)) if harm != "none" else 1.0
        actor, client = self.stage.actor, self._client
        actor.speaks, actor.reason = speaks, "length" if harm == "cut" else "stop"
        whole, repairs = self.stage.run(client.ask(stream=False))
        self._shown(repairs)
        frames, _ = self.stage.run(client.ask(stream=True))
        heard = client.heard(whole)
        assert client.joined(frames) == heard
        if harm == "none" and self._last != "words":
            assert heard.content.strip() == said
            assert [name for name, _ in heard.calls] == list(names[: len(calls)])
        client.keep(whole)
        self._sent.update(WORD.findall(f"{heard.content} {heard.calls}"))
        self._last = "calls" if heard.calls else "words"
        if heard.calls and data.draw(st.sampled_from([True, True, True, False])):
            self._results(data)

    def _results(self, data: st.DataObject) -> None:
        pending = self._client.pending
        for call in pending[::-1] if data.draw(st.booleans()) else pending:
            frame = data.draw(st.sampled_from([*FRAMES, "image"]))
            if frame == "image":
                self._client.image(call)
            else:
                self._client.result(call, self._given(frame))
        self._last = "results"

    def system(self, role: str) -> None:
        self._client.system(role, self._given())
        self._last = "system"

    def _arguments(self, name: str) -> dict[str, Any]:
        if name == "note":
            return {"text": self._words('{0} "x" <i>\n{1}')}
        return {"city": self._words(), "days": 3, "places": [self._words()]} if name == "weather" else {}

    def _shown(self, repairs: str) -> None:
        """Every word that was sent stands in the prompt."""
        assert WORDS_LOST not in repairs, f"{self.label}: {repairs}"
        lost = self._sent - set(WORD.findall(self.stage.actor.prompt))
        assert not lost, f"{self.label}: {lost} ({repairs})\n{self.stage.actor.prompt}"


@pytest.mark.process
@pytest.mark.long
def test_no_conversation_is_refused_or_loses_a_word(stage: Stage) -> None:
    run: Any = run_state_machine_as_test  # hypothesis of Python 3.10 gives it no types
    asked = os.environ.get("CONVERSATIONS")
    labels = sorted(stage.formats)
    assert len(labels) >= LEAST
    for number, label in enumerate(labels):
        for kind in CLIENTS if asked else (CLIENTS[number % len(CLIENTS)],):
            machine = type("Conversation", (Conversation,), {"stage": stage, "label": label, "kind": kind})
            run(
                machine if asked else seed(number)(machine),
                settings=settings(
                    max_examples=int(asked or FEW),
                    stateful_step_count=TURNS,
                    database=None,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.generate],
                    report_multiple_bugs=False,
                ),
            )
