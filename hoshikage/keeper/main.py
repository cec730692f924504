"""This is the keeper's process: splits, chooses and keeps for the server that started it, one thing after the other.

Main thread. It is started when memory is first needed and ended when nobody has needed it for a while; what is heavy
(scikit-learn, ChromaDB) is imported when it is first asked for.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import BinaryIO

from hoshikage.errors import HoshikageError, InferenceFailed, NotSupported
from hoshikage.keeper import frames
from hoshikage.keeper.desk import Desk
from hoshikage.native_os import memory


def main(_arguments: Sequence[str]) -> int:
    """Answers what comes by the standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the server decides
    memory.blank()  # Chroma's index keeps space for more vectors, and writes to its file whatever stands there
    questions, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no frame
    return answer(questions, replies, Desk())


def answer(questions: BinaryIO, replies: BinaryIO, desk: Desk) -> int:
    """Answers every frame with one."""
    while len(header := questions.read(frames.HEADER_BYTES)) == frames.HEADER_BYTES:
        ask = frames.decode_ask(questions.read(frames.body_length(header)))
        replies.write(frames.encode(_reply(ask, desk)))
        replies.flush()
    return 0


def _reply(ask: frames.Ask, desk: Desk) -> frames.Reply:
    try:
        return desk.reply(ask)
    except ModuleNotFoundError as error:
        return frames.Refused.of(ask.number, NotSupported("remember.not_installed", name=error.name or ""))
    except HoshikageError as error:
        return frames.Refused.of(ask.number, error)
    except Exception as error:  # noqa: BLE001  whatever a library raises is this request's fault alone
        reason = f"{type(error).__name__}: {error}"[:500]
        return frames.Refused.of(ask.number, InferenceFailed("remember.keeper_failed", reason=reason))
