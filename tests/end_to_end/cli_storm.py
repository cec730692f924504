"""One of many processes that add, list and remove models at once: `cli_storm.py NUMBER OPERATIONS GGUF`.

Prints the labels that must be there when it is done, as JSON. Every command must succeed.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys

from hoshikage.cli.main import main

LABELS = 3


def storm(number: int, operations: int, model: str) -> list[str]:
    dice = random.Random(number)
    mine: set[str] = set()
    for _ in range(operations):
        label = f"m{number}-{dice.randrange(LABELS)}"
        kind = dice.choices(("add", "rm", "list"), (6, 3, 1))[0]
        if kind == "rm" and mine:
            label = dice.choice(sorted(mine))
            command = ["rm", label]
        elif kind == "list":
            command = ["list", "--json"]
        else:
            kind, command = "add", ["add", model, label, "</s>"]
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main(command)
        if status != 0:
            raise SystemExit(f"{command} ended with {status}: {said.getvalue()}")
        if kind == "add":
            mine.add(label)
        elif kind == "rm":
            mine.discard(label)
    return sorted(mine)


if __name__ == "__main__":
    print(json.dumps(storm(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
