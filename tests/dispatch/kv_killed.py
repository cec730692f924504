"""Takes in a sequence that goes on from another, and dies at one step of that, as a kill would: FOLDER STEP. Exit
status 9, or 0 at the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hoshikage import kv_file, wire
from hoshikage.dispatch.kv_files import FolderFiles
from hoshikage.dispatch.kv_store import KvStore
from tests.killed import die_at

KEY = "0" * 32


def put_away(store: KvStore, *tokens: int) -> None:
    command = store.make(2)
    assert command is not None
    kv_file.write(command.paths[0], KEY, "a", tokens, bytes(100))
    store.take_in(KEY, command.paths, wire.PutAwayDone(command.paths[:1], ()), ())


if __name__ == "__main__":
    kept = KvStore(FolderFiles(Path(sys.argv[1])), 10_000, 0.0)
    put_away(kept, 1, 2)
    die_at(int(sys.argv[2]))
    put_away(kept, 1, 2, 3)
    os._exit(0)
