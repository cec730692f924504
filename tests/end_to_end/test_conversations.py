"""Tests a conversation with calls over every protocol, nothing set but what the model says: each answer is sent
back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from aiohttp import ClientSession

from hoshikage.tools import ChatFormat
from tests import playback
from tests.conversation.clients import CLIENTS, Client
from tests.end_to_end.conftest import register
from tests.end_to_end.live import LiveServer, home_environ
from tests.protocols.test_chat_tools import TEMPLATES
from tests.tools.spoken import SCHEMAS, spoken

LABELS: Final = ("gpt-oss", "lfm2", "mistral", "qwen3")
CALLS: Final = (("weather", {"city": "Sapporo", "days": 3}), ("note", {"text": "Fetch an umbrella, quickly."}))
LAST: Final = "It is raining up there, so stay at home."


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, library_file: Path) -> Iterator[LiveServer]:
    home = tmp_path_factory.mktemp("home")
    models = {}
    for label in LABELS:
        source = (TEMPLATES / f"{label}.jinja").read_text("utf-8")
        form = ChatFormat.of(source)
        first = spoken(form.form, "I look.", CALLS, thoughts="Both, then.", thinking=form.thinking)
        last = spoken(form.form, LAST)
        models[label] = playback.write(home / f"{label}.gguf", source, [first, first, last], n_ctx=8192)
    register(home, models)
    with LiveServer(home_environ(home, library_file, N_CTX="8192")) as server:
        yield server


@pytest.mark.parametrize("label", LABELS)
async def test_each_answer_of_a_real_model_can_be_sent_back(live: LiveServer, label: str) -> None:
    async with ClientSession() as session:
        said = [await _conversation(kind(session, live.url, label, SCHEMAS)) for kind in CLIENTS]
    assert said == [LAST] * len(CLIENTS)


async def _conversation(client: Client) -> str:
    """Returns the last answer of one conversation with two calls; each is asked for whole and as a stream."""
    client.system(client.roles[0], "Be brief.")
    client.user(["How is it?", "And keep a note."])
    content = ""
    for turn in range(2):
        whole, _ = await client.ask(stream=False)
        frames, _ = await client.ask(stream=True)
        heard = client.heard(whole)
        assert client.joined(frames) == heard
        assert [name for name, _ in heard.calls] == ([name for name, _ in CALLS] if not turn else [])
        client.keep(whole)
        for number, call in enumerate(client.pending):
            client.result(call, ("rain", '{"kept": true}')[number])
        if not turn:
            client.system(client.roles[-1], "Be kind.")
        content = heard.content
    return content
