"""This program has the engine thread embed texts, and prints what the process holds of its own after each: LIBRARY
MODEL N_BATCH, then a JSON list of texts on standard input."""

from __future__ import annotations

import json
import os
import queue
import resource
import sys
from pathlib import Path
from typing import Any

from hoshikage import wire
from hoshikage.dispatch.memory import own_bytes
from hoshikage.engine.worker import Worker
from hoshikage.params import Embedding, LoadParams
from tests.engine.work_done import shown, until


def main(library: str, model: str, n_batch: str) -> dict[str, Any]:
    events: queue.Queue[wire.Event] = queue.Queue()
    worker = Worker(Path(library), events.put, 40, lambda: None)
    worker.start()
    worker.submit(wire.Load(LoadParams(model, n_ctx=512, n_batch=int(n_batch), n_threads=1)))
    until(events, wire.Loaded, wire.Failed)
    done = []
    for number, text in enumerate(json.load(sys.stdin)):
        worker.submit(wire.command_for(number, Embedding((text,))))
        done.append({**shown(until(events, wire.Finished, wire.Failed)), "held": own_bytes(os.getpid())})
    worker.stop()
    worker.join()
    return {"done": done, "most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
