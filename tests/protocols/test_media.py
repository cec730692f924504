"""Tests pictures and sound reach the engine from every protocol; what cannot be taken is refused, or leaves a word."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage.answer.schema import media
from hoshikage.http.bodies import MAX_BYTES
from hoshikage.params import ChatPrompt
from hoshikage.registry import OwnOptions, Registry
from hoshikage.settings import Settings
from tests.media_samples import STAR, TONE, encoded, png, projector, url, wav
from tests.protocols.conftest import House
from tests.protocols.test_chat_tools import model, prompted

LARGE: Final = 500_000
MARK: Final = re.compile("\ue002[0-9]{12}\ue002")
CALL: Final = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
PICTURE: Final = {"type": "image_url", "image_url": {"url": url(STAR), "detail": "high"}}
SOUND: Final = {"type": "input_audio", "input_audio": {"data": encoded(TONE), "format": "wav"}}
BLOCK: Final[dict[str, Any]] = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": encoded(STAR)},
}
ASK: Final = {"type": "text", "text": "What is it?"}


@pytest.fixture
def seeing(house: House, tmp_path: Path, settings: Settings) -> House:
    register(settings, tmp_path)
    return house


def register(settings: Settings, folder: Path, *, images: bool = True, audio: bool = True) -> None:
    """The model gets a projector that can do so much."""
    file = projector(images=images, audio=audio).write(folder / "mmproj.gguf")
    model(folder, "qwen3")
    Registry(settings.model_map_file).add("tiny", folder / "tiny.gguf", [], OwnOptions({"mmproj": str(file)}))


async def sent(house: House, route: str, **fields: Any) -> tuple[int, Any, str]:
    """Returns status, answer and what was ignored."""
    body = json.dumps({"model": "tiny", "stream": False, **fields})
    data: Any = io.BytesIO(body.encode()) if len(body) > LARGE else body
    status, answer, told = await house.ask("POST", route, data, **{"Accept-Language": "en"})
    return status, answer, told.get("X-Hoshikage-Ignored", "")


def shown(prompt: ChatPrompt) -> list[str]:
    """Returns the contents, with `<image 0>` in the place of the first medium's mark."""
    result = []
    for turn in prompt.messages:
        content = str(turn.content)
        for number, one in enumerate(prompt.media):
            content = content.replace(one.mark, f"<{one.kind} {number}>")
        assert not MARK.search(content)
        result.append(content)
    return result


