"""This program holds conversations that outlive their engine. LIBRARY MODEL FOLDER [TOKENS] on the command line, where
TOKENS is the length of an answer; prints JSON: what each engine answered, and how much of each prompt it had."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hoshikage import kv_file, wire
from hoshikage.params import GenerationRequest, SamplingParams, TokenPrompt
from tests.engine.modes_done import Engine
from tests.engine_models import words

KEY = "0" * 32
TALK = words(*((7 * number) % 90 for number in range(200)))
OTHER = words(*((11 * number + 5) % 90 for number in range(120)))
MORE = words(1, 2, 3, 4, 5)


def main() -> dict[str, Any]:
    library, model, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    length = int(sys.argv[4]) if sys.argv[4:] else 12
    found: dict[str, Any] = {}

    def engine(*files: Path, key: str = KEY, **mode: Any) -> Engine:
        store = wire.StateStore(key, tuple(map(str, files)))
        return Engine(library, model, store=store, **{"kv_reuse": "prefix", "n_parallel": 2, **mode})

    def asked(engine: Engine, prompt: tuple[int, ...], scope: str = "a", **more: Any) -> list[Any]:
        job = engine.submit(
            GenerationRequest(
                TokenPrompt(prompt), SamplingParams(temperature=0), max_tokens=length, scope=scope, **more
            )
        )
        engine.finish()
        end = engine.ends[job]
        assert isinstance(end, wire.Finished), end
        return [engine.text(job), end.timings.cached_tokens]

    def put_away(engine: Engine, max_bytes: int = 2**30, count: int = 2) -> tuple[list[Path], list[str]]:
        files = [folder / f"{len(list(folder.iterdir()))}-{number}" for number in range(count)]
        for file in files:
            file.touch()
        done = engine.put_away(wire.PutAway(tuple(map(str, files)), max_bytes))
        engine.stop()
        for file in files:
            if str(file) not in done.written:
                file.unlink()
        return [Path(path) for path in done.written], list(done.unchanged)

    first = engine()
    found["first"] = [asked(first, TALK), asked(first, OTHER, "b")]
    stored, unchanged = put_away(first)
    assert not unchanged
    headers = [kv_file.read_header(file) for file in stored]
    found["stored"] = sorted([header.scope, header.n_tokens] for header in headers)

    fresh = engine()
    found["anew"] = [asked(fresh, TALK + MORE), asked(fresh, OTHER + MORE, "b")]
    fresh.stop()

    second = engine(*stored)
    found["taken back"] = [asked(second, TALK + MORE), asked(second, OTHER + MORE, "b")]
    found["of another"] = asked(second, TALK + MORE, "b")
    found["lost"] = second.lost
    second.stop()

    third = engine(*stored)
    found["again"] = asked(third, TALK)
    found["unchanged"] = [len(part) for part in put_away(third)]

    other = engine(*stored, key="1" * 32)
    found["another key"] = [asked(other, TALK + MORE), len(other.lost)]
    other.stop()

    for file in stored:
        data = bytearray(file.read_bytes())
        data[-5] ^= 1
        file.write_bytes(data)
    damaged = engine(*stored)
    found["damaged"] = [asked(damaged, TALK + MORE), asked(damaged, OTHER + MORE, "b"), len(damaged.lost)]
    found["small"] = [len(part) for part in put_away(damaged, max_bytes=1)]
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
