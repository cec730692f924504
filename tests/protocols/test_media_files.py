"""Tests what a file is and how large it is, by its first bytes alone."""

from __future__ import annotations

import struct
import time
from typing import Final

import pytest

from hoshikage.answer.schema.formats import sniffed
from hoshikage.answer.schema.media import ContentPart, taken
from hoshikage.answer.schema.senses import Senses
from hoshikage.answer.schema.sounds import seconds
from hoshikage.errors import InvalidRequest
from hoshikage.params import MAX_PIXELS
from tests.media_samples import STAR, TONE, png, wav


def jpeg(width: int, height: int) -> bytes:
    """Makes a JPEG as far as the head of its frame, behind a picture's thumbnail whose size is none of ours."""
    thumbnail = b"\xff\xe1" + struct.pack(">H", 22) + b"Exif\0\0\xff\xc0\0\x11\x08\0\x01\0\x01" + bytes(5)
    return b"\xff\xd8" + thumbnail + b"\xff\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width) + bytes(12)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def bmp(width: int, height: int) -> bytes:
    return b"BM" + bytes(12) + struct.pack("<Iii", 40, width, height)


def webp(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + size


def webp_lossy(width: int, height: int) -> bytes:
    return b"RIFF\0\0\0\0WEBPVP8 " + bytes(7) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)


def webp_lossless(width: int, height: int) -> bytes:
    return b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14)


PICTURES: Final = {
    "png": png,
    "jpeg": jpeg,
    "gif": gif,
    "bmp": bmp,
    "webp": webp,
    "webp, lossy": webp_lossy,
    "webp, lossless": webp_lossless,
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_s_size_is_told_by_its_head(kind: str) -> None:
    assert sniffed(PICTURES[kind](5000, MAX_PIXELS // 5000), "x") == "image"
    with pytest.raises(InvalidRequest) as caught:
        sniffed(PICTURES[kind](5000, MAX_PIXELS // 5000 + 1), "x")
    assert (caught.value.key, caught.value.details["width"]) == ("media.pixels", 5000)


def test_a_bitmap_may_stand_on_its_head() -> None:
    assert sniffed(bmp(2, -2), "x") == "image"


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_cut_in_its_head_is_damaged(kind: str) -> None:
    for length in (6, 9):
        with pytest.raises(InvalidRequest):
            sniffed(PICTURES[kind](3, 3)[:length], "x")


def mp3(frames: int) -> bytes:
    """Makes frames of 417 bytes: MPEG 1, layer 3, 128 kbit/s, 44.1 kHz; behind a tag that holds what looks like one."""
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    return b"ID3\x04\0\0\0\0\0\x0a" + b"\xff\xfb\x90\x00" + bytes(6) + frame * frames


def flac(total: float, rate: int = 44100) -> bytes:
    told = (rate << 44) | int(total * rate)
    return b"fLaC\0\0\0\x22" + bytes(10) + told.to_bytes(8, "big") + bytes(16)


def test_a_sound_s_length_is_told_by_its_heads() -> None:
    assert seconds("wav", wav(2.5)) == pytest.approx(2.5, abs=0.01)
    assert seconds("mp3", mp3(100)) == pytest.approx(100 * 1152 / 44100)
    assert seconds("flac", flac(90)) == pytest.approx(90)
    for data in (TONE, mp3(1), flac(5)):
        assert sniffed(data, "x") == "audio"


@pytest.mark.parametrize(
    "data", [wav(2000, 10), flac(1801), b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x11\0\x01\0\x01\0\0\0" + bytes(2000)]
)
def test_a_sound_that_is_too_long(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sniffed(data, "x")
    assert caught.value.key == "media.long"


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"", "media.format"),
        (b"plain words", "media.format"),
        (b"RIFF\0\0\0\0AVI ", "media.format"),
        (b"OggS" + bytes(20), "media.format_named"),
        (b"\0\0\0\x18ftypheic", "media.format_named"),
        (b"<svg xmlns=''/>", "media.format_named"),
        (b"RIFF\0\0\0\0WAVE", "media.damaged"),
        (b"ID3\x04\0\0\0\0\0\0", "media.damaged"),
        (b"fLaC", "media.damaged"),
        (STAR[:10], "media.damaged"),
    ],
)
def test_what_is_not_read(data: bytes, key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sniffed(data, "x")
    assert caught.value.key == key


@pytest.mark.parametrize("unit", [b"\xff", b"\xff\xfb\x1c", b"\xff\xfb\x90\x00", b"\xff\xe0\x00\x02", b"\0"])
def test_a_head_is_read_in_linear_time(unit: bytes) -> None:
    """These are megabytes of what looks like the beginning of a part, over and over."""
    for head in (b"\xff\xd8\xff", b"ID3\x04\0\0\0\0\0\0", b"RIFF\0\0\0\0WAVE"):
        began = time.process_time()
        try:
            assert sniffed(head + unit * (4_000_000 // len(unit)), "x") in ("image", "audio")
        except InvalidRequest as error:
            assert error.key.startswith("media.")  # noqa: PT017  most are refused, each in its time
        assert time.process_time() - began < 4


@pytest.mark.parametrize("kind", ["video", "image_url"])
def test_many_parts_are_looked_at_in_linear_time(kind: str) -> None:
    """There are as many as a body has room for, of which none is taken."""
    parts = [ContentPart(kind, image_url="data:;base64,eA==")] * 20_000
    began = time.process_time()
    assert set(taken([parts, "x"], 1, Senses(images=True), {}).values()) == {"unread" if kind == "video" else "damaged"}
    assert time.process_time() - began < 4, "to count those before each took 50 s"
