"""Decides which types the KV memory of a model can have, by the numbers of its GGUF. Pure reading; engine thread.

Keys and values of the types with blocks are cut into heads where attention reads them: a head that is no whole number
of blocks gives NaN or garbage on the releases that do not refuse it, with flash attention (b5590 to b8390) and without
(all that were tried).
"""

from __future__ import annotations

from typing import Final

from hoshikage.errors import ModelLoadFailed
from hoshikage.llama.model import Model
from hoshikage.params import LoadParams

BLOCK: Final = 32
"""One block of q8_0 and of q4_0 has so many values."""
HEADS: Final = {"type_k": "key_length", "type_v": "value_length"}
ENDINGS: Final = ("", "_mla", "_swa")
"""Keys in a GGUF may have these endings: layers of another kind may have heads of another size."""


def require_blocks(model: Model, params: LoadParams) -> None:
    """Raises ModelLoadFailed where a head of the model is no whole number of the asked type's blocks."""
    for name, key in HEADS.items():
        wanted: str = getattr(params, name)
        if wanted != "f16" and (size := uneven(model, key)):
            raise ModelLoadFailed("engine.kv_block", name=name.upper(), type=wanted, size=size, block=BLOCK)


def uneven(model: Model, key: str) -> int:
    """Returns the size of heads that are no whole number of blocks; 0 where there are none."""
    sizes = [said for ending in ENDINGS if (said := _number(model, f"attention.{key}{ending}"))]
    heads = _number(model, "attention.head_count")
    if not _number(model, f"attention.{key}") and heads:
        sizes.append(_number(model, "embedding_length") // heads)
    return next((size for size in sizes if size % BLOCK), 0)


def _number(model: Model, key: str) -> int:
    text = model.own(key)
    return int(text) if text is not None and text.isdigit() else 0
