"""Measures how long a WAV, an MP3 or a FLAC plays, by the heads of its parts, before it is decoded. Any thread;
pure."""

from __future__ import annotations

import re
from typing import Final

PCM: Final = (1, 3, 0xFFFE)
"""The samples of these WAV formats have their own bytes; others pack at most two into one."""
LAYER_3: Final[dict[str, tuple[int, ...]]] = {
    "1": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    "2": (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""MP3 has these speeds in kilobits a second, those of MPEG 1 and of its later halves."""
RATES: Final = (44100, 48000, 32000)
MAX_CHUNKS: Final = 1_000
"""A WAV may have this many chunks before its samples."""
SPEEDS: Final = b"".join(re.escape(bytes([one])) for one in range(0x10, 0xF0) if one >> 2 & 3 != 3)
"""These are the third bytes of a frame that name a speed and a rate that there is."""
HEAD: Final = re.compile(b"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][" + SPEEDS + b"]")
"""A frame of MPEG's layer 3 begins like this."""
HALVINGS: Final = {3: 1, 2: 2, 0: 4}
"""Maps MPEG's versions as their bits have them to what the rates are divided by."""


def seconds(kind: str, data: bytes) -> float | None:
    """Returns about how many seconds a sound plays; None for a file that tells no length, which is damaged."""
    return {"wav": _wav, "mp3": _mp3, "flac": _flac}[kind](data)


def _wav(data: bytes) -> float | None:
    at, head = 12, b""
    for _ in range(MAX_CHUNKS):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"fmt ":
            head = data[at + 8 : at + 24]
        elif data[at : at + 4] == b"data":
            return _of_format(head, len(data) - at - 8)
        at += 8 + size + size % 2
    return _of_format(head, len(data))


def _of_format(head: bytes, size: int) -> float | None:
    if len(head) < 16:
        return None
    number, channels = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    rate, bits = int.from_bytes(head[4:8], "little"), int.from_bytes(head[14:16], "little")
    if not rate or not channels:
        return None
    if number not in PCM:
        return 2 * size / rate
    frame = channels * bits // 8
    return size / frame / rate if frame else None


def _mp3(data: bytes) -> float | None:
    """Adds up the frames."""
    at, result = _behind_tag(data), 0.0
    while (match := HEAD.search(data, at)) is not None:
        length, duration = _frame(match[0])
        at, result = match.start() + length, result + duration
    return result or None


def _flac(data: bytes) -> float | None:
    """Returns the seconds that the file's head tells; None where it does not."""
    packed = int.from_bytes(data[18:26], "big")
    rate, samples = packed >> 44, packed & (1 << 36) - 1
    return samples / rate if rate and len(data) >= 42 else None


def _behind_tag(data: bytes) -> int:
    """Returns where an ID3 tag ends, whose length has seven bits a byte; 0 where there is no tag."""
    if not data.startswith(b"ID3") or len(data) < 10:
        return 0
    a, b, c, d = data[6:10]
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def _frame(head: bytes) -> tuple[int, float]:
    """Returns the bytes and the seconds of the frame that begins so."""
    halving = HALVINGS[head[1] >> 3 & 3]
    speed, rate = head[2] >> 4, head[2] >> 2 & 3
    per_second = RATES[rate] // halving
    kilobits = LAYER_3["1" if halving == 1 else "2"][speed - 1]
    samples = 1152 if halving == 1 else 576
    return samples // 8 * kilobits * 1000 // per_second + (head[2] >> 1 & 1), samples / per_second
