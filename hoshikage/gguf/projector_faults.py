"""Finds what of a projector's header would end the library's process: it loads one with tensors missing, and computes
with them. Pure; any thread.

As in `plausible`, nothing may stand here that a sound file has. Kinds that are not known here are looked at for what
holds for all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from hoshikage.gguf.header import Scalar, Tensor
from hoshikage.gguf.plausible import Fault
from hoshikage.gguf.types import TENSOR_TYPES

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
BLOCK: Final = re.compile(r"([va]\.blk)\.(\d{1,4})\.((?:attn_(?:q|k|v|out)|ffn_up|ffn_down|ln1|ln2)\.(?:weight|bias))")
"""Every layer of an encoder has these, or none."""
PATCHES: Final = "v.patch_embd.weight"
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "mlp": (PATCHES, "v.position_embd.weight", "mm.0.weight"),
    "gemma3": (PATCHES, "v.position_embd.weight"),
    "idefics3": (PATCHES, "v.position_embd.weight"),
    "qwen2vl_merger": (PATCHES, "v.patch_embd.weight.1"),
    "qwen2.5vl_merger": (PATCHES, "v.patch_embd.weight.1"),
    "ultravox": ("a.position_embd.weight",),
    "qwen2a": ("a.position_embd.weight",),
    "voxtral": ("a.position_embd.weight",),
}
"""Maps clip.projector_type to the tensors that are used without a look whether they are there."""
WITH_BIAS: Final[Mapping[str, tuple[str, ...]]] = {"mlp": ("mm.0", "mm.2"), "qwen2vl_merger": ("mm.0", "mm.2")}
"""These are matrices with a bias, of which none is used without the other."""
SIZES: Final[Mapping[str, int]] = {
    "vision.image_size": 16_384, "vision.patch_size": 1_024, "audio.num_mel_bins": 1_024,
    "vision.embedding_length": 65_536, "audio.embedding_length": 65_536,
    "vision.block_count": 512, "audio.block_count": 512,
    "vision.attention.head_count": 1_024, "audio.attention.head_count": 1_024,
    "vision.preproc_min_tiles": 1_024, "vision.preproc_max_tiles": 1_024,
    "vision.projector.scale_factor": 64, "vision.spatial_merge_size": 64, "audio.projector.stack_factor": 1_024,
}  # fmt: skip
"""These whole numbers are above 0 and at most so large; those that a file has are looked at."""
POSITIONS: Final = "v.position_embd.weight"
MAX_WIDTH: Final = 1_048_576
HALVES: Final = re.compile(r"a\.conv1d\.\d+\.weight")
"""These are F16, as no release convolves with anything else."""


def of_projector(values: Mapping[str, Scalar], tensors: Collection[Tensor]) -> Iterator[Fault]:
    """Yields all that is found, in the order of the header."""
    for name, maximum in SIZES.items():
        value = values.get(f"clip.{name}")
        if value is not None and not (isinstance(value, int) and 1 <= value <= maximum):
            yield Fault(f"clip.{name}", str(value), f"1 ≤ n ≤ {maximum}")
    for prefix in ("vision", "audio"):
        yield from _of_encoder(values, f"clip.{prefix}")
    names = {tensor.name for tensor in tensors}
    for tensor in tensors:
        if not NAME.fullmatch(tensor.name):
            yield Fault("tensor", repr(tensor.name), NAME.pattern)
        if HALVES.fullmatch(tensor.name) and TENSOR_TYPES[tensor.kind][0] != "F16":
            yield Fault(tensor.name, TENSOR_TYPES[tensor.kind][0], "F16")
    kind = str(values.get("clip.projector_type", values.get("clip.vision.projector_type", "")))
    for name in NEEDED.get(kind, ()):
        if name not in names:
            yield Fault(name, "-", kind)
    if PATCHES in NEEDED.get(kind, ()):
        yield from _of_patches(values, tensors)
    if POSITIONS in NEEDED.get(kind, ()):
        yield from _of_positions(values, tensors)
    for stem in WITH_BIAS.get(kind, ()):
        halves = {f"{stem}.weight", f"{stem}.bias"}
        if len(halves & names) == 1:
            yield Fault(min(halves - names), "-", min(halves & names))
    yield from _uneven(names)


def _of_encoder(values: Mapping[str, Scalar], prefix: str) -> Iterator[Fault]:
    epsilon = values.get(f"{prefix}.attention.layer_norm_epsilon")
    if isinstance(epsilon, (int, float)) and not (math.isfinite(epsilon) and epsilon > 0):
        yield Fault(f"{prefix}.attention.layer_norm_epsilon", str(epsilon), "0 < x < ∞")
    inner = values.get(f"{prefix}.feed_forward_length", 0)  # old files say 0
    if not (isinstance(inner, int) and 0 <= inner <= MAX_WIDTH):
        yield Fault(f"{prefix}.feed_forward_length", str(inner), f"0 ≤ n ≤ {MAX_WIDTH}")
    width, heads = (values.get(f"{prefix}.{name}") for name in ("embedding_length", "attention.head_count"))
    if isinstance(width, int) and isinstance(heads, int) and heads > 0 and width % heads:
        yield Fault(f"{prefix}.attention.head_count", str(heads), f"{width} = k · n")
    image, patch = (values.get(f"{prefix}.{name}") for name in ("image_size", "patch_size"))
    if isinstance(image, int) and isinstance(patch, int) and patch > image:
        yield Fault(f"{prefix}.patch_size", str(patch), f"1 ≤ n ≤ {image}")


def _of_patches(values: Mapping[str, Scalar], tensors: Iterable[Tensor]) -> Iterator[Fault]:
    width, patch = (values.get(f"clip.vision.{name}") for name in ("embedding_length", "patch_size"))
    elements = next((tensor.elements for tensor in tensors if tensor.name == PATCHES), 0)
    if elements and isinstance(width, int) and isinstance(patch, int) and elements != width * 3 * patch**2:
        yield Fault("clip.vision.patch_size", str(patch), f"{elements} = {width} · 3 · n²")


def _of_positions(values: Mapping[str, Scalar], tensors: Iterable[Tensor]) -> Iterator[Fault]:
    """Yields a fault where a patch of a picture has no row of the table."""
    keys = ("embedding_length", "image_size", "patch_size")
    width, image, patch = (values.get(f"clip.vision.{name}") for name in keys)
    if not (isinstance(width, int) and isinstance(image, int) and isinstance(patch, int)) or min(width, patch) < 1:
        return
    if image > SIZES["vision.image_size"]:
        return
    rows = next((tensor.elements for tensor in tensors if tensor.name == POSITIONS), 0) // width
    if 0 < rows < (image // patch) ** 2:
        yield Fault("clip.vision.image_size", str(image), f"({image} / {patch})² ≤ {rows}")


def _uneven(names: Iterable[str]) -> Iterator[Fault]:
    """Yields layers that lack what at least half of them have."""
    parts: dict[tuple[str, str], set[int]] = {}
    layers: dict[str, set[int]] = {}
    for match in filter(None, map(BLOCK.fullmatch, names)):
        parts.setdefault((match[1], match[3]), set()).add(int(match[2]))
        layers.setdefault(match[1], set()).add(int(match[2]))
    for (encoder, part), those in sorted(parts.items()):
        lacking = layers[encoder] - those
        if lacking and 2 * len(those) >= len(layers[encoder]):
            yield Fault(f"{encoder}.{min(lacking)}.{part}", "-", f"{encoder}.{min(those)}.{part}")
