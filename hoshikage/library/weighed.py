"""Reads a stranger's archive as a stream that is weighed while it is read, headers and all. Any thread; blocking.

What a member claims is known only when its header has been read, and a header can be as large as it likes: long names
and extended headers are read whole into memory by whoever reads the format. So the stream itself has the bounds.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Final

MAX_HEADERS: Final = 16 << 20
"""An archive may have this many bytes beside those of the members; real archives have some hundred for each."""
MAX_READ: Final = 2 << 20
"""This many bytes may be asked for at once; members are read in smaller parts."""


class Weighed(io.RawIOBase):
    """Reads `stream`; raises what `refuse` makes where it is read farther than `allowed`, or too much at once."""

    def __init__(self, stream: IO[bytes], refuse: Callable[[], Exception], *, allowed: int, maximum: int) -> None:
        super().__init__()
        self.allowed = allowed
        """The stream may be read so far by now."""
        self._stream = stream
        self._refuse = refuse
        self._most = maximum

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._most + 1 if size is None or size < 0 else size
        if wanted > self._most + 1:
            raise self._refuse()
        data = self._stream.read(wanted)
        if len(data) > self._most or self._stream.tell() > self.allowed:
            raise self._refuse()
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_SET and offset > self.allowed:
            raise self._refuse()
        return self._stream.seek(offset, whence)
