"""Makes small pictures and sounds, whole, and a projector's header. Pure functions."""

from __future__ import annotations

import base64
import io
import struct
import wave
import zlib
from typing import Final

from tests.gguf_files import ARRAY, BOOL, F32, STRING, Gguf


def png(width: int = 2, height: int = 2, shade: int = 0) -> bytes:
    """Makes a grey picture; a larger one is only claimed to be."""
    rows = b"".join(b"\0" + bytes([shade]) * min(width, 64) for _ in range(min(height, 64)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def wav(seconds: float = 0.1, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(rate)
        sound.writeframes(b"\x80" * int(seconds * rate))
    return file.getvalue()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{encoded(data)}"


def projector(*, images: bool = True, audio: bool = True) -> Gguf:
    """Makes a projector as far as its header goes."""
    return Gguf(
        pairs=(
            ("general.architecture", STRING, "clip"),
            ("general.type", STRING, "mmproj"),
            ("clip.has_vision_encoder", BOOL, int(images)),
            ("clip.has_audio_encoder", BOOL, int(audio)),
            ("clip.vision.image_mean", ARRAY, (F32, [0.5] * 3)),
            ("clip.vision.image_std", ARRAY, (F32, [0.25] * 3)),
        )
    )


STAR: Final = png()
TONE: Final = wav()
