"""Holds what libllama calls back: its log, load progress, and the abort flag. Called in whatever thread runs the C
code."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Final

from hoshikage._ffi.types import AbortCallback, LogCallback, ProgressCallback, c_void_p

LogSink = Callable[[int, str], None]

LEVELS: Final[Mapping[int, int]] = {
    1: logging.DEBUG,
    2: logging.INFO,
    3: logging.WARNING,
    4: logging.ERROR,
}
"""Maps ggml_log_level to logging's levels. NONE (0) is plain output, CONT (5) goes on with the line before."""

LEVELS_UP_TO_B3995: Final[Mapping[int, int]] = {
    1: logging.INFO,
    2: logging.WARNING,
    3: logging.ERROR,
    4: logging.DEBUG,
}
CONTINUED: Final = 5


class LogLines:
    """Joins the pieces that libllama logs into whole lines and hands each to `sink` with a logging level.

    Keeps the last error lines: libllama says why a load failed nowhere else.
    """

    def __init__(self, sink: LogSink, levels: Mapping[int, int]) -> None:
        self.callback = LogCallback(self._receive)
        self.errors: list[str] = []
        self._sink = sink
        self._levels = levels
        self._level = logging.INFO
        self._open = ""

    def _receive(self, level: int, text: bytes | None, _user_data: int | None) -> None:
        try:
            self._take(level, (text or b"").decode("utf-8", "replace"))
        except Exception:  # noqa: BLE001 - a failing sink must neither reach C nor stop a decode
            self._open = ""

    def _take(self, level: int, text: str) -> None:
        if level != CONTINUED:
            if self._open:
                self._emit(self._open)
            self._open = ""
            self._level = self._levels.get(level, logging.INFO)
        *whole, self._open = (self._open + text).split("\n")
        for line in whole:
            self._emit(line)

    def _emit(self, line: str) -> None:
        if not line.strip(" ."):  # blank lines, and the dots that old releases print for load progress
            return
        if self._level >= logging.ERROR:
            self.errors = [*self.errors[-7:], line]
        self._sink(self._level, line)


class ProgressReporter:
    """This hands libllama's load progress to `report`; False from it aborts the load.

    An exception in `report` aborts the load too and is raised again by `check`.
    """

    def __init__(self, report: Callable[[float], bool]) -> None:
        self.callback = ProgressCallback(self._receive)
        self.address = ctypes.cast(self.callback, c_void_p).value or 0
        self._marker = ctypes.create_string_buffer(1)
        self.user_data = ctypes.addressof(self._marker)
        """`user_data` is an address of our own; what the callback is given must be this."""
        self.user_data_seen: int | None = None
        self.aborted = False
        self._report = report
        self._failure: BaseException | None = None

    def _receive(self, progress: float, user_data: int | None) -> bool:
        self.user_data_seen = user_data
        try:
            goes_on = bool(self._report(progress))
        except BaseException as error:  # noqa: BLE001 - nothing may reach C; raised again by check()
            self._failure = error
            goes_on = False
        self.aborted = self.aborted or not goes_on
        return goes_on

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure


class AbortFlag:
    r"""This is one byte that ends a running decode. `set` from any thread; no Python runs in the decode's hot path.

    libllama asks its abort callback between graph nodes and stops where it returns true. The callback is libc's
    strlen, its data these two bytes: strlen("") is 0 and strlen("\1") is 1. CPU and Metal ask; other backends do not.
    """

    __slots__ = ("_bytes", "callback_address", "data_address")

    def __init__(self) -> None:
        self._bytes = ctypes.create_string_buffer(2)
        self.data_address = ctypes.addressof(self._bytes)
        self.callback_address = _strlen_address()

    def set(self) -> None:
        self._bytes[0] = b"\x01"

    def clear(self) -> None:
        self._bytes[0] = b"\x00"

    @property
    def is_set(self) -> bool:
        return self._bytes[0] != b"\x00"


class AbortProbe:
    """This is an abort callback that never aborts and keeps what it was called with; for examining a library."""

    def __init__(self) -> None:
        self.callback = AbortCallback(self._receive)
        self.address = ctypes.cast(self.callback, c_void_p).value or 0
        self._marker = ctypes.create_string_buffer(1)
        self.user_data = ctypes.addressof(self._marker)
        self.user_data_seen: int | None = None
        self.calls = 0

    def _receive(self, user_data: int | None) -> bool:
        self.calls += 1
        self.user_data_seen = user_data
        return False


def _strlen_address() -> int:
    libc = ctypes.CDLL("ucrtbase") if sys.platform == "win32" else ctypes.CDLL(None)
    return ctypes.cast(libc.strlen, c_void_p).value or 0
