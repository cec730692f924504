"""Finds which release of libllama has what beyond plain answers, by its files alone; makes that table in
docs/LIBRARIES.

`python3 scripts/offers.py [--write]`. A function is there where a file of the release names it among its symbols, a
field where the recognised layout has it, a kind of model where libllama knows its name. Nothing is loaded. Main thread.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Final

import libraries
import matrix
import screen
from hoshikage._ffi import layouts, mtmd
from hoshikage.library import names, rpc
from hoshikage.messages import LANGUAGES, Language

MARK: Final = "<!-- made by scripts/offers.py -->"
OFFERS: Final = (
    ("LoRA", "LoRA", "llama_set_adapters_lora | llama_set_adapter_lora | llama_lora_adapter_set"),
    (
        "コントロールベクトル",
        "control vectors",
        "llama_set_adapter_cvec | llama_apply_adapter_cvec | llama_control_vector_apply",
    ),
    ("aLoRA", "aLoRA", "llama_set_adapters_lora"),
    ("RoPE の拡張", "rope scaling", ".rope_scaling_type"),
    ("シーケンスの状態", "a sequence's state", "llama_state_seq_get_data"),
    ("KV の関数", "KV functions", "llama_memory_seq_rm | llama_kv_self_seq_rm | llama_kv_cache_seq_rm"),
    ("エンコーダー", "encoder", "llama_encode"),
    ("M-RoPE（qwen2vl）", "M-RoPE (qwen2vl)", "=qwen2vl"),
    ("libmtmd", "libmtmd", "mtmd_init_from_file"),
    ("RPC", "RPC", "*rpc"),
    ("デバイスの一覧", "list of devices", "ggml_backend_dev_count"),
    ("モデルのデバイス", "devices of a model", ".devices"),
    ("同期", "synchronize", "llama_synchronize"),
    ("infill", "infill", "llama_sampler_init_infill"),
    ("adaptive-p", "adaptive-p", "llama_sampler_init_adaptive_p"),
    ("バックエンドでの選択", "sampling by the backend", "llama_set_sampler"),
)
"""Each column's heads, as LANGUAGES are, and what shows it: functions (any), a field (.), a string (=), RPC (*)."""
APART: Final[Mapping[str, str]] = {"mtmd_init_from_file": mtmd.FIRST}
"""Maps what shows a column to the first release whose own builds have it, in a file that these packages leave out."""


def main(show: screen.Screen) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    releases = libraries.table()
    libraries.bring(show, releases)
    rows = [cells(release) for release in releases]
    for language, name in matrix.DOCUMENTS.items():
        made = table(language, rows)
        if options.write:
            matrix.write(screen.ROOT / "docs" / name, MARK, made)
        else:
            show.line(made)
    return 0


def table(language: Language, rows: list[list[str]]) -> str:
    heads = [row[LANGUAGES.index(language)] for row in OFFERS]
    return matrix.table(" | ".join(["llama.cpp", "npm", *heads]), rows)


def cells(release: libraries.Release) -> list[str]:
    library = matrix.file_of(release)
    files = [library, *(one for one in sorted(library.parent.iterdir()) if names.is_ggml(one.name))]
    files += sorted(library.parent.glob("*mtmd*"))
    text = b"\0".join(one.read_bytes() for one in files if "-cpu-" not in one.name)
    fields = fields_of(release)
    has: dict[str, Callable[[str], bool]] = {
        ".": lambda name: name in fields,
        "=": lambda name: _is_word(text, name),
        "*": lambda _: rpc.is_there(library),
    }

    def is_there(shown: str) -> bool:
        kind = has.get(shown[0])
        return kind(shown[1:]) if kind else any(_is_word(text, name.strip()) for name in shown.split("|"))

    def cell(shown: str) -> str:
        first = APART.get(shown)
        elsewhere = first is not None and names.version_key(release.llama) >= names.version_key(first)
        return "✓" if is_there(shown) else "(✓)" if elsewhere else "–"

    return [release.llama, release.npm, *(cell(shown) for _, _, shown in OFFERS)]


def fields_of(release: libraries.Release) -> frozenset[str]:
    """Returns the fields of the layouts that the release is recognised by."""
    found = [
        one
        for one in (*layouts.MODEL_LAYOUTS, *layouts.CONTEXT_LAYOUTS)
        if one.name in (release.model, release.context)
    ]
    return frozenset(name for layout in found for name in layout.offsets())


def _is_word(text: bytes, name: str) -> bool:
    return b"\0" + name.encode() + b"\0" in text


if __name__ == "__main__":
    sys.exit(screen.run(main))
