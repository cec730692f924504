"""Projectors that would end the library's process are refused by their headers; the sound ones are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hoshikage.errors import GgufInvalid
from hoshikage.gguf import require_projector
from hoshikage.gguf.header import Tensor
from hoshikage.gguf.projector_faults import of_projector
from hoshikage.gguf.reader import _read
from tests.gguf_files import ARRAY, BOOL, F32, F64, I16, I32, STRING, U8, U16, U32, U64, Gguf
from tests.media_samples import projector
from tests.projector_files import write_gemma3, write_llava, write_qwen2vl, write_ultravox

WRITERS = {"llava": write_llava, "qwen2vl": write_qwen2vl, "gemma3": write_gemma3, "ultravox": write_ultravox}
Changed = tuple[dict[str, Any], list[Tensor]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("projectors")
    return {name: write(folder / f"{name}.gguf") for name, write in WRITERS.items()}


@pytest.mark.parametrize("kind", WRITERS)
def test_sound_ones_are_taken(files: dict[str, Path], kind: str) -> None:
    header = require_projector(files[kind])
    assert header.architecture == "clip"
    assert header.kind == "mmproj"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("llava", "v.patch_embd.weight"), ("llava", "v.position_embd.weight"), ("llava", "mm.2.bias"),
        ("llava", "mm.2.weight"),
        ("llava", "v.blk.0.attn_q.weight"), ("qwen2vl", "v.blk.1.attn_k.bias"), ("qwen2vl", "v.patch_embd.weight.1"),
        ("ultravox", "a.position_embd.weight"), ("ultravox", "a.blk.1.ln2.weight"),
    ],
)  # fmt: skip
def test_what_lacks_a_tensor_is_refused(files: dict[str, Path], tmp_path: Path, kind: str, name: str) -> None:
    data = files[kind].read_bytes()
    place = data.index(len(name).to_bytes(8, "little") + name.encode()) + 8
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(data[:place] + b"x" + data[place + 1 :])
    with pytest.raises(GgufInvalid) as refused:
        require_projector(broken)
    assert (refused.value.key, refused.value.details["name"]) == ("model.gguf_implausible", name)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("ultravox", "clip.audio.projector.stack_factor", 0),
        ("llava", "clip.vision.patch_size", 13),
        ("qwen2vl", "clip.vision.feed_forward_length", 0.5),
        ("llava", "clip.vision.image_size", 2**31),
        ("llava", "clip.vision.block_count", 513),
        ("llava", "clip.vision.attention.head_count", 5),
        ("qwen2vl", "clip.vision.attention.layer_norm_epsilon", float("nan")),
        ("ultravox", "clip.audio.num_mel_bins", 0),
        ("llava", "clip.vision.image_size", 80),
    ],
)
def test_numbers_out_of_range_are_faults(files: dict[str, Path], kind: str, key: str, value: float) -> None:
    header, tensors, _ = _read(files[kind])
    faults = [fault.name for fault in of_projector({**header.values, key: value}, tensors)]
    assert faults == [key]


def test_layers_may_have_parts_that_few_of_them_have(files: dict[str, Path]) -> None:
    """Some encoders look at windows in most layers and at everything in few."""
    header, tensors, _ = _read(files["llava"])
    more = [Tensor(f"v.blk.{layer}.ln1.weight", 0, 1, 32, 128, 0) for layer in range(2, 6)]
    own = [*more, Tensor("v.blk.1.attn_gate.weight", 0, 2, 32, 128, 0)]
    rest = [one for one in tensors if ".blk." not in one.name]
    assert not [*of_projector(header.values, [*rest, *own])]


def refused(file: Gguf, folder: Path) -> tuple[str, str, str]:
    with pytest.raises(GgufInvalid) as caught:
        require_projector(file.write(folder / "mmproj.gguf"))
    details = caught.value.details
    return str(details.get("name")), str(details.get("value")), str(details.get("wanted"))


@pytest.mark.parametrize(
    ("key", "kind", "value", "shown"),
    [
        ("clip.vision.image_size", U16, 56, "uint16"),
        ("clip.vision.image_size", U64, 56, "uint64"),
        ("clip.vision.image_size", I32, 56, "int32"),
        ("clip.vision.image_size", F32, 56.0, "float32"),
        ("clip.vision.image_size", STRING, "56", "string"),
        ("clip.vision.image_size", ARRAY, (U32, [56]), "uint32 × 1"),
        ("clip.vision.projector.scale_factor", I32, 2, "int32"),
        ("clip.audio.num_mel_bins", U8, 128, "uint8"),
        ("clip.audio.attention.layer_norm_epsilon", F64, 1e-5, "float64"),
        ("clip.has_audio_encoder", U8, 1, "uint8"),
        ("clip.use_gelu", U8, 1, "uint8"),
        ("clip.minicpmv_version", U32, 3, "uint32"),
        ("clip.projector_type", U32, 1, "uint32"),
        ("general.name", BOOL, 1, "bool"),
    ],
)
def test_values_of_other_types_than_the_library_asks_for_are_faults(
    tmp_path: Path, key: str, kind: int, value: Any, shown: str
) -> None:
    assert refused(projector().with_pair(key, kind, value), tmp_path)[:2] == (key, shown)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("clip.vision.image_mean", (F32, [0.5, 0.5]), "float32 × 3"),
        ("clip.vision.image_std", (F64, [0.5, 0.5, 0.5]), "float32 × 3"),
        ("clip.vision.image_grid_pinpoints", (STRING, ["336"]), "int32 × n"),
        ("clip.vision.image_grid_pinpoints", (I32, [336, 672, 672]), "int32 × 2 · n"),
        ("clip.vision.wa_layer_indexes", (I16, [7, 15]), "int32 × n"),
        ("clip.vision.feature_layer", (I32, [1, 3]), "n ≤ 2"),
    ],
)
def test_arrays_behind_which_the_library_would_read_on_are_faults(
    tmp_path: Path, key: str, value: Any, wanted: str
) -> None:
    file = projector().with_pair("clip.vision.block_count", U32, 2).with_pair(key, ARRAY, value)
    name, _, needed = refused(file, tmp_path)
    assert (name, needed) == (key, wanted)


def test_what_sees_says_how_colours_lie(tmp_path: Path) -> None:
    without = projector().without("clip.vision.image_std")
    assert refused(without, tmp_path) == ("clip.vision.image_std", "float32 × 0", "float32 × 3")
    deaf = projector(images=False).without("clip.vision.image_std").without("clip.vision.image_mean")
    assert require_projector(deaf.write(tmp_path / "mmproj.gguf")).architecture == "clip"


def test_what_no_library_asks_for_may_lie_there_as_it_likes(tmp_path: Path) -> None:
    file = (
        projector()
        .with_pair("clip.vision.of_tomorrow", U64, 7)
        .with_pair("clip.vision.wa_layer_indexes", ARRAY, (U32, [7, 15]))
    )
    assert require_projector(file.write(tmp_path / "mmproj.gguf")).values["clip.vision.of_tomorrow"] == 7