REQUESTS: Final[dict[str, tuple[str, dict[str, Any], list[str], int]]] = {
    "chat": (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": [ASK, PICTURE, SOUND]}]},
        ["What is it?\n<image 0>\n<audio 1>"],
        2,
    ),
    "chat, a URL alone": (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": url(STAR)}, ASK]}]},
        ["<image 0>\nWhat is it?"],
        1,
    ),
    "chat, of a tool and of the history": (
        "/v1/chat/completions",
        {
            "messages": [
                {"role": "user", "content": [PICTURE, ASK]},
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": [PICTURE]},
                {"role": "user", "content": "Sure?"},
            ]
        },
        ["<image 0>\nWhat is it?", "None", "<image 1>", "Sure?"],
        2,
    ),
    "responses": (
        "/v1/responses",
        {
            "input": [
                {"role": "user", "content": [{"type": "input_image", "image_url": url(STAR)}, SOUND]},
                {"type": "function_call", "call_id": "c", "name": "view_image", "arguments": "{}"},
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_image", "image_url": url(STAR)}],
                },
            ]
        },
        ["<image 0>\n<audio 1>", "None", "<image 2>"],
        3,
    ),
    "messages": (
        "/v1/messages",
        {
            "max_tokens": 5,
            "messages": [
                {"role": "user", "content": [BLOCK, ASK]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "Read", "input": {}}]},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "1", "content": [BLOCK], "is_error": True}],
                },
            ],
        },
        ["<image 0>\nWhat is it?", "None", "Error:\n<image 1>"],
        2,
    ),
    "Ollama's chat": (
        "/api/chat",
        {"messages": [{"role": "user", "content": "What is it?", "images": [encoded(STAR), encoded(TONE)]}]},
        ["<image 0>\n<audio 1>\nWhat is it?"],
        2,
    ),
    "Ollama's generate": (
        "/api/generate",
        {"system": "Be brief.", "prompt": "What is it?", "images": [encoded(STAR)]},
        ["Be brief.", "<image 0>\nWhat is it?"],
        1,
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_they_stand_where_the_client_puts_them(seeing: House, name: str) -> None:
    route, fields, contents, count = REQUESTS[name]
    status, answer, ignored = await sent(seeing, route, **fields)
    assert (status, ignored) == (200, ""), answer
    prompt = prompted(seeing)
    assert shown(prompt) == contents
    assert len(prompt.media) == count
    assert {one.data for one in prompt.media} <= {STAR, TONE}
    assert all((one.kind == "image") == (one.data == STAR) for one in prompt.media)
    assert "\ue002" not in json.dumps(answer, ensure_ascii=False)


async def test_equal_files_have_equal_digests_and_marks_of_their_own(seeing: House) -> None:
    await sent(seeing, "/v1/chat/completions", messages=[{"role": "user", "content": [PICTURE, PICTURE]}])
    first, second = prompted(seeing).media
    assert first.digest == second.digest
    assert first.mark != second.mark


async def test_a_response_goes_on_with_a_picture_that_is_history_by_then(
    seeing: House, settings: Settings, tmp_path: Path
) -> None:
    asked = [{"role": "user", "content": [{"type": "input_image", "image_url": url(STAR)}]}]
    _, first, _ = await sent(seeing, "/v1/responses", input=asked)
    await sent(seeing, "/v1/responses", input="Sure?", previous_response_id=first["id"])
    assert shown(prompted(seeing))[0] == "<image 0>"
    register(settings, tmp_path, images=False)
    status, _, ignored = await sent(seeing, "/v1/responses", input="Sure?", previous_response_id=first["id"])
    assert status == 200
    assert shown(prompted(seeing))[0] == "[image left out: this model does not read it]"
    assert ignored == "input[0].content[0]: input_image"


DAMAGED: Final[dict[str, tuple[Any, str]]] = {
    "no base64": ({"type": "image_url", "image_url": {"url": "data:image/png;base64,a*b"}}, "base64"),
    "no data URL": ({"type": "image_url", "image_url": {"url": "aaaa"}}, "data URL"),
    "a file": ({"type": "image_url", "image_url": {"url": "file:///etc/hostname"}}, "data URL"),
    "on the network": ({"type": "image_url", "image_url": {"url": "http://a.example/a.png"}}, "ALLOW_REMOTE_IMAGES"),
    "nothing": ({"type": "image_url"}, "image_url"),
    "a text": ({"type": "image_url", "image_url": {"url": url(b"Hello, world")}}, "looks like no picture"),
    "a PDF": ({"type": "image_url", "image_url": {"url": url(b"%PDF-1.7 ...")}}, "is PDF"),
    "cut": ({"type": "image_url", "image_url": {"url": url(STAR[:12])}}, "damaged"),
    "too many pixels": ({"type": "image_url", "image_url": {"url": url(png(9000, 9000))}}, "9000 × 9000"),
    "a sound": ({"type": "image_url", "image_url": {"url": url(TONE)}}, "input_audio"),
    "a picture": ({"type": "input_audio", "input_audio": {"data": encoded(STAR), "format": "wav"}}, "image_url"),
    "a format": ({"type": "input_audio", "input_audio": {"data": encoded(TONE), "format": "ogg"}}, "wav, mp3"),
    "a long sound": (
        {"type": "input_audio", "input_audio": {"data": encoded(wav(4000, 10)), "format": "wav"}},
        "66 minutes",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
async def test_what_cannot_be_used_is_refused_when_asked_about_and_a_word_in_the_history(
    seeing: House, name: str
) -> None:
    part, words = DAMAGED[name]
    asked = {"role": "user", "content": [ASK, part]}
    status, answer, _ = await sent(seeing, "/v1/chat/completions", messages=[asked])
    assert (status, words in answer["error"]["message"]) == (400, True), answer
    assert answer["error"]["param"].startswith("messages[0].content[1]")
    status, answer, ignored = await sent(
        seeing, "/v1/chat/completions", messages=[asked, {"role": "user", "content": "Sure?"}]
    )
    assert status == 200
    kind = "audio" if part["type"] == "input_audio" else "image"
    assert shown(prompted(seeing))[0] == f"What is it?\n[{kind} left out: it cannot be used]"
    assert [one["code"] for one in answer["warnings"]] == ["content_left_out"]
    assert ignored == f"messages[0].content[1]: {part['type']}"


def broken_up(text: str) -> str:
    """Breaks a text into lines, as many tools write base64."""
    return "\r\n".join(text[at : at + 16] for at in range(0, len(text), 16)) + " \t\n"


@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
async def test_base64_in_lines(seeing: House, route: str) -> None:
    lines = broken_up(encoded(STAR))
    parts: Any = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{lines}"}}]
    if route == "/v1/messages":
        parts = [{**BLOCK, "source": {**BLOCK["source"], "data": lines}}]
    asked = {"role": "user", "content": "?", "images": [lines]} if route == "/api/chat" else {"content": parts}
    status, answer, _ = await sent(seeing, route, messages=[{"role": "user", **asked}], max_tokens=8)
    assert status == 200, answer
    assert [one.data for one in prompted(seeing).media] == [STAR]


async def test_white_space_in_base64_counts_for_nothing(seeing: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_BYTES", len(STAR))
    for data, status in ((encoded(STAR) + "\n" * 400, 200), (encoded(STAR + bytes(3)), 400)):
        part = {"type": "image_url", "image_url": {"url": f"data:;base64,{data}"}}
        asked = [{"role": "user", "content": [part]}]
        assert (await sent(seeing, "/v1/chat/completions", messages=asked))[0] == status


@pytest.mark.parametrize(
    "source", [{"type": "file", "file_id": "f"}, {"type": "x"}, {"type": "base64"}, {"type": "url", "url": 5}, None, 5]
)
async def test_a_source_of_another_kind_is_told_so(seeing: House, source: Any) -> None:
    asked = {"role": "user", "content": [{"type": "image", "source": source}]}
    status, answer, _ = await sent(seeing, "/v1/messages", messages=[asked], max_tokens=8)
    assert status == 400
    assert "messages[0].content[0].source is of a kind that is not taken" in answer["error"]["message"]
    status, _, ignored = await sent(
        seeing, "/v1/messages", messages=[asked, {"role": "user", "content": "Sure?"}], max_tokens=8
    )
    assert (status, ignored) == (200, "messages[0].content[0]: image")


@pytest.mark.parametrize(("images", "audio"), [(True, False), (False, True)])
async def test_a_projector_that_reads_one_of_them(
    house: House, settings: Settings, tmp_path: Path, *, images: bool, audio: bool
) -> None:
    register(settings, tmp_path, images=images, audio=audio)
    for part, works, word in ((PICTURE, images, "pictures"), (SOUND, audio, "sound")):
        asked = {"role": "user", "content": [part]}
        status, answer, _ = await sent(house, "/v1/chat/completions", messages=[asked])
        assert status == (200 if works else 400)
        if not works:
            assert f"does not read {word}" in answer["error"]["message"]
            assert "--mmproj" in answer["error"]["message"]


def pictures(count: int, size: int) -> Sequence[dict[str, Any]]:
    """Makes so many pictures."""
    return [
        {"type": "image_url", "image_url": {"url": url(png(shade=shade).ljust(size, b"\0"))}} for shade in range(count)
    ]


async def test_the_newest_have_the_room(seeing: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_BYTES", 5000)
    turns = [{"role": "user", "content": [part]} for part in pictures(5, 2000)]
    status, _, _ = await sent(seeing, "/v1/chat/completions", messages=turns)
    assert status == 200
    left = "[image left out: there is no room for it]"
    assert shown(prompted(seeing)) == [left, left, left, "<image 0>", "<image 1>"]
    status, answer, _ = await sent(
        seeing, "/v1/chat/completions", messages=[{"role": "user", "content": list(pictures(3, 2000))}]
    )
    assert (status, answer["error"]["param"]) == (400, "messages[0].content[2].image_url")


async def test_there_are_only_so_many(seeing: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_MEDIA", 2)
    content = [PICTURE, SOUND, PICTURE]
    status, answer, _ = await sent(seeing, "/v1/chat/completions", messages=[{"role": "user", "content": content}])
    assert (status, answer["error"]["param"]) == (400, "messages[0].content[2]")


async def test_a_large_body_is_taken_where_it_is_pictures(seeing: House) -> None:
    large = [{"role": "user", "content": list(pictures(2, 5 * 1024 * 1024))}]
    status, answer, _ = await sent(seeing, "/v1/chat/completions", messages=large)
    assert status == 200, answer
    assert [len(one.data) for one in prompted(seeing).media] == [5 * 1024 * 1024] * 2
    for route, fields in (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a" * (MAX_BYTES + 1)}]}),
        ("/v1/embeddings", {"input": "a", "data": "a" * (MAX_BYTES + 1)}),
    ):
        status, answer, _ = await sent(seeing, route, **fields)
        assert (status, answer["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("fields", [{"raw": True}, {"suffix": "b"}])
async def test_a_prompt_without_a_template_has_no_place_for_pictures(seeing: House, fields: dict[str, Any]) -> None:
    status, answer, _ = await sent(seeing, "/api/generate", prompt="a", images=[encoded(STAR)], **fields)
    assert (status, "images" in answer["error"]) == (400, True)


async def test_what_a_model_takes_is_told_everywhere(house: House, settings: Settings, tmp_path: Path) -> None:
    async def told() -> tuple[Any, ...]:
        _, one, _ = await house.ask("GET", "/v1/models/tiny")
        _, every, _ = await house.ask("GET", "/v1/capabilities")
        _, show, _ = await house.ask("POST", "/api/show", json.dumps({"model": "tiny"}))
        _, tags, _ = await house.ask("GET", "/api/tags")
        _, props, _ = await house.ask("GET", "/props?model=tiny")
        able = every["models"][0]["capabilities"]
        listed = [{"vision", "audio"} & set(shown["capabilities"]) for shown in (show, tags["models"][0])]
        return one["architecture"]["input_modalities"], able["images"], able["audio"], *listed, props["modalities"]

    model(tmp_path, "qwen3")
    assert await told() == (["text"], False, False, set(), set(), {"vision": False, "audio": False})
    register(settings, tmp_path)
    both = {"vision", "audio"}
    assert await told() == (["text", "image", "audio"], True, True, both, both, {"vision": True, "audio": True})
    register(settings, tmp_path, audio=False)
    one = {"vision"}
    assert await told() == (["text", "image"], True, False, one, one, {"vision": True, "audio": False})


async def test_a_template_is_shown_with_llama_server_s_marker(seeing: House) -> None:
    messages = [{"role": "user", "content": [ASK, PICTURE]}]
    status, _, _ = await sent(seeing, "/v1/chat/completions/input_tokens", messages=messages)
    assert status == 200
    assert shown(prompted(seeing)) == ["What is it?\n<image 0>"]
