"""How long a WAV, an MP3 or a FLAC plays, by the heads of its parts, before it is decoded. Any thread; pure."""

from __future__ import annotations

from typing import Final

PCM: Final = (1, 3, 0xFFFE)
"""WAV's formats whose samples have their own bytes; others pack at most two into one."""
LAYER_3: Final[dict[str, tuple[int, ...]]] = {
    "1": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    "2": (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""MP3's kilobits a second, of MPEG 1 and of its later halves."""
RATES: Final = (44100, 48000, 32000)
HALVINGS: Final = {3: 1, 2: 2, 0: 4}
"""MPEG's versions as their bits have them -> by what the rates are divided."""


def seconds(kind: str, data: bytes) -> float | None:
    """About; None for a file that tells no length, which is damaged."""
    return {"wav": _wav, "mp3": _mp3, "flac": _flac}[kind](data)


def _wav(data: bytes) -> float | None:
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"fmt ":
            return _of_format(data[at + 8 : at + 24], len(data))
        at += 8 + size + size % 2
    return None


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
    while (at := data.find(b"\xff", at)) >= 0:
        frame = _frame(data[at : at + 4])
        if frame is None:
            at += 1
            continue
        length, duration = frame
        at, result = at + length, result + duration
    return result or None


def _flac(data: bytes) -> float | None:
    """As its head says, where it does."""
    told = int.from_bytes(data[18:26], "big")
    rate, samples = told >> 44, told & (1 << 36) - 1
    return samples / rate if rate and len(data) >= 42 else None


def _behind_tag(data: bytes) -> int:
    """Where an ID3 tag ends, whose length has seven bits a byte."""
    if not data.startswith(b"ID3") or len(data) < 10:
        return 0
    a, b, c, d = data[6:10]
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def _frame(head: bytes) -> tuple[int, float] | None:
    """Bytes and seconds of the frame with this head; None where it is none."""
    if len(head) < 4 or head[1] & 0xE6 != 0xE2:
        return None
    halving = HALVINGS.get(head[1] >> 3 & 3)
    speed, rate = head[2] >> 4, head[2] >> 2 & 3
    if halving is None or rate == 3 or speed in (0, 15):
        return None
    per_second = RATES[rate] // halving
    kilobits = LAYER_3["1" if halving == 1 else "2"][speed - 1]
    samples = 1152 if halving == 1 else 576
    length = samples // 8 * kilobits * 1000 // per_second + (head[2] >> 1 & 1)
    return length, samples / per_second
