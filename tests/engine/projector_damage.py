"""This program loads and uses projectors with a few bytes changed, each in a process of its own. LIBRARY FOLDER COUNT
SEED on the command line; prints JSON: what came of how many of them."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

import gguf

from hoshikage._ffi.library import Library, load
from hoshikage.errors import GgufInvalid, HoshikageError
from hoshikage.gguf.projector import require_projector
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.llama.projector import Projector
from hoshikage.params import LoadParams, Medium
from tests.engine.media_done import KINDS, files_of

SOUND, REFUSED = 0, 1
"""The process ends with one of these."""
ALIKE = ((0, 1, 7), (2, 3), (4, 5, 6), (10, 11, 12))
"""These groups are gguf_metadata_value_type of values that are equally long."""
ARRAY = 9
LEFT_OUT = "ultravox"
"""It takes too long for thousands."""


def changed(data: bytes, header: int, types: list[int], random_: random.Random) -> bytes:
    """Changes a few bytes of the header, or a value's type to one that may be as long, or cuts some of the file off."""
    way = random_.random()
    if way < 0.1:
        return data[: random_.randrange(len(data))]
    result = bytearray(data)
    if way < 0.3:
        at = random_.choice(types)
        result[at] = random_.choice(next(alike for alike in ALIKE if result[at] in alike))
        return bytes(result)
    for _ in range(random_.choice((1, 1, 2, 4))):
        at = random_.randrange(header)
        result[at] = random_.choice((0, 1, 2, 127, 128, 255, result[at] ^ (1 << random_.randrange(8))))
    return bytes(result)


def types_in(projector: Path) -> list[int]:
    """Finds the places of the numbers' types, those within arrays included."""
    data, found = projector.read_bytes(), []
    for name, field in gguf.GGUFReader(projector).fields.items():
        at = field.offset + 8 + len(name.encode())
        found.append(at + 4 if data[at] == ARRAY else at)
    return [at for at in found if any(data[at] in alike for alike in ALIKE)]


def used(model: Model, params: LoadParams, kind: str) -> int:
    """Loads the projector and shows it a picture."""
    context = Context.open(model, params)
    try:
        projector = Projector.open(model, params, 1)
        data = files_of(kind)[0]
        shown = projector.shown(Medium("image", data, hashlib.sha256(data).hexdigest(), ""))
        for piece in shown.pieces:
            if not piece.tokens:
                projector.show(context, piece, 0, 0)
    except HoshikageError:
        return REFUSED
    return SOUND


def outcome(library: Library, model: Model, file: Path, kind: str) -> str:
    params = LoadParams("", mmproj=str(file), n_ctx=512, n_threads=1)
    try:
        require_projector(file)
    except GgufInvalid:
        return "refused by its header"
    child = os.fork()
    if not child:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.environ["GGML_NO_BACKTRACE"] = "1"
        os._exit(used(model, params, kind))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"ended its process ({os.WTERMSIG(status)})"
    return {SOUND: "used", REFUSED: "refused by the library"}.get(os.WEXITSTATUS(status), "failed")


def main() -> dict[str, dict[str, int]]:
    library, folder, count, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    found: dict[str, dict[str, int]] = {}
    opened = load(library, lambda _level, _line: None)
    opened.media()
    for kind, (write_text, write_projector) in KINDS.items():
        if kind == LEFT_OUT:
            continue
        text, projector = write_text(folder / f"{kind}.gguf"), write_projector(folder / f"mmproj-{kind}.gguf")
        model = Model.load(opened, LoadParams(str(text), n_threads=1), lambda _progress: True)
        data, random_ = projector.read_bytes(), random.Random(seed)
        header, types = int(gguf.GGUFReader(projector).data_offset), types_in(projector)
        file = folder / "damaged-mmproj.gguf"
        counts: Counter[str] = Counter()
        for number in range(count):
            file.write_bytes(changed(data, header, types, random_))
            came = outcome(opened, model, file, kind)
            counts[came] += 1
            if keep := os.environ.get("KEEP") if came.startswith("ended") else None:
                Path(keep, f"{kind}-{number}.gguf").write_bytes(file.read_bytes())
        found[kind] = dict(counts)
        model.close()
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
