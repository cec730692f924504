"""Pictures and sounds become pixels and samples, bounded before they are decoded. Needs the packages of `media`."""

from __future__ import annotations

import io
import random
import struct
import wave
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hoshikage.errors import InvalidRequest
from hoshikage.llama import pictures, sounds
from hoshikage.llama.pictures import picture
from hoshikage.llama.sounds import sound

pytestmark = pytest.mark.long


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def striped() -> Image.Image:
    """Draws red above, blue below; 6 wide and 4 high."""
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:2, :, 0] = pixels[2:, :, 2] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "WEBP"])
def test_every_format_has_the_same_pixels(form: str) -> None:
    lossless = {"lossless": True} if form == "WEBP" else {}
    pixels = picture(saved(striped(), form, **lossless))
    assert pixels.shape == (4, 6, 3)
    assert pixels.tobytes() == np.asarray(striped()).tobytes()


def test_a_photograph_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    pixels = picture(saved(striped(), "JPEG", exif=exif, quality=100, subsampling=0))
    assert pixels.shape == (6, 4, 3)
    assert pixels[3, 3, 0] > 200 > 55 > pixels[3, 0, 0]  # what was above is on the right


def test_what_shows_through_is_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    assert picture(saved(image, "PNG")).tolist() == [[[255, 255, 255], [10, 20, 30]]]


def test_sixteen_bits_of_grey_keep_their_shades() -> None:
    image = Image.fromarray(np.array([[0, 0x8000, 0xFFFF]], np.uint16))
    assert picture(saved(image, "PNG")).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_a_picture_that_says_it_is_large_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(striped(), "PNG")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 23)
    with pytest.raises(InvalidRequest) as refused:
        picture(data)
    assert refused.value.key == "media.pixels"
    assert (refused.value.details["width"], refused.value.details["height"]) == (6, 4)


def test_the_bound_is_that_of_the_header() -> None:
    """Its rows are not there: nothing of them is asked for."""
    data = bytearray(saved(Image.new("L", (1, 1)), "PNG"))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(InvalidRequest) as refused:
        picture(bytes(data))
    assert refused.value.key in {"media.pixels", "engine.picture_unreadable"}


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_damaged_files_are_refused_or_read(form: str) -> None:
    """Whatever a few bytes have become, what comes of it is a picture or a refusal."""
    noise = np.random.default_rng(5).integers(0, 256, (24, 24, 3), np.uint8)
    data, rng = saved(Image.fromarray(noise), form), random.Random(9)
    refused = 0
    for _ in range(60):
        broken = bytearray(data[: rng.randrange(1, len(data) + 1)])
        for _ in range(3):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        try:
            assert picture(bytes(broken)).dtype == np.uint8
        except InvalidRequest:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("data", [b"", b"nothing", b"%PDF-1.4", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_other_files_are_no_pictures(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        picture(data)
    assert refused.value.key == "engine.picture_unreadable"


def test_the_words_for_a_cut_file_tell_nothing_of_this_process() -> None:
    for length in (40, 60):
        with pytest.raises(InvalidRequest) as refused:
            picture(saved(striped(), "PNG")[:length])
        assert refused.value.details == {}
        assert "0x" not in str(refused.value)


def wav(seconds: float, rate: int = 16_000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        tone = np.sin(np.arange(int(seconds * rate)) / rate * 2_000) * 16_384
        writer.writeframes(np.repeat(tone.astype("<i2"), channels).tobytes())
    return file.getvalue()


def test_a_sound_has_its_samples() -> None:
    samples = sound(wav(0.5), 16_000)
    assert samples.shape == (8_000,)
    assert samples.dtype == np.float32
    assert np.abs(samples - np.sin(np.arange(8_000) / 16_000 * 2_000) / 2).max() < 1e-3


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 1)])
def test_other_rates_and_channels_are_brought_to_the_models(rate: int, channels: int) -> None:
    samples = sound(wav(0.5, rate, channels), 16_000)
    assert abs(samples.size - 8_000) < 40
    peak = np.abs(np.fft.rfft(samples[:8_000])).argmax() / (min(samples.size, 8_000) / 16_000)
    assert abs(peak - 2_000 / (2 * np.pi)) < 4


def test_a_wav_that_does_not_know_its_length_is_read() -> None:
    data = bytearray(wav(0.5))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    assert abs(sound(bytes(data), 16_000).size - 8_000) < 40


def test_a_sound_that_says_it_is_long_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "MAX_SOUND_S", 1)
    with pytest.raises(InvalidRequest) as refused:
        sound(wav(1.5), 16_000)
    assert refused.value.key == "media.long"


@pytest.mark.parametrize("data", [b"", b"nothing", b"RIFF", b"fLaC", b"ID3"])
def test_other_files_are_no_sounds(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        sound(data, 16_000)
    assert refused.value.key == "engine.sound_unreadable"
