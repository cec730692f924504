"""LoRA adapters and control vectors are looked at before a library sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hoshikage.errors import GgufInvalid
from hoshikage.gguf import control_vector, read, require_control_vector, require_lora
from tests.adapter_files import WIDTH, direction, write_control_vector, write_lora, write_merged


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_merged(tmp_path / "model.gguf", {}, {})


def test_those_that_fit_pass(model: Path, tmp_path: Path) -> None:
    require_lora(write_lora(tmp_path / "a.gguf", 1), read(model).architecture)
    vector = write_control_vector(tmp_path / "v.gguf", 5)
    require_control_vector(vector, read(model))
    (layer, found), *others = control_vector(vector).items()
    assert (layer, others) == (1, [])
    assert np.array_equal(np.frombuffer(found, np.float32), direction(5))


def test_others_are_refused_by_what_they_are(model: Path, tmp_path: Path) -> None:
    vector = write_control_vector(tmp_path / "v.gguf", 5)
    lora = write_lora(tmp_path / "a.gguf", 1, "qwen2")
    header = read(model)
    for key, file in (
        ("model.lora_unlike", lora),
        ("model.lora_kind", model),
        ("model.file_missing", tmp_path / "none"),
    ):
        with pytest.raises(GgufInvalid) as caught:
            require_lora(file, "llama")
        assert caught.value.key == key
    with pytest.raises(GgufInvalid) as caught:
        control_vector(lora)
    assert caught.value.key == "model.vector_kind"
    assert "LoRA" in str(caught.value.details["tensor"])
    with pytest.raises(GgufInvalid) as caught:
        require_lora(vector, "llama")
    assert caught.value.key == "model.lora_kind"
    assert "control vector" in str(caught.value.details["kind"])
    for width, layer in ((WIDTH + 1, 1), (WIDTH, 2)):
        with pytest.raises(GgufInvalid) as caught:
            require_control_vector(write_control_vector(tmp_path / "w.gguf", 5, width, layer), header)
        assert caught.value.key == "model.vector_unlike"


def test_a_vector_that_is_not_numbers_is_refused(tmp_path: Path) -> None:
    file = write_control_vector(tmp_path / "v.gguf", 5)
    data = bytearray(file.read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    file.write_bytes(data)
    with pytest.raises(GgufInvalid) as caught:
        control_vector(file)
    assert caught.value.key == "model.vector_kind"
