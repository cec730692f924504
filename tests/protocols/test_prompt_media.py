"""Pictures and sounds beside a prompt, as llama-server's clients send them: `multimodal_data`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hoshikage.answer.schema import media
from hoshikage.answer.schema.media import MAX_MEDIA
from hoshikage.answer.schema.prompt_media import MARKER
from hoshikage.params import TextPrompt
from hoshikage.settings import Settings
from tests.media_samples import STAR, TONE, encoded
from tests.protocols.conftest import House
from tests.protocols.test_chat_tools import model, says
from tests.protocols.test_media import register, sent

ROUTES = ("/completion", "/v1/completions")


@pytest.fixture
def sensing(house: House, tmp_path: Path, settings: Settings) -> House:
    register(settings, tmp_path)
    says(house, "A star.")
    return house


def prompt(text: str, *files: bytes) -> dict[str, Any]:
    return {"prompt_string": text, "multimodal_data": [encoded(file) for file in files]}


def shown(asked: Any) -> str:
    """Returns a prompt's text with the kinds of its media in the places of their marks."""
    assert isinstance(asked.prompt, TextPrompt)
    text = asked.prompt.text
    for medium in asked.prompt.media:
        text = text.replace(medium.mark, f"<{medium.kind}>")
    return text


@pytest.mark.parametrize("route", ROUTES)
async def test_each_mark_becomes_its_file(sensing: House, route: str) -> None:
    given = ["words", prompt(f"See {MARKER} and hear {MARKER}!", STAR, TONE), prompt(MARKER, STAR)]
    status, answer, _ = await sent(sensing, route, prompt=given)
    assert status == 200, answer
    requests: list[Any] = [request for _, request in sensing.dispatcher.asked]
    assert [shown(request) for request in requests] == ["words", "See <image> and hear <audio>!", "<image>"]
    assert [[medium.data for medium in request.prompt.media] for request in requests] == [[], [STAR, TONE], [STAR]]


async def test_the_prompt_is_told_in_words(sensing: House) -> None:
    _, answer, _ = await sent(sensing, "/completion", prompt=prompt(f"See {MARKER}!", STAR))
    assert answer["prompt"] == "See [image]!"


@pytest.mark.parametrize(
    ("given", "place", "words"),
    [
        (prompt("none", STAR), "prompt.prompt_string", "has 0 of <__media__>, and multimodal_data 1 files"),
        (prompt(MARKER * 2, STAR), "prompt.prompt_string", "as many of both"),
        (["a", prompt(MARKER, b"words")], "prompt[1].multimodal_data[0]", "looks like no picture"),
        (prompt(MARKER, STAR[:12]), "prompt.multimodal_data[0]", "damaged"),
        ({"prompt_string": MARKER, "multimodal_data": ["?"]}, "prompt.multimodal_data[0]", "no valid base64"),
        (prompt(MARKER * (MAX_MEDIA + 1), *[STAR] * (MAX_MEDIA + 1)), f"prompt.multimodal_data[{MAX_MEDIA}]", "limit"),
    ],
)
@pytest.mark.parametrize("route", ROUTES)
async def test_what_does_not_fit_is_refused_with_its_place(
    sensing: House, route: str, given: Any, place: str, words: str
) -> None:
    status, answer, _ = await sent(sensing, route, prompt=given)
    assert (status, answer["error"]["param"]) == (400, place)
    assert words in answer["error"]["message"]
    assert sensing.dispatcher.asked == []


async def test_all_files_of_all_prompts_share_the_bound(sensing: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_BYTES", 2 * len(STAR))
    given = [prompt(MARKER * 2, STAR, STAR), prompt(MARKER, STAR)]
    status, answer, _ = await sent(sensing, "/completion", prompt=given)
    assert (status, answer["error"]["param"]) == (400, "prompt[1].multimodal_data[0]")
    assert "MiB for all of them together" in answer["error"]["message"]


@pytest.mark.parametrize("route", ROUTES)
async def test_a_model_that_reads_none_says_so(house: House, tmp_path: Path, route: str) -> None:
    model(tmp_path, "qwen3")
    status, answer, _ = await sent(house, route, prompt=prompt(MARKER, STAR))
    assert (status, "--mmproj" in answer["error"]["message"]) == (400, True)


@pytest.mark.parametrize("route", ["/v1/embeddings", "/embedding"])
async def test_vectors_are_made_of_words_alone(sensing: House, route: str) -> None:
    for given, place in ((prompt(MARKER, STAR), "input"), (["a", prompt(MARKER, STAR)], "input[1]")):
        status, answer, _ = await sent(sensing, route, input=given)
        assert (status, answer["error"]["param"]) == (400, f"{place}.multimodal_data")


async def test_the_mark_is_told(sensing: House) -> None:
    _, told, _ = await sensing.ask("GET", "/props?model=tiny")
    assert (told["media_marker"], told["modalities"]) == (MARKER, {"vision": True, "audio": True})


async def test_a_suffix_has_no_place_for_files(sensing: House) -> None:
    status, answer, _ = await sent(sensing, "/v1/completions", prompt=prompt(MARKER, STAR), suffix="b")
    assert (status, answer["error"]["param"]) == (400, "suffix")
    assert json.dumps(answer)
