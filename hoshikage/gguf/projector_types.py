"""Judges how the values of a projector's header lie in the file: libmtmd ends its process where one has a type that it
does not ask for, and reads on behind an array that is too short. Pure; any thread.

What no release asks for may lie there as it likes. All releases with a libmtmd ask for the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from hoshikage.gguf.plausible import Fault, Scalar

Stored = tuple[int, int | None]
"""This is the gguf_metadata_value_type of a value, and None; or that of an array's elements, and how many there are."""

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
NAMES: Final = (
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64", "int64",
    "float64",
)  # fmt: skip
"""These are the names of gguf_metadata_value_type in gguf.md, in its order."""
OF_BOTH: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        (
            "embedding_length", "feed_forward_length", "block_count", "projection_dim", "attention.head_count",
            "attention.head_count_kv", "attention.head_dim", "window_size",
        ),
        UINT32,
    ),
    "attention.layer_norm_epsilon": FLOAT32,
    "projector_type": STRING,
}  # fmt: skip
"""These keys stand below `clip.vision` and `clip.audio`."""
OF_PICTURES: Final = (
    "image_size", "patch_size", "image_min_pixels", "image_max_pixels", "preproc_min_tiles", "preproc_max_tiles",
    "preproc_image_size", "n_wa_pattern", "spatial_merge_size", "projector.scale_factor", "projector.query_side",
    "projector.window_side", "sam.block_count", "sam.embedding_length", "sam.head_count",
)  # fmt: skip
OF_SOUNDS: Final = (
    "num_mel_bins", "projector.stack_factor", "projector.window_size", "projector.downsample_rate",
    "projector.head_count", "subsampling_factor", "chunk_size", "conv_kernel_size", "max_pos_emb",
    "local_block_count", "local_group_size", "rvq.num_quantizers",
)  # fmt: skip
SEES: Final = "clip.has_vision_encoder"
WANTED: Final[Mapping[str, int]] = {
    "general.name": STRING,
    "general.description": STRING,
    "clip.projector_type": STRING,
    "clip.vision.mm_patch_merge_type": STRING,
    "clip.minicpmv_version": INT32,
    "clip.minicpmv_query_num": UINT32,
    **dict.fromkeys((SEES, "clip.has_audio_encoder", "clip.has_text_encoder", "clip.use_gelu", "clip.use_silu"), BOOL),
    **{f"clip.{encoder}.{name}": kind for encoder in ("vision", "audio") for name, kind in OF_BOTH.items()},
    **{f"clip.vision.{name}": UINT32 for name in OF_PICTURES},
    **{f"clip.audio.{name}": UINT32 for name in OF_SOUNDS},
}
"""Maps a key to the type that the library asks for."""
COLOURS: Final = ("clip.vision.image_mean", "clip.vision.image_std")
"""These arrays have a number for red, green and blue; whatever sees has them."""
PINPOINTS: Final = "clip.vision.image_grid_pinpoints"
FEATURES: Final = ("clip.vision.feature_layer", "clip.audio.feature_layer")
"""These arrays name the layers whose results are used."""
WHOLE: Final = (
    PINPOINTS, *FEATURES, "clip.vision.wa_layer_indexes", "clip.vision.wa_pattern_mode", "clip.audio.wa_pattern_mode",
    "clip.vision.projector.spatial_offsets", "clip.audio.rvq.codebook_size",
)  # fmt: skip
"""These arrays have whole numbers, 4 bytes each: older releases read them without a look at their type."""


def of_stored(
    stored: Mapping[str, Stored], values: Mapping[str, Scalar], arrays: Mapping[str, tuple[int, ...]]
) -> Iterator[Fault]:
    """Yields what the library would not take as it lies there. `arrays` are those of whole numbers."""
    for name, kind in WANTED.items():
        if name in stored and stored[name] != (kind, None):
            yield Fault(name, _shown(stored[name]), NAMES[kind])
    for name in COLOURS:
        kind, count = stored.get(name, (FLOAT32, 0 if values.get(SEES) is True else 3))
        if kind != FLOAT32 or count is None or count < len("rgb"):
            yield Fault(name, _shown((kind, count)), "float32 × 3")
    for name in WHOLE:
        kind, count = stored.get(name, (INT32, 0))
        if kind not in (INT32, UINT32) or count is None:
            yield Fault(name, _shown((kind, count)), "int32 × n")
    if len(arrays.get(PINPOINTS, ())) % 2:
        yield Fault(PINPOINTS, _shown(stored[PINPOINTS]), "int32 × 2 · n")
    for name in FEATURES:
        layers = values.get(f"{name.rpartition('.')[0]}.block_count", 0)
        highest = max(arrays.get(name, ()), default=0)
        if isinstance(layers, int) and highest > layers:
            yield Fault(name, str(highest), f"n ≤ {layers}")


def _shown(stored: Stored) -> str:
    kind, count = stored
    return NAMES[kind] if count is None else f"{NAMES[kind]} × {count}"
