"""This program copies a sequence's state, puts it back, and goes on from it. LIBRARY MODEL on the command line; prints
JSON: how far the logits of what comes after it are from those without any copying, and the sizes of both kinds of
state."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from hoshikage._ffi.library import load
from hoshikage.llama.context import Context
from hoshikage.llama.loading import open_model
from hoshikage.llama.state import SequenceStates
from hoshikage.params import LoadParams
from tests.engine_models import FIRST_WORD

N_BATCH, BEGUN, ALL = 64, 200, 240


def main() -> dict[str, Any]:
    library = load(Path(sys.argv[1]), lambda _level, _line: None)
    params = LoadParams(sys.argv[2], n_ctx=1024, n_batch=N_BATCH, n_threads=1, n_parallel=2)
    model, context = open_model(library, params, lambda _progress: True)
    chance = random.Random(1)
    tokens = [chance.randrange(FIRST_WORD, model.vocab.n_tokens) for _ in range(ALL)]
    states = SequenceStates(context)
    computed(context, tokens[:BEGUN], 0, 0)
    whole = states.get(0)
    part = states.get(0, part=True) if states.has_part else None
    assert whole is not None
    right = computed(context, tokens[BEGUN:], BEGUN, 0)
    found: dict[str, Any] = {"has_part": states.has_part, "whole": whole.size, "n_sequences": context.n_sequences}
    if part is not None:
        found["part"] = part.size
        assert states.put(0, part, part=True)
        context._memory.remove(0, BEGUN)
        found["part_off"] = far(right, computed(context, tokens[BEGUN:], BEGUN, 0))
    context.clear()
    assert states.put(0, bytes(whole))
    found["whole_off"] = far(right, computed(context, tokens[BEGUN:], BEGUN, 0))
    if context.n_sequences > 1:
        context.clear()
        assert states.put(1, whole)
        found["other_off"] = far(right, computed(context, tokens[BEGUN:], BEGUN, 1))
    context.clear()
    found["damaged"] = states.put(0, whole[: whole.size // 2])
    context.clear()
    context.close()
    model.close()
    library.close()
    return found


def computed(context: Context, tokens: list[int], position: int, seq_id: int) -> Any:
    """Returns the logits behind the last of these tokens."""
    logits = None
    for begin in range(0, len(tokens), N_BATCH):
        part, batch = tokens[begin : begin + N_BATCH], context.batch
        batch.clear()
        batch.extend(part[:-1], position + begin, seq_id)
        index = batch.add(part[-1], position + begin + len(part) - 1, seq_id, True)
        assert context.decode()
        logits = context.logits(index).copy()
    return logits


def far(one: Any, other: Any) -> float:
    return float(abs(one - other).max())


if __name__ == "__main__":
    print(json.dumps(main()))
