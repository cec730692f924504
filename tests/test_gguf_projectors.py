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
from tests.projector_files import write_llava, write_qwen2vl, write_ultravox

WRITERS = {"llava": write_llava, "qwen2vl": write_qwen2vl, "ultravox": write_ultravox}
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
        ("qwen2vl", "clip.has_vision_encoder", 1),
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
