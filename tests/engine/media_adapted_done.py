"""This program shows pictures to a model whose adapters change, and to models that have them in their weights. LIBRARY
FOLDER on the command line; prints JSON: for each kind of projector the adapters whose answers differ."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from hoshikage import wire
from hoshikage._ffi.library import load
from hoshikage.llama.adapters import Adapters
from hoshikage.params import AdapterSet, LoadParams, Scaled
from tests.adapter_files import write_control_vector, write_lora, write_merged
from tests.engine.media_done import KINDS, MODES, SETTINGS, Bare, Listener, conversations

SETS: Final[tuple[tuple[float, float], ...]] = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.5), (0.5, 1.5))
"""The requests have so much of the LoRA adapter and of the control vector."""
MERGED: Final = ("llava", "gemma3")
"""The text models of these kinds can have a control vector in their weights."""
BESIDE: Final = MODES["prefix together"]
Given = dict[str, tuple[Scaled, ...]]


def main() -> dict[str, Any]:
    library, folder = Path(sys.argv[1]), Path(sys.argv[2])
    lora, vector = str(write_lora(folder / "lora.gguf", 1)), str(write_control_vector(folder / "vector.gguf", 5))
    given: dict[tuple[float, float], Given] = {
        (one, other): {"lora": (Scaled(lora, one),), "control_vectors": (Scaled(vector, other),) if other else ()}
        for one, other in SETS
    }
    found: dict[str, Any] = {"wrong": {}, "different": {}}
    plain = write_merged(folder / "plain.gguf", {}, {})
    for kind in MERGED:
        projector = KINDS[kind][1](folder / f"mmproj-{kind}.gguf")
        right = {}
        for one, other in SETS:
            merged = write_merged(folder / "merged.gguf", {1: one}, {5: other})
            right[one, other] = answers(library, merged, projector, kind, [{}])[0]
        told = answers(library, plain, projector, kind, [*given.values()] * 2, BESIDE)
        found["wrong"][kind] = [each for each, tokens in zip(SETS * 2, told, strict=True) if tokens != right[each]]
        found["different"][kind] = len({json.dumps(each) for each in right.values()})
    found["qwen2vl"] = with_positions(library, folder, Scaled(vector, 1.5))
    return found


def answers(
    library: Path, model: Path, projector: Path, kind: str, wanted: list[Given], mode: dict[str, Any] | None = None
) -> list[list[list[int]]]:
    """Tells what is answered to the conversations with each of these adapters, one set behind the other."""
    engine = Listener(library, str(model), mmproj=str(projector), **(mode or {}))
    try:
        jobs = [[engine.submit(each.request(scope="a", **given)) for each in conversations(kind)] for given in wanted]
        engine.finish()
        assert all(isinstance(end, wire.Finished) for end in engine.ends.values()), engine.ends
        return [[engine.told(job)["tokens"] for job in those] for those in jobs]
    finally:
        engine.stop()


def with_positions(library: Path, folder: Path, vector: Scaled) -> dict[str, bool]:
    """Compares a control vector with mtmd's own loop with it, where a picture has fewer positions than tokens."""
    kind = "qwen2vl"
    model, projector = (
        write(folder / f"{name}.gguf") for write, name in zip(KINDS[kind], ("text", "mmproj"), strict=True)
    )
    bare = Bare(load(library, lambda _level, _line: None), model, projector)
    asked = conversations(kind)
    without = [bare.answer(each, kind, SETTINGS["n_batch"])["tokens"] for each in asked]
    params = LoadParams(str(model), control_vectors=(vector,))
    Adapters(bare.model, params).use(bare.context, AdapterSet((), (vector,)))
    right = [bare.answer(each, kind, SETTINGS["n_batch"])["tokens"] for each in asked]
    bare.close()
    told = answers(library, model, projector, kind, [{"control_vectors": (vector,)}, {}], BESIDE)
    return {"right": told[0] == right, "without": told[1] == without, "different": right != without}


if __name__ == "__main__":
    print(json.dumps(main()))
