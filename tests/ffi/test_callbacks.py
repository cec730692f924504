"""What C calls back never raises into C, joins its lines, and aborts without Python."""

from __future__ import annotations

import logging

import pytest

from hoshikage._ffi.callbacks import LEVELS, LEVELS_UP_TO_B3995, AbortFlag, LogLines, ProgressReporter
from hoshikage._ffi.types import AbortCallback


def lines_of(*pieces: tuple[int, bytes | None]) -> list[tuple[int, str]]:
    got: list[tuple[int, str]] = []
    log = LogLines(lambda level, line: got.append((level, line)), LEVELS)
    for level, text in pieces:
        log.callback(level, text, None)
    return got


def test_pieces_become_whole_lines_with_their_level() -> None:
    assert lines_of((3, b"one "), (5, b"line\nand "), (5, b"more\n"), (4, b"bad\n")) == [
        (logging.WARNING, "one line"),
        (logging.WARNING, "and more"),
        (logging.ERROR, "bad"),
    ]


def test_a_line_without_an_end_is_released_by_the_next() -> None:
    assert lines_of((2, b"open"), (1, b"next\n")) == [(logging.INFO, "open"), (logging.DEBUG, "next")]


def test_dots_blank_lines_and_bytes_that_are_no_utf8() -> None:
    assert lines_of((2, b"....."), (5, b"\n\n"), (2, b"\xe6\x98\n"), (2, None)) == [(logging.INFO, "\ufffd")]


def test_the_oldest_releases_count_their_levels_otherwise() -> None:
    got: list[int] = []
    LogLines(lambda level, _line: got.append(level), LEVELS_UP_TO_B3995).callback(3, b"bad\n", None)
    assert got == [logging.ERROR]


def test_the_last_errors_are_kept_as_the_reason_of_a_failure() -> None:
    log = LogLines(lambda _level, _line: None, LEVELS)
    for number in range(20):
        log.callback(4, f"error {number}\n".encode(), None)
    assert log.errors == [f"error {number}" for number in range(12, 20)]


def test_a_failing_sink_loses_its_line_and_no_more() -> None:
    got: list[str] = []

    def sink(_level: int, line: str) -> None:
        if line == "one":
            raise OSError("full")
        got.append(line)

    log = LogLines(sink, LEVELS)
    log.callback(2, b"one\n", None)
    log.callback(2, b"two\n", None)
    assert got == ["two"]


def test_progress_hands_on_and_remembers_its_pointer() -> None:
    got: list[float] = []

    def report(value: float) -> bool:
        got.append(value)
        return value < 1

    progress = ProgressReporter(report)
    assert progress.callback(0.5, progress.user_data) is True
    assert progress.callback(1.0, progress.user_data) is False
    assert (got, progress.aborted, progress.user_data_seen) == ([0.5, 1.0], True, progress.user_data)


def test_an_exception_in_progress_aborts_and_is_raised_afterwards() -> None:
    def report(_value: float) -> bool:
        raise KeyboardInterrupt

    progress = ProgressReporter(report)
    assert progress.callback(0.5, None) is False
    with pytest.raises(KeyboardInterrupt):
        progress.check()


def test_the_abort_flag_answers_as_a_c_callback() -> None:
    flag = AbortFlag()
    ask = AbortCallback(flag.callback_address)
    assert (ask(flag.data_address), flag.is_set) == (False, False)
    flag.set()
    assert (ask(flag.data_address), flag.is_set) == (True, True)
    flag.clear()
    assert (ask(flag.data_address), flag.is_set) == (False, False)
