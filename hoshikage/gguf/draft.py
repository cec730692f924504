"""Whether one model can guess tokens for another, as far as the headers of their files tell. Pure; any thread."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hoshikage.errors import GgufInvalid
from hoshikage.gguf.header import GgufHeader
from hoshikage.gguf.kinds import purpose
from hoshikage.gguf.parts import read_chat_model

PADDING: Final = 128
"""This many unused tokens more or less do not make another vocabulary."""
TOKENIZER_KEYS: Final = ("tokenizer.ggml.model", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id")


def require_draft(draft: Path, header: GgufHeader) -> GgufHeader:
    """Returns the draft's header. Raises GgufInvalid for a file that is no model, or one of another vocabulary."""
    result = read_chat_model(draft)
    differences = [
        f"{key}: {header.values.get(key, '-')} ≠ {result.values.get(key, '-')}"
        for key in TOKENIZER_KEYS
        if header.values.get(key) != result.values.get(key)
    ]
    if abs(result.n_vocab - header.n_vocab) > PADDING:
        differences.insert(0, f"{header.n_vocab} ≠ {result.n_vocab}")
    if purpose(result) != "text":
        raise GgufInvalid("model.draft_kind", file=str(draft))
    if differences:
        raise GgufInvalid("model.draft_unlike", file=str(draft), difference=", ".join(differences))
    return result
