"""Finds out what a library does on this machine's card, setting by setting: gpu_function.py LIBRARY FOLDER OUT. Main
thread.

Run by gpu_check.sh. Each setting is a process of its own, because some end theirs. Prints Markdown tables, and writes
them and what they are made of to OUT.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import hoshikage_demo

from hoshikage._ffi.library import load
from hoshikage.dispatch.memory import vram_bytes
from hoshikage.engine.overlap import SURE, Overlap
from hoshikage.lab.handshake import golden_cases, greedy
from hoshikage.library import cards, gpu
from hoshikage.llama.context import Context
from hoshikage.llama.loading import open_model
from hoshikage.llama.sampler import Sampler
from hoshikage.params import AUTO_LAYERS, LoadParams, SamplingParams

DEMO: Final = Path(hoshikage_demo.__file__).parent
SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "N_GPU_LAYERS=0": {"n_gpu_layers": 0},
    "N_GPU_LAYERS=3": {"n_gpu_layers": 3},
    "N_GPU_LAYERS=auto": {"n_gpu_layers": AUTO_LAYERS},
    "MAIN_GPU=0": {"main_gpu": 0},
    "SPLIT_MODE=layer": {"split_mode": "layer"},
    "SPLIT_MODE=row": {"split_mode": "row"},
    "SPLIT_MODE=tensor": {"split_mode": "tensor"},
    "TENSOR_SPLIT=1": {"tensor_split": (1.0,)},
    "MAIN_GPU=99": {"main_gpu": 99},
    "FLASH_ATTN=off": {"flash_attn": "off"},
    "TYPE_K=TYPE_V=q8_0": {"type_k": "q8_0", "type_v": "q8_0"},
    "KV_OFFLOAD=off": {"kv_offload": False},
    "NO_HOST=on": {"no_host": True},
    "OVERRIDE_TENSOR=ffn_up=CPU": {"override_tensor": (("ffn_up", "CPU"),)},
    "CPU_MOE=on": {"cpu_moe": True},
    "N_CPU_MOE=1": {"n_cpu_moe": 1},
    "N_PARALLEL=16": {"n_parallel": 16},
}
MAY_FAIL: Final = ("MAIN_GPU=99", "SPLIT_MODE=row", "SPLIT_MODE=tensor")
"""There is no such card; and not every backend splits so."""
TOKENS: Final = 64
WARM_UP: Final = 8
SAMPLINGS: Final = {"greedy": SamplingParams(temperature=0), "drawn": SamplingParams(temperature=0.8, top_p=0.95)}
EACH_S: Final = 60


def tried(library: str, model: str, name: str) -> dict[str, Any]:
    """Tries one setting, in this process."""
    opened = load(Path(library), lambda _level, _line: None)
    params = LoadParams(model, n_ctx=2048, **SETTINGS[name])
    begun = time.perf_counter()
    loaded, context = open_model(opened, params, lambda _progress: True)
    load_ms = (time.perf_counter() - begun) * 1e3
    overlap = Overlap()
    for position in range(SURE):
        context.batch.clear()
        context.batch.add(5, position, 0, True)
        started = time.perf_counter()
        context.decode()
        overlap.measure(started, context.synchronize)
    case = golden_cases(DEMO / "golden.json")[0]
    same = greedy(loaded, context, case.prompt_ids, len(case.ids)) == case.ids if "hoshikage" in model else None
    begun = time.perf_counter()
    greedy(loaded, context, [5, 6, 7], TOKENS)
    return {
        "layers": loaded.n_gpu_layers,
        "load_ms": round(load_ms),
        "vram_mib": round(loaded.vram_bytes / 2**20),
        "process_vram_mib": round(vram_bytes(os.getpid()) / 2**20),
        "tokens_s": round(TOKENS / (time.perf_counter() - begun)),
        "overlaps": overlap.pays,
        "golden": same,
        **{f"{name}_by_device": by_device(context, sampling) for name, sampling in SAMPLINGS.items()},
    }


def by_device(context: Context, sampling: SamplingParams) -> str:
    """Measures tokens a second, chosen by Python and by the device; for the likeliest ones whether they are the
    same."""
    by_python, its = chosen(context, sampling, over=False), chosen(context, sampling, over=True)
    if its is None or by_python is None:
        return "-"
    same = "" if sampling.temperature else f", {'the same' if by_python[0] == its[0] else 'others'}"
    return f"{by_python[1]:.0f} → {its[1]:.0f}{same}"


def chosen(context: Context, sampling: SamplingParams, *, over: bool) -> tuple[list[int], float] | None:
    """Returns tokens, and how many a second; None where the device cannot choose."""
    context.clear()
    tokens, begun = [5], 0.0
    with closing(Sampler.open(context.model, context, sampling)) as sampler:
        if over and (sampler.device_kind is None or not sampler.go_over(0)):
            return None
        for position in range(WARM_UP + TOKENS):
            if position == WARM_UP:
                begun = time.perf_counter()
            context.batch.clear()
            index = context.batch.add(tokens[-1], position, 0, True)
            context.decode()
            tokens.append(sampler.sample(index))
    return tokens, TOKENS / (time.perf_counter() - begun)


def row(library: str, model: Path, name: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", library, str(model), name]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=EACH_S, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"{EACH_S} s"}
    lines = ran.stdout.strip().splitlines()
    if ran.returncode == 0 and lines:
        found: dict[str, Any] = json.loads(lines[-1])
        return found
    said = [line for line in ran.stderr.splitlines() if gpu.REFUSED.search(line)] or ran.stderr.strip().splitlines()
    return {"error": f"{ran.returncode}: {(said or [''])[-1][:200]}"}


def main(library: str, folder: Path, out: Path) -> int:
    found, cuda = cards.seen()
    devices = load(Path(library), lambda _level, _line: None).devices(memory=True)
    facts = {
        "cards": [f"{card.name} (sm_{card.architecture})" for card in found],
        "cuda": cuda,
        "code": gpu.cards_of(Path(library)),
        "devices": [f"{device.name} ({device.kind}): {device.description}" for device in devices],
    }
    models = [DEMO / "hoshikage-tiny.gguf", *sorted((folder / "models").glob("*.gguf"))[:1]]
    rows = {model.name: {name: row(library, model, name) for name in SETTINGS} for model in models}
    found_all = json.dumps({"facts": facts, "rows": rows}, ensure_ascii=False, indent=1)
    (out / "function.json").write_text(found_all, "utf-8")
    lines = [f"| {name} | {value} |" for name, value in facts.items()]
    for model, its in rows.items():
        columns = ["layers", "load_ms", "vram_mib", "process_vram_mib", "tokens_s", "overlaps", "golden"]
        columns += [f"{name}_by_device" for name in SAMPLINGS]
        lines += ["", f"| {model} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for name, values in its.items():
            cells = [values["error"]] if "error" in values else [str(values.get(column, "")) for column in columns]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    table = "\n".join(lines) + "\n"
    (out / "function.md").write_text(table, "utf-8")
    print(table)
    wrong = [name for its in rows.values() for name, values in its.items() if values.get("golden") is False]
    refused = [name for name, values in rows[models[0].name].items() if "error" in values and name not in MAY_FAIL]
    return 1 if wrong or refused else 0


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(json.dumps(tried(*sys.argv[2:])))
    else:
        sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
