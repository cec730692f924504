"""Writes the log's file, which changes daily. Any thread: logging holds its lock."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from contextlib import suppress
from datetime import date, timedelta
from io import FileIO, TextIOWrapper
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path

from hoshikage.errors import SettingInvalid


class DailyFile(TimedRotatingFileHandler):
    """Appends to one file. A day's first line moves what is older to `NAME.YYYY-MM-DD`, the day it is of.

    Of moved files the last `keep_days` days stay (0: all). A line's own time decides, so that line and file agree.
    Several servers may share the file. Raises SettingInvalid for a file that cannot be written.
    """

    def __init__(self, file: Path, keep_days: int) -> None:
        self._failed = False
        self._now = 0.0
        try:
            file.parent.mkdir(exist_ok=True)  # no more than that: a path misspelt would come true
            super().__init__(file, "midnight", backupCount=keep_days)
        except FileNotFoundError:
            folder = next((up for up in reversed(file.parents) if not up.exists()), file.parent)
            raise SettingInvalid("settings.log_folder", folder=str(folder), file=str(file)) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise SettingInvalid("settings.log_file", file=str(file), reason=reason) from None

    def shouldRollover(self, record: logging.LogRecord) -> int:  # noqa: N802  logging's name
        self._now = record.created
        return record.created >= self.rolloverAt

    def doRollover(self) -> None:  # noqa: N802  logging's name
        """Closes the file and moves it aside. Where that fails, the new day's lines follow the old ones."""
        file, day = Path(self.baseFilename), date.fromtimestamp(self.rolloverAt - 1)
        self.rolloverAt = self.computeRollover(int(self._now))
        stream, self.stream = self.stream, None  # the next line opens it again
        try:
            if stream is not None:
                _move(stream, file, file.with_name(f"{file.name}.{day.isoformat()}"))
            if self.backupCount:
                _forget(file, date.fromtimestamp(self._now) - timedelta(days=self.backupCount))
        except FileNotFoundError:
            pass  # somebody removed it
        except OSError as error:
            self._tell(error)

    def flush(self) -> None:
        """Is called after every line that was written."""
        self._failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        error = sys.exc_info()[1]
        self._tell(error) if isinstance(error, OSError) else super().handleError(record)

    def _open(self) -> TextIOWrapper:
        """Opens the file to append to, a line a write, whole even beside another server's."""
        return TextIOWrapper(FileIO(self.baseFilename, "a"), "utf-8", "backslashreplace", "", write_through=True)

    def _tell(self, error: OSError) -> None:
        """Says once, not for every line, that the file cannot be written, until it can be again."""
        if not self._failed and sys.stderr is not None:
            sys.stderr.write(f"{self.baseFilename}: {error.strerror or error}\n")
        self._failed = True


def _move(stream: TextIOWrapper, file: Path, target: Path) -> None:
    """Closes the open file and moves it to `target`, if no other server has done so already."""
    with stream:
        result = os.fstat(stream.fileno())
        if sys.platform == "win32":
            stream.close()  # Windows moves no open file
        else:
            import fcntl  # which Windows has not

            with suppress(OSError):  # a file system without locks
                fcntl.flock(stream, fcntl.LOCK_EX)  # the open file's own: no other server that has it open moves it
        if not result.st_size or not os.path.samestat(result, file.stat()):
            return  # what is there now is of the new day
        if not target.exists():
            file.rename(target)
            return
        with file.open("rb") as source, target.open("ab") as old:
            shutil.copyfileobj(source, old)
        file.unlink()


def _forget(file: Path, first: date) -> None:
    """Removes moved files of days before `first`, and no other file."""
    pattern = re.compile(re.escape(file.name) + r"\.([0-9]{4}-[0-9]{2}-[0-9]{2})")
    for moved in file.parent.iterdir():
        match = pattern.fullmatch(moved.name)
        if match and match[1] < first.isoformat():
            moved.unlink(missing_ok=True)
