"""Writes the server's log: how a line looks, and which request it belongs to. Any thread.

`running` sets it up once, for the life of the server; the terminal's handler and the request id are handed in, for
only the commands draw on a terminal and only the HTTP floor knows requests.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Final, TextIO

from hoshikage.settings import Settings

PLAIN: Final = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"
UNTIMED: Final = "%(levelname)s %(name)s [%(request_id)s] %(message)s"
"""The form is for a journal, which has the time itself."""
CONTROLS: Final = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
    if code != ord("\t")
}
"""These could begin a line of their own, or drive a terminal, in text that came from elsewhere."""
SYSLOG: Final = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))
"""Maps the least level of logging to syslog's priority."""


@contextmanager
def running(settings: Settings, terminal: logging.Handler, request_id: Callable[[], str]) -> Iterator[Tail]:
    """Writes the log to `terminal`, and to LOG_FILE_PATH where it is set, until the block ends; gives the last lines.

    `terminal` has its formatter; `request_id` gives the current request's id, or nothing outside of one. Raises
    SettingInvalid for a file that cannot be written.
    """
    tail = Tail()
    handlers: list[logging.Handler] = [terminal, tail]
    if settings.log_file is not None:
        from hoshikage.log_file import DailyFile  # few have one, and logging's own handlers bring sockets and pickles

        daily = DailyFile(settings.log_file, settings.log_keep_days)
        daily.setFormatter(Lines())
        handlers.append(daily)

    def name_request(record: logging.LogRecord) -> bool:
        record.request_id = getattr(record, "request_id", "") or request_id() or "-"
        return True

    root = logging.getLogger()
    before = root.level
    root.setLevel(settings.log_level.upper())
    for handler in handlers:
        handler.addFilter(name_request)
        root.addHandler(handler)
    try:
        yield tail
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.removeFilter(name_request)
            handler.close()


class Lines(logging.Formatter):
    """This writes a record as one line; its traceback follows indented, so that only a record begins at a line's
    start."""

    def __init__(self, pattern: str = PLAIN) -> None:
        super().__init__(pattern)
        self.default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        record.message = record.getMessage()
        record.asctime = self.formatTime(record)
        lines = [self.formatMessage(record).translate(CONTROLS)]
        if record.exc_info:  # not record.exc_text, where another handler may have left its own form
            lines += (f"    {line.translate(CONTROLS)}" for line in self.formatException(record.exc_info).splitlines())
        return "\n".join(lines)


class JournalLines(Lines):
    """This writes lines for systemd's journal, each with its priority, so that `journalctl -p err` finds what it
    should."""

    def __init__(self) -> None:
        super().__init__(UNTIMED)

    def format(self, record: logging.LogRecord) -> str:
        priority = next(number for level, number in SYSLOG if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


class Tail(logging.Handler):
    """This keeps the last lines, in memory. What is told at DEBUG is left out: the newest that matters must not be
    pushed out."""

    MAX_LINES: Final = 500

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(Lines())
        self._lines: deque[tuple[int, str]] = deque(maxlen=self.MAX_LINES)
        self._count = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as logging's own handlers: a log never stops the program
            self.handleError(record)
            return
        self._count += 1
        self._lines.append((self._count, line))

    def after(self, number: int) -> tuple[int, list[str]]:
        """The number of the last line there was, and the lines that are kept of those after `number`."""
        with self.lock or nullcontext():
            return self._count, [line for at, line in self._lines if at > number]


def plain(stream: TextIO, environ: Mapping[str, str]) -> logging.Handler:
    """Makes the handler of a stream that is no terminal: a file, a pipe, or systemd's journal."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JournalLines() if is_journal(stream, environ) else Lines())
    return handler


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Returns whether the stream is the one that systemd connected with its journal (systemd.exec(5),
    JOURNAL_STREAM)."""
    try:
        result = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{result.st_dev}:{result.st_ino}"
