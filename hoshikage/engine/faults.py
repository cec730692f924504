"""Decides what becomes of an exception that nobody foresaw: its place goes to the log, its caller gets a 500. Any
thread."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from hoshikage import wire
from hoshikage.errors import HoshikageError, InferenceFailed


def failure_of(error: Exception, emit: Callable[[wire.Event], None]) -> HoshikageError:
    """Returns an error of ours as it is, and any other as engine.internal, once its traceback is in the log."""
    if isinstance(error, HoshikageError):
        return error
    report(error, emit)
    return InferenceFailed("engine.internal")


def report(error: Exception, emit: Callable[[wire.Event], None]) -> None:
    """Logs the traceback without the exception's own words: they may quote a prompt."""
    for line in traceback.format_tb(error.__traceback__):
        emit(wire.Log(logging.ERROR, line.rstrip()))
    emit(wire.Log(logging.ERROR, type(error).__qualname__))
