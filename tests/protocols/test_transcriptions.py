"""POST /v1/audio/transcriptions, as OpenAI's SDK sends it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import openai
import pytest

from hoshikage.errors import InvalidRequest
from hoshikage.http.form import MAX_FIELDS, fields_of
from hoshikage.http.ignored import HEADER
from hoshikage.settings import Settings
from tests.media_samples import STAR, TONE, wav
from tests.protocols.conftest import House
from tests.protocols.test_chat_tools import model, prompted, says
from tests.protocols.test_media import register


@pytest.fixture
def hearing(house: House, tmp_path: Path, settings: Settings) -> House:
    register(settings, tmp_path, images=False)
    says(house, " Stars", " are out. ")
    return house


async def transcribed(house: House, data: bytes = TONE, **fields: Any) -> Any:
    async with house.sdk() as client:
        return await client.audio.transcriptions.create(model="tiny", file=("a.wav", data), **fields)


async def test_a_recording_becomes_a_text(hearing: House) -> None:
    told = await transcribed(hearing, language="ja", prompt="Sirius", temperature=0.5)
    assert told.text == "Stars are out."
    assert told.usage.type == "tokens"
    prompt = prompted(hearing)
    assert [one.data for one in prompt.media] == [TONE]
    said = str(prompt.messages[-1].content)
    assert said.startswith(f"{prompt.media[0].mark}\nTranscribe")
    assert "ja" in said
    assert "Sirius" in said
    assert hearing.dispatcher.asked[-1][1].sampling.temperature == 0.5


async def test_it_is_plain_text_where_that_is_asked_for(hearing: House) -> None:
    assert await transcribed(hearing, response_format="text") == "Stars are out.\n"


async def test_it_is_told_with_its_length_as_one_segment(hearing: House) -> None:
    told = await transcribed(
        hearing, wav(1.5), response_format="verbose_json", language="ja", timestamp_granularities=["segment"]
    )
    assert (told.text, told.language, told.duration) == ("Stars are out.", "ja", 1.5)
    (segment,) = told.segments
    assert (segment.id, segment.start, segment.end, segment.text) == (0, 0, 1.5, "Stars are out.")
    assert (await transcribed(hearing, wav(1.5), response_format="verbose_json")).language == ""


async def test_times_that_nobody_knows_are_refused_in_words(hearing: House) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await transcribed(hearing, response_format="srt", extra_headers={"Accept-Language": "en"})
    assert "no model tells when a word was said" in str(caught.value)


async def test_it_is_streamed(hearing: House) -> None:
    events = [event async for event in await transcribed(hearing, stream=True)]
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert (events[0].delta, events[-1].text) == (" Stars", "Stars are out.")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "srt"}, "response_format"),
        ({"response_format": "vtt"}, "response_format"),
        (
            {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]},
            "timestamp_granularities",
        ),
        ({"response_format": "verbose_json", "stream": True}, "stream"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "nan"}, "temperature"),
        ({"data": STAR}, "file"),
        ({"data": b"words"}, "file"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(hearing: House, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await transcribed(hearing, **fields)
    assert caught.value.param == param
    assert hearing.dispatcher.asked == []


async def test_what_is_ignored_is_named(hearing: House) -> None:
    async with hearing.sdk() as client:
        answer = await client.audio.transcriptions.with_raw_response.create(
            model="tiny", file=("a.wav", TONE), include=["logprobs"], chunking_strategy="auto"
        )
    assert answer.headers[HEADER] == "chunking_strategy, include[]"


@pytest.mark.parametrize("data", [STAR, b"words", b"OggS" + bytes(20)])
async def test_a_refused_file_is_spoken_of_as_sound(hearing: House, data: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await transcribed(hearing, data=data, extra_headers={"Accept-Language": "en"})
    words = str(caught.value)
    assert "file" in words
    assert "WAV, MP3" in words
    assert not re.search("PNG|image_url|input_audio", words), words


async def test_a_model_that_reads_no_sound_says_so(house: House, tmp_path: Path) -> None:
    model(tmp_path, "qwen3")
    with pytest.raises(openai.BadRequestError) as caught:
        await transcribed(house)
    assert (caught.value.param, caught.value.code) == ("model", "unsupported_parameter")


async def test_another_body_is_refused(hearing: House) -> None:
    status, answer, _ = await hearing.ask(
        "POST", "/v1/audio/transcriptions", "{}", **{"Content-Type": "application/json"}
    )
    assert (status, answer["error"]["code"]) == (415, "unsupported_media_type")


def form(*names: str) -> bytes:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{name}\r\n' for name in names]
    return "".join(parts).encode() + b"--b--\r\n"


def test_a_form_is_read() -> None:
    assert fields_of(form("a", "b"), "multipart/form-data; boundary=b") == {"a": b"a", "b": b"b"}
    assert fields_of(form("c[]", "c[]"), "multipart/form-data; boundary=b") == {"c[]": b"c[]\nc[]"}


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (form("a", "a"), "multipart/form-data; boundary=b"),
        (form("a"), "multipart/form-data"),
        (form("a"), "multipart/form-data; boundary=c"),
        (form("a")[:-6], "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\n--b--", "multipart/form-data; boundary=b"),
        (form(*(f"n{number}" for number in range(MAX_FIELDS + 1))), "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data; boundary=b"),
    ],
)
def test_a_form_that_is_none(raw: bytes, kind: str) -> None:
    with pytest.raises(InvalidRequest):
        fields_of(raw, kind)
