"""Decodes a sound's file into samples. Used in the engine thread."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hoshikage.errors import InvalidRequest, NotSupported
from hoshikage.params import MAX_SOUND_S

SAMPLES_A_BYTE: Final = 2
"""A WAV has at most so many samples in a byte; its length counts, as one that was written while it was sent does not
know its own."""
Samples = NDArray[np.float32]


def sound(data: bytes, rate: int) -> Samples:
    """Returns the samples of one channel, `rate` a second. WAV, MP3 and FLAC are read.

    Raises InvalidRequest for what is no such file, or is longer than MAX_SOUND_S; that is known before it is decoded.
    """
    try:
        import miniaudio  # an extra, and only here: most models read no sound
    except ImportError:
        raise NotSupported("engine.media_packages") from None
    try:
        seconds = _seconds(miniaudio, data)
        if seconds > MAX_SOUND_S:
            minutes, limit = int(seconds // 60), MAX_SOUND_S // 60
            raise InvalidRequest("media.long", param="messages", place="messages", minutes=minutes, limit=limit)
        decoded = miniaudio.decode(data, miniaudio.SampleFormat.FLOAT32, nchannels=1, sample_rate=rate)
        samples: Samples = np.frombuffer(decoded.samples, np.float32).copy()
        if not samples.size or not np.isfinite(samples).all():
            raise InvalidRequest("engine.sound_unreadable", param="messages", reason="no samples")
    except InvalidRequest:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file raises all there is
        reason = f"{type(error).__name__}: {error}"[:200]
        raise InvalidRequest("engine.sound_unreadable", param="messages", reason=reason) from None
    return samples


def _seconds(miniaudio: Any, data: bytes) -> float:
    """Returns how many seconds long it is, at most."""
    if data.startswith(b"RIFF"):
        info = miniaudio.wav_get_info(data)
        return float(min(info.duration, len(data) * SAMPLES_A_BYTE / (info.nchannels * info.sample_rate)))
    read = miniaudio.flac_get_info if data.startswith(b"fLaC") else miniaudio.mp3_get_info
    return float(read(data).duration)
