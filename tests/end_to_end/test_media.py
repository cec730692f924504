"""Tests pictures and sound by all protocols, from the client's JSON to the tokens that a real libmtmd makes of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from openai import OpenAI

from hoshikage.registry import OwnOptions, Registry
from tests.end_to_end.conftest import register
from tests.end_to_end.live import LiveServer, home_environ
from tests.media_library import media_library
from tests.media_samples import encoded, png, url, wav
from tests.projector_files import LLAVA_TOKENS, SOUND_TOKENS, write_llava, write_ultravox
from tests.tiny_decoders import write_decoder

pytestmark = [pytest.mark.native, pytest.mark.process]
STAR: Final = png(8, 8, 40)
MOON: Final = png(8, 8, 220)
TONE: Final = wav(1.0, 16000)
ASKED: Final = "What is it?"


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models")
    model = write_decoder(folder / "star.gguf")
    register(home, {"blind": model})
    registry = Registry(home / ".config" / "hoshikage" / "model_map.json")
    for label, write in (("seeing", write_llava), ("hearing", write_ultravox)):
        registry.add(label, model, [], OwnOptions({"mmproj": str(write(folder / f"{label}-mmproj.gguf"))}))
    settings = {"N_CTX": "2048", "TEMPERATURE": "0", "RUNNER_AHEAD": "off", "ALLOW_REMOTE_IMAGES": "on"}
    with LiveServer(home_environ(home, media_library(), **settings)) as live:
        yield live


def posted(server: LiveServer, path: str, **body: Any) -> Any:
    told = httpx.post(f"{server.url}{path}", json={"stream": False, **body}, timeout=120)
    assert told.status_code == 200, told.text
    return told.json()


def chat(server: LiveServer, content: Any, model: str = "seeing") -> Any:
    asked = {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 8}
    return posted(server, "/v1/chat/completions", **asked)


def picture(data: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url(data)}}


def test_every_protocol_gives_the_model_the_same_picture(seeing: LiveServer) -> None:
    text = {"type": "text", "text": ASKED}
    first = chat(seeing, [picture(STAR), text])
    words, taken = first["choices"][0]["message"]["content"], first["usage"]["prompt_tokens"]
    plain = chat(seeing, ASKED)["usage"]["prompt_tokens"]
    assert taken >= plain + LLAVA_TOKENS
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded(STAR)}}
    said = posted(
        seeing, "/v1/messages", model="seeing", max_tokens=8, messages=[{"role": "user", "content": [block, text]}]
    )
    assert ("".join(one["text"] for one in said["content"]), said["usage"]["input_tokens"]) == (words, taken)
    parts = [{"type": "input_image", "image_url": url(STAR)}, {"type": "input_text", "text": ASKED}]
    said = posted(
        seeing,
        "/v1/responses",
        model="seeing",
        max_output_tokens=8,
        input=[{"role": "user", "content": parts}],
    )
    assert (said["output"][0]["content"][0]["text"], said["usage"]["input_tokens"]) == (words, taken)
    turn = {"role": "user", "content": ASKED, "images": [encoded(STAR)]}
    said = posted(seeing, "/api/chat", model="seeing", options={"num_predict": 8}, messages=[turn])
    assert (said["message"]["content"], said["prompt_eval_count"]) == (words, taken)
    said = posted(
        seeing, "/api/generate", model="seeing", options={"num_predict": 8}, prompt=ASKED, images=[encoded(STAR)]
    )
    assert (said["response"], said["prompt_eval_count"]) == (words, taken)


def test_another_picture_is_another_answer(seeing: LiveServer) -> None:
    answers = [
        chat(seeing, [picture(data), {"type": "text", "text": ASKED}])["choices"][0]["message"]["content"]
        for data in (STAR, MOON, STAR)
    ]
    assert answers[0] == answers[2] != answers[1]


def test_its_tokens_are_counted_without_an_answer(seeing: LiveServer) -> None:
    messages = [{"role": "user", "content": [picture(STAR), {"type": "text", "text": ASKED}]}]
    counted = posted(seeing, "/v1/chat/completions/input_tokens", model="seeing", messages=messages)
    assert counted["input_tokens"] == chat(seeing, messages[0]["content"])["usage"]["prompt_tokens"]


def test_a_damaged_picture_is_refused_and_the_server_goes_on(seeing: LiveServer) -> None:
    for cut in range(40, len(STAR), 9):
        asked = {"model": "seeing", "messages": [{"role": "user", "content": [picture(STAR[:cut])]}], "max_tokens": 1}
        told = httpx.post(f"{seeing.url}/v1/chat/completions", json=asked, timeout=60)
        assert told.status_code in (200, 400), told.text
    assert chat(seeing, ASKED)["usage"]["completion_tokens"]


def unreadable(data: bytes) -> bytes:
    """Makes a picture whose head is whole, and whose rows are not."""
    at = data.index(b"IDAT") + 8
    return data[:at] + bytes(len(data) - at)


def test_one_that_cannot_be_read_is_words_in_the_history_and_refused_in_the_question(seeing: LiveServer) -> None:
    broken = unreadable(STAR)
    history = [
        {"role": "user", "content": [picture(broken), {"type": "text", "text": ASKED}]},
        {"role": "assistant", "content": "A star."},
        {"role": "user", "content": [picture(MOON), {"type": "text", "text": "And now?"}]},
    ]
    for model, messages in (("seeing", history), ("seeing", [*history, history[1], {"role": "user", "content": "?"}])):
        asked = {"model": model, "messages": messages, "max_tokens": 4}
        told = httpx.post(f"{seeing.url}/v1/chat/completions", json=asked, timeout=120)
        assert told.status_code == 200, told.text
        assert told.headers["X-Hoshikage-Ignored"] == "messages[0].content[0]: image"
        assert told.json()["warnings"]
    asked = {"model": "seeing", "messages": history[:1], "max_tokens": 4}
    told = httpx.post(f"{seeing.url}/v1/chat/completions", json=asked, timeout=120)
    assert (told.status_code, told.json()["error"]["param"]) == (400, "messages")


def test_a_prompt_with_files_is_answered_as_its_chat(seeing: LiveServer) -> None:
    content = [picture(STAR), {"type": "text", "text": ASKED}]
    told = chat(seeing, content)
    made = posted(seeing, "/apply-template", model="seeing", messages=[{"role": "user", "content": content}])
    for data, same in ((STAR, True), (MOON, False)):
        prompt = {"prompt_string": made["prompt"], "multimodal_data": [encoded(data)]}
        answer = posted(seeing, "/completion", model="seeing", prompt=prompt, n_predict=8)
        assert answer["tokens_evaluated"] == told["usage"]["prompt_tokens"]
        assert (answer["content"] == told["choices"][0]["message"]["content"]) is same


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::1]"])
def test_a_picture_of_this_machine_is_never_fetched(seeing: LiveServer, host: str) -> None:
    part = {"type": "image_url", "image_url": {"url": f"http://{host}:{seeing.port}/health"}}
    asked = {"model": "seeing", "messages": [{"role": "user", "content": [part]}], "max_tokens": 1}
    told = httpx.post(f"{seeing.url}/v1/chat/completions", json=asked, headers={"Accept-Language": "en"}, timeout=60)
    error = told.json()["error"]
    assert (told.status_code, error["param"]) == (400, "messages[0].content[0].image_url")
    assert "leads to this machine" in error["message"]


def test_what_each_model_takes(seeing: LiveServer) -> None:
    told = httpx.get(f"{seeing.url}/v1/capabilities").json()["models"]
    assert {one["id"]: (one["capabilities"]["images"], one["capabilities"]["audio"]) for one in told} == {
        "blind": (False, False),
        "seeing": (True, False),
        "hearing": (False, True),
    }
    refused = {"model": "blind", "messages": [{"role": "user", "content": [picture(STAR)]}]}
    answer = httpx.post(f"{seeing.url}/v1/chat/completions", json=refused, headers={"Accept-Language": "en"})
    assert (answer.status_code, "--mmproj" in answer.json()["error"]["message"]) == (400, True)


def test_a_recording_is_heard_and_transcribed(seeing: LiveServer) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": encoded(TONE), "format": "wav"}}
    heard = chat(seeing, [sound, {"type": "text", "text": ASKED}], "hearing")
    assert heard["usage"]["prompt_tokens"] >= SOUND_TOKENS
    with OpenAI(base_url=f"{seeing.url}/v1", api_key="none", max_retries=0) as client:
        told = client.audio.transcriptions.create(
            model="hearing", file=("a.wav", io.BytesIO(TONE)), extra_body={"unknown": json.dumps(1)}
        )
    assert isinstance(told.text, str)


def test_run_shows_a_picture(seeing: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "star.png").write_bytes(STAR)
    command = [sys.executable, "-m", "hoshikage", "run", "seeing", ASKED, "--image", str(tmp_path / "star.png")]
    more = ["--tokens", "8", "--temperature", "0", "--port", str(seeing.port)]
    ran = subprocess.run(
        [*command, *more], env=dict(seeing.environ), capture_output=True, timeout=120, check=False, cwd=tmp_path
    )
    expected = chat(seeing, [picture(STAR), {"type": "text", "text": ASKED}])["choices"][0]["message"]["content"]
    assert ran.returncode in (0, 3), ran.stderr
    assert ran.stdout.decode("utf-8", "replace").strip() == expected.strip()
