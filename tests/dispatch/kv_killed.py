"""Takes in a sequence that goes on from another, and dies at one step of that, as a kill would: FOLDER STEP. Exit
status 9, or 0 at the end. A step is what the interpreter tells its auditors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hoshikage import kv_file, wire
from hoshikage.dispatch.kv_files import FolderFiles
from hoshikage.dispatch.kv_store import KvStore

EVENTS = {"open", "os.rename", "os.remove", "os.scandir", "os.mkdir"}
KEY = "0" * 32


def put_away(store: KvStore, *tokens: int) -> None:
    command = store.make(2)
    assert command is not None
    kv_file.write(command.paths[0], KEY, "a", tokens, bytes(100))
    store.take_in(KEY, command.paths, wire.PutAwayDone(command.paths[:1], ()), ())


if __name__ == "__main__":
    kept, left = KvStore(FolderFiles(Path(sys.argv[1])), 10_000, 0.0), int(sys.argv[2])
    put_away(kept, 1, 2)

    def die_at_the_step(event: str, _arguments: object) -> None:
        global left
        if event in EVENTS:
            left -= 1
            if left < 0:
                os._exit(9)

    sys.addaudithook(die_at_the_step)
    put_away(kept, 1, 2, 3)
    os._exit(0)
