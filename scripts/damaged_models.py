"""Tells how many damaged model files that end a runner the check of the header refuses before they are loaded.

`python3 scripts/damaged_models.py [--count N] [--first SEED] [--release RELEASE] [--json FILE]`, run by the
environment's Python. Three small models (the built-in one, a llama and a BERT of random weights) are damaged by seeds;
what the check lets pass and what it refuses is loaded and computed with alike, each in a process of its own that may
die of it. Exits 1 where less than the goal of those deaths was prevented. Main thread; POSIX.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import libraries
import screen  # before the package: it puts the clone on the path
from damage import damaged
from hoshikage import gguf
from hoshikage._ffi.library import Library, load
from hoshikage.errors import HoshikageError
from hoshikage.lab.handshake import greedy
from hoshikage.library import demo
from hoshikage.llama.adapters import Adapters
from hoshikage.llama.embedder import Embedder
from hoshikage.llama.kinds import ranks, writes
from hoshikage.llama.loading import open_model
from hoshikage.params import LoadParams
from hoshikage.runner import native
from tests import small_models

GOAL: Final = 0.95
PATIENCE_S: Final = 10
MAX_MEMORY: Final = 8 * 2**30
NEWEST: Final = "v0.5.0"
FINE, REFUSED_BY_LIBRARY = 0, 3
DIED_OF: Final = "GGML_ASSERT", "terminate called", "what():", "Assertion"


@dataclass(slots=True)
class Tally:
    """It counts how the damaged files ended."""

    files: int = 0
    refused: int = 0
    """`refused` counts those refused by the check of the header."""
    harmless_refused: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """`harmless_refused` has, by key, model and seed, the files that would have computed something all the same."""
    deaths: Counter[str] = field(default_factory=Counter)
    prevented: int = 0
    passed: list[tuple[str, int, str]] = field(default_factory=list)
    """`passed` has model, seed and cause of deaths that the check did not prevent."""

    @property
    def share(self) -> float:
        died = self.deaths.total()
        return self.prevented / died if died else 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description="How many deaths by damaged models the header's check prevents.")
    parser.add_argument("--count", type=int, default=20_000, help="damaged files in all")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--release", default=NEWEST, help="llama.cpp's release, of those that the tests have")
    parser.add_argument("--json", type=Path, help="where the figures are written, too")
    options = parser.parse_args()
    native.prepare()
    library = load(_library(options.release), lambda _level, _line: None)
    with tempfile.TemporaryDirectory() as folder:
        tally = measure(library, sources(Path(folder)), options.count, options.first, Path(folder))
    _show(tally, options)
    return 0 if tally.share >= GOAL else 1


def sources(folder: Path) -> dict[str, bytes]:
    result = demo.find() or demo.in_folder(screen.ROOT / "demo" / "hoshikage_demo")
    assert result is not None
    files = {
        "built-in": result.model,
        "llama": small_models.write_llama(folder / "llama.gguf"),
        "bert": small_models.write_encoder(folder / "bert.gguf", 1),
    }
    for file in files.values():
        gguf.read_chat_model(file)
    return {name: file.read_bytes() for name, file in files.items()}


def measure(library: Library, models: dict[str, bytes], count: int, first: int, folder: Path) -> Tally:
    tally = Tally()
    names = list(models)
    file = folder / "damaged.gguf"
    for number in range(count):
        name, seed = names[number % len(names)], first + number
        file.write_bytes(damaged(models[name], seed))
        refusal = ""
        try:
            gguf.read_chat_model(file)
        except HoshikageError as error:
            refusal = error.key
        end = fate(lambda: use(library, str(file)), folder / "log")
        tally.files += 1
        tally.refused += bool(refusal)
        if end is None:
            if refusal:
                tally.harmless_refused.setdefault(refusal, []).append((name, seed))
            continue
        if end == "library":
            continue
        tally.deaths[end] += 1
        if refusal:
            tally.prevented += 1
        else:
            tally.passed.append((name, seed, end))
    return tally


def use(library: Library, path: str) -> None:
    """Uses the file as a runner would: load, and compute a few tokens or a vector."""
    params = LoadParams(path, n_ctx=256, n_batch=64, n_threads=1)
    model, context = open_model(library, params, lambda _progress: True)
    vocab = model.vocab
    vocab.control_texts()
    tokens = vocab.tokenize("hello star", parse_special=True, add_special=True)
    if writes(model) and tokens:
        for token in greedy(model, context, tokens[:16], 4):
            vocab.shown(token)
            vocab.is_eog(token)
    if tokens:
        embedder = Embedder.open(model, params, Adapters(model, params))
        if ranks(model):
            embedder.score(tokens[:16])
        else:
            embedder.embed(tokens[:16], None, lambda _done: None)


def fate(action: Callable[[], None], log: Path) -> str | None:
    """Returns what came of it in a process of its own: None where all went well, `library` where it was refused in
    words."""
    child = os.fork()
    if child == 0:
        status = FINE
        signal.alarm(PATIENCE_S)
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        os.dup2(2, 1)
        try:
            action()
        except HoshikageError:
            status = REFUSED_BY_LIBRARY
        except BaseException as error:  # noqa: BLE001 - told by the parent
            os.write(2, f"Assertion {type(error).__name__} {error}\n".encode())
            os.abort()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        return {FINE: None, REFUSED_BY_LIBRARY: "library"}.get(os.WEXITSTATUS(status), f"exit {status >> 8}")
    name = signal.Signals(os.WTERMSIG(status)).name
    lines = log.read_text("utf-8", "replace").splitlines()
    said = [line.split("/")[-1] for line in lines if any(sign in line for sign in DIED_OF)] or lines[-1:]
    return f"{name} {' '.join(said)[:160]}".strip()


def _library(release: str) -> Path:
    folder = libraries.folder()
    for metadata in sorted(folder.glob("*/bins/*/_nlcBuildMetadata.json")):
        if json.loads(metadata.read_bytes())["buildOptions"]["llamaCpp"]["release"] == release:
            return next(iter(sorted(metadata.parent.glob("libllama*"))))
    sys.exit(f"no libllama of {release} in {folder}")


def _show(tally: Tally, options: argparse.Namespace) -> None:
    result: dict[str, Any] = {
        "release": options.release,
        "seeds": [options.first, options.first + options.count - 1],
        "files": tally.files,
        "refused": tally.refused,
        "would be deaths": tally.deaths.total(),
        "prevented": tally.prevented,
        "share": round(tally.share, 4),
        "deaths": dict(tally.deaths.most_common()),
        "passed": tally.passed,
        "refused, but would have computed": tally.harmless_refused,
    }
    shown = json.dumps(result, indent=1, ensure_ascii=False)
    print(shown)
    if options.json:
        options.json.write_text(shown, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
