"""Finds what a picture or a sound is by its first bytes, and how large it will be once it is decoded. Any thread;
pure."""

from __future__ import annotations

from typing import Final, Literal

from hoshikage.answer.schema import sounds
from hoshikage.errors import InvalidRequest
from hoshikage.params import MAX_PIXELS, MAX_SOUND_S

MediumKind = Literal["image", "audio"]
SOUNDS: Final = ("wav", "mp3", "flac")
PICTURES: Final = ("png", "jpeg", "gif", "bmp", "webp")
PNG: Final = b"\x89PNG\r\n\x1a\n"
JPEG: Final = b"\xff\xd8\xff"
FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
"""These markers of JPEG tell the size."""
MAX_SEGMENTS: Final = 10_000
"""A JPEG may have so many segments before its frame; a camera's has some dozens."""
ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""These markers of JPEG have nothing behind them."""


def sniffed(data: bytes, place: str, wanted: MediumKind | None = None) -> MediumKind:
    """Returns what the file is: a picture or a sound. Raises InvalidRequest for one that is not read, or is too large;
    `wanted` is what it should be, of which alone the refusal speaks."""
    kind = _kind(data)
    if kind in SOUNDS:
        _require_short(kind, data, place)
        return "audio"
    if kind not in PICTURES:
        key = "media.format_named" if kind else "media.format"
        if wanted is not None:
            key = f"media.format_{wanted}{'_named' if kind else ''}"
        raise InvalidRequest(key, param=place, place=place, found=kind.upper())
    width, height = _size(kind, data)
    if width < 1 or height < 1:
        raise InvalidRequest("media.damaged", param=place, place=place, found=kind.upper())
    if width * height > MAX_PIXELS:
        raise InvalidRequest(
            "media.pixels", param=place, place=place, width=width, height=height, limit=MAX_PIXELS // 10**6
        )
    return "image"


def duration_of(data: bytes) -> float:
    """Returns how many seconds a sound plays that `sniffed` has taken."""
    return sounds.seconds(_kind(data), data) or 0.0


def _require_short(kind: str, data: bytes, place: str) -> None:
    duration = sounds.seconds(kind, data)
    if duration is None:
        raise InvalidRequest("media.damaged", param=place, place=place, found=kind.upper())
    if duration > MAX_SOUND_S:
        minutes = int(duration // 60)
        raise InvalidRequest("media.long", param=place, place=place, minutes=minutes, limit=MAX_SOUND_S // 60)


def _kind(data: bytes) -> str:
    """Returns the format's name; empty for one that nobody knows."""
    if data.startswith(PNG):
        return "png"
    if data.startswith(JPEG):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"RIFF"):
        return {b"WAVE": "wav", b"WEBP": "webp"}.get(data[8:12], "")
    if data.startswith(b"ID3") or (len(data) > 2 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):
        return "mp3"
    if data.startswith(b"BM"):
        return "bmp"
    for name, head, at in OTHERS:
        if data[at : at + len(head)] == head:
            return name
    return ""


OTHERS: Final = (
    ("flac", b"fLaC", 0),
    ("ogg", b"OggS", 0),
    ("pdf", b"%PDF", 0),
    ("tiff", b"II*\0", 0),
    ("tiff", b"MM\0*", 0),
    ("avif", b"ftypavif", 4),
    ("heic", b"ftyphei", 4),
    ("mp4", b"ftyp", 4),
    ("webm", b"\x1a\x45\xdf\xa3", 0),
    ("svg", b"<svg", 0),
)
"""These further formats are named where they are refused, most of them: name, first bytes, and where those stand."""


def _size(kind: str, data: bytes) -> tuple[int, int]:
    """Returns width and height in pixels; 0 where the file is cut before it tells them."""
    if kind == "png":
        return _number(data, 16, 4, "big"), _number(data, 20, 4, "big")
    if kind == "gif":
        return _number(data, 6, 2, "little"), _number(data, 8, 2, "little")
    if kind == "bmp":
        if _number(data, 14, 4, "little") == 12:  # OS/2's older head
            return _number(data, 18, 2, "little"), _number(data, 20, 2, "little")
        return _number(data, 18, 4, "little"), abs(int.from_bytes(data[22:26], "little", signed=True))
    return _webp(data) if kind == "webp" else _jpeg(data)


def _webp(data: bytes) -> tuple[int, int]:
    """Returns width and height by the first chunk, of which there are three kinds."""
    if data[12:16] == b"VP8X":
        return 1 + _number(data, 24, 3, "little"), 1 + _number(data, 27, 3, "little")
    if data[12:16] == b"VP8L":
        bits = _number(data, 21, 4, "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _number(data, 26, 2, "little") & 0x3FFF, _number(data, 28, 2, "little") & 0x3FFF


def _number(data: bytes, at: int, length: int, order: Literal["big", "little"]) -> int:
    part = data[at : at + length]
    return int.from_bytes(part, order) if len(part) == length else 0


def _jpeg(data: bytes) -> tuple[int, int]:
    """Returns width and height by the first frame's head, which stands behind segments that tell their lengths."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            break
        marker = data[at + 1]
        if marker == 0xFF:  # a byte that fills
            at += 1
        elif marker in ALONE:
            at += 2
        elif marker in FRAMES:
            return _number(data, at + 7, 2, "big"), _number(data, at + 5, 2, "big")
        else:
            at += 2 + max(2, _number(data, at + 2, 2, "big"))
    return 0, 0
