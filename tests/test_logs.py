"""Tests the log: what a line holds, which request it names, the daily file, and what a terminal and a journal get."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from hoshikage import logs
from hoshikage.cli import terminal_log
from hoshikage.errors import SettingInvalid
from hoshikage.log_file import DailyFile
from hoshikage.messages import LANGUAGES, text
from hoshikage.settings import Settings, load

ROOT = Path(__file__).resolve().parent.parent
NOON = datetime(2026, 1, 18, 12)
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (\w+) +(\S+) \[(\S+)\] (.*)")
TALKS = """
import logging, os, sys
from hoshikage import logs
from hoshikage.cli import terminal_log
from hoshikage.settings import load
from pathlib import Path
with logs.running(load({}, {}, Path.cwd()).settings, terminal_log.handler(os.environ), lambda: "req_1"):
    logging.getLogger("hoshikage.test").warning("[red]星影[/red] \\x1b[2J %d", 1)
    try:
        raise ValueError("one\\ntwo")
    except ValueError:
        logging.getLogger("hoshikage.test").exception("failed")
print("rich" in sys.modules)
"""
REQUEST: ContextVar[str] = ContextVar("request", default="")


@pytest.fixture
def terminal() -> StringIO:
    return StringIO()


def settings(home: Path, **values: object) -> Settings:
    return load({name: str(value) for name, value in values.items()}, {}, home).settings


def plain(terminal: StringIO) -> logging.Handler:
    return logs.plain(terminal, {})


def test_a_line_names_level_logger_and_request(home: Path, terminal: StringIO) -> None:
    log = logging.getLogger("hoshikage.test")
    with logs.running(settings(home), plain(terminal), REQUEST.get):
        log.info("outside")
        token = REQUEST.set("req_7")
        log.error("inside %s", "星")
        REQUEST.reset(token)
        log.warning("told", extra={"request_id": "req_8"})
        log.debug("too fine")
    log.info("after the end")
    found = [LINE.fullmatch(line) for line in terminal.getvalue().splitlines()]
    assert [line.groups() if line else None for line in found] == [
        ("INFO", "hoshikage.test", "-", "outside"),
        ("ERROR", "hoshikage.test", "req_7", "inside 星"),
        ("WARNING", "hoshikage.test", "req_8", "told"),
    ]


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_log_level(level: str, count: int, home: Path, terminal: StringIO) -> None:
    before = logging.getLogger().level
    with logs.running(settings(home, LOG_LEVEL=level), plain(terminal), str):
        for name in ("debug", "info", "warning", "error"):
            getattr(logging.getLogger("hoshikage.test"), name)(name)
    assert len(terminal.getvalue().splitlines()) == count
    assert logging.getLogger().level == before


def test_nothing_that_is_logged_can_forge_a_line(home: Path, terminal: StringIO) -> None:
    with logs.running(settings(home), plain(terminal), str):
        log = logging.getLogger("hoshikage.test")
        log.info("a\n2026-01-18 12:00:00.000 ERROR forged\r\x1b[2J\u2028\x9b")
        try:
            raise ValueError("b\n2026-01-18 12:00:00.000 ERROR forged")
        except ValueError:
            log.exception("c")
    lines = terminal.getvalue().split("\n")
    assert lines[0].endswith(r"a\x0a2026-01-18 12:00:00.000 ERROR forged\x0d\x1b[2J\u2028\x9b")
    assert [line for line in lines[2:] if line and not line.startswith("    ")] == []
    assert any("ValueError: b" in line for line in lines)


def test_the_file_gets_the_same_lines_and_its_folder_is_made(home: Path, terminal: StringIO) -> None:
    file = home / "logs" / "hoshikage.log"
    with logs.running(settings(home, LOG_FILE_PATH=file), plain(terminal), lambda: "req_1"):
        logging.getLogger("hoshikage.test").info("星影 \ud800")
    assert file.read_text("utf-8") == terminal.getvalue().replace("\ud800", r"\ud800")
    assert len(file.read_text("utf-8").splitlines()) == 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("place", ["a folder", "under a file"])
def test_a_file_that_cannot_be_written_stops_the_start(
    place: str, language: str, home: Path, terminal: StringIO
) -> None:
    taken = home / "taken"
    if place == "a folder":
        taken.mkdir()
    else:
        taken.write_text("")
    file = taken if place == "a folder" else taken / "hoshikage.log"
    handlers = list(logging.getLogger().handlers)
    with (
        pytest.raises(SettingInvalid) as refused,
        logs.running(settings(home, LOG_FILE_PATH=file), plain(terminal), str),
    ):
        pytest.fail("it started")
    assert str(file) in text("ja" if language == "ja" else "en", refused.value.key, **refused.value.details)
    assert logging.getLogger().handlers == handlers


class Clock:
    """Makes records of the time that the test sets, and writes them to a daily file."""

    def __init__(self, file: Path, keep_days: int = 0) -> None:
        self.now = NOON
        self.file = file
        if not file.exists():
            file.touch()
            os.utime(file, (NOON.timestamp(), NOON.timestamp()))
        self.handler = DailyFile(file, keep_days)
        self.handler.setFormatter(logs.Lines())

    def write(self, message: str) -> None:
        made = {"msg": message, "created": self.now.timestamp(), "request_id": "-", "name": "t", "levelname": "INFO"}
        self.handler.handle(logging.makeLogRecord(made))

    def files(self) -> dict[str, list[str]]:
        """Maps a name to the messages of each file of the folder."""
        return {
            file.name: [line.rpartition(" ")[2] for line in file.read_text("utf-8").splitlines()]
            for file in sorted(self.file.parent.iterdir())
        }


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    (tmp_path / "logs").mkdir()
    made = Clock(tmp_path / "logs" / "hoshikage.log")
    yield made
    made.handler.close()


def test_midnight_moves_the_day_aside(clock: Clock) -> None:
    clock.write("one")
    clock.now = datetime(2026, 1, 18, 23, 59, 59)
    clock.write("two")
    clock.now += timedelta(seconds=1)
    clock.write("three")
    assert clock.files() == {"hoshikage.log": ["three"], "hoshikage.log.2026-01-18": ["one", "two"]}
    clock.now += timedelta(days=3)
    clock.write("four")
    assert clock.files() == {
        "hoshikage.log": ["four"],
        "hoshikage.log.2026-01-18": ["one", "two"],
        "hoshikage.log.2026-01-19": ["three"],
    }


def test_a_late_line_of_yesterday_and_a_clock_set_back_lose_nothing(clock: Clock) -> None:
    clock.write("one")
    clock.now -= timedelta(days=2)
    clock.write("two")
    assert clock.files() == {"hoshikage.log": ["one", "two"]}


def test_a_restart_moves_a_former_days_file_and_keeps_todays(tmp_path: Path) -> None:
    file = tmp_path / "hoshikage.log"
    for message, moment in (("one", NOON), ("two", NOON), ("three", NOON + timedelta(days=1))):
        clock = Clock(file)
        clock.now = moment
        clock.write(message)
        clock.handler.close()
        os.utime(file, (moment.timestamp(), moment.timestamp()))
    assert clock.files() == {"hoshikage.log": ["three"], "hoshikage.log.2026-01-18": ["one", "two"]}


def test_a_day_that_was_moved_already_is_added_to(clock: Clock) -> None:
    clock.file.with_name("hoshikage.log.2026-01-18").write_text("t zero\n")
    clock.write("one")
    clock.now += timedelta(days=1)
    clock.write("two")
    assert clock.files() == {"hoshikage.log": ["two"], "hoshikage.log.2026-01-18": ["zero", "one"]}


def test_two_servers_with_one_file_lose_nothing(clock: Clock) -> None:
    other = Clock(clock.file)
    clock.write("a1")
    other.write("b1")
    clock.now = other.now = NOON + timedelta(days=1)
    clock.write("a2")
    other.write("b2")
    clock.write("a3")
    other.handler.close()
    assert clock.files() == {"hoshikage.log": ["a2", "b2", "a3"], "hoshikage.log.2026-01-18": ["a1", "b1"]}


def test_servers_that_turn_the_day_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each has the file open by itself, as another process has."""
    days, servers = 30, 4
    clocks = [Clock(tmp_path / "hoshikage.log") for _ in range(servers)]
    together = threading.Barrier(servers)

    def serve(number: int) -> None:
        for day in range(days):
            clocks[number].now = NOON + timedelta(days=day)
            together.wait()
            clocks[number].write(f"{day}-{number}")

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(servers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for clock in clocks:
        clock.handler.close()
    lines = sorted(line for found in clocks[0].files().values() for line in found)
    assert lines == sorted(f"{day}-{number}" for day in range(days) for number in range(servers))


def test_old_days_go_and_nothing_else(tmp_path: Path) -> None:
    kept = ["hoshikage.log.2026-01-05", "hoshikage.log.2025-01-01.gz", "hoshikage.log.old", "other.log.2020-01-01"]
    for name in (*kept, "hoshikage.log.2026-01-04", "hoshikage.log.2025-12-31"):
        (tmp_path / name).write_text("")
    clock = Clock(tmp_path / "hoshikage.log", keep_days=14)
    clock.now = datetime(2026, 1, 19)
    clock.write("one")
    clock.handler.close()
    assert sorted(clock.files()) == sorted([*kept, "hoshikage.log"])


def test_a_file_that_was_removed_comes_back_the_next_day(clock: Clock) -> None:
    clock.write("one")
    clock.file.unlink()
    clock.now += timedelta(days=1)
    clock.write("two")
    assert clock.files() == {"hoshikage.log": ["two"]}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that only Linux has")
def test_a_full_disk_is_told_once_and_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    clock = Clock(Path("/dev/full"))
    clock.write("one")
    clock.write("two")
    clock.handler.close()
    assert capfd.readouterr().err.splitlines() == ["/dev/full: No space left on device"]


def talk(home: Path, stderr: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", TALKS],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        timeout=60,
        stderr=stderr,
        check=True,
    )


@pytest.mark.process
def test_to_a_pipe_go_plain_lines_without_rich(home: Path) -> None:
    done = talk(home, stderr=subprocess.PIPE)
    lines = done.stderr.decode().splitlines()
    assert done.stdout.strip() == b"False"
    assert LINE.fullmatch(lines[0])
    assert lines[0].endswith(r"WARNING hoshikage.test [req_1] [red]星影[/red] \x1b[2J 1")
    assert lines[-1] == "    two"


@pytest.mark.process
def test_to_a_terminal_goes_colour_and_no_control_of_others(home: Path) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    done = talk(home, stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.stdout.strip() == b"True"
    assert "\x1b[" in shown
    assert "\x1b[2J" not in shown
    assert "hoshikage.test [req_1] [red]星影[/red]" in re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_to_the_journal_goes_the_priority_of_every_line(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as journal:
        found = os.fstat(journal.fileno())
        handler = logs.plain(journal, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        for level, name in ((logging.ERROR, "ERROR"), (logging.INFO, "INFO"), (logging.DEBUG, "DEBUG")):
            made = {"msg": "x", "levelno": level, "levelname": name, "name": "t", "request_id": "-"}
            error = (ValueError, ValueError("a\nb"), None) if name == "ERROR" else None
            handler.handle(logging.makeLogRecord({**made, "exc_info": error}))
        journal.seek(0)
        assert journal.read().splitlines() == [
            "<3>ERROR t [-] x",
            "<3>    ValueError: a",
            "<3>    b",
            "<6>INFO t [-] x",
            "<7>DEBUG t [-] x",
        ]
        assert not logs.is_journal(journal, {"JOURNAL_STREAM": "1:1"})
    assert not logs.is_journal(StringIO(), {"JOURNAL_STREAM": "1:1"})


def test_a_program_without_a_console_logs_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert isinstance(terminal_log.handler({}), logging.NullHandler)


def test_only_the_last_folder_is_made(home: Path) -> None:
    DailyFile(home / "logs" / "x.log", 0).close()
    assert (home / "logs" / "x.log").is_file()
    with pytest.raises(SettingInvalid) as caught:
        DailyFile(home / "nope" / "x" / "log", 0)
    for language in LANGUAGES:
        assert f"{home}/nope" in text(language, caught.value.key, **caught.value.details)
    assert not (home / "nope").exists()
