"""Holds a picture or a sound as a value, and bounds how large one may be. Any thread."""

from __future__ import annotations

from typing import Literal

from hoshikage.frozen import Frozen

MAX_PIXELS = 40_000_000
"""A picture may have this many pixels, 120 MB as colours. Its header is checked where it comes in, and its decoder's
word before that decodes."""
MAX_SOUND_S = 1800
"""A sound may last this many seconds, 115 MB for a projector; that is checked in both places, too."""


class Medium(Frozen, frozen=True):
    """A Medium is a picture or a sound of a conversation, as the file that was sent."""

    kind: Literal["image", "audio"]
    data: bytes
    digest: str
    """`digest` is the SHA-256 of `data` in hexadecimal: equal files make equal prefixes."""
    mark: str
    """`mark` stands in its place in a message's content. It is drawn anew for each request, so that no text can be
    it."""
    place: str = ""
    """`place` is the medium's path in the request if it is of the history; empty for what is asked about, which has to
    be right."""

    @property
    def words(self) -> str:
        """Returns what the model reads of one in the history that cannot be used."""
        return f"[{self.kind} left out: it cannot be used]"
