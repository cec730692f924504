"""Load settings reach the fields that each release has: seen in its own log and answers. No GPU is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from hoshikage._ffi.arrays import NO_DEVICES
from hoshikage._ffi.features import FIRST
from hoshikage._ffi.layouts import MODEL_LAYOUTS
from hoshikage.errors import ModelLoadFailed, NotSupported, OutOfMemory
from hoshikage.infos import DeviceInfo
from hoshikage.llama.context import MAX_PROPOSED
from hoshikage.llama.loading import fitting, tries
from hoshikage.llama.model import memory_short
from hoshikage.llama.placing import placing
from hoshikage.params import LoadParams
from tests.conftest import RELEASES

PROGRAM = "tests.llama.loads"


def load(library: Path, model: Path, *settings: dict[str, Any], limit_mib: int = 0) -> list[dict[str, Any]]:
    """Returns what came of a load with each of these settings, in a process of their own."""
    done = subprocess.run(
        [sys.executable, "-m", PROGRAM, str(library), str(model), str(limit_mib), json.dumps(settings)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_settings_for_gpus_change_nothing_on_the_cpu(
    release: str, libraries: dict[str, Path], demo_model: Path
) -> None:
    for_gpus = {"main_gpu": 0, "tensor_split": [3.0, 1.0], "n_gpu_layers": -2}
    plain, changed = load(libraries[release], demo_model, {}, for_gpus)
    assert plain["ids"] == changed["ids"]
    assert len(plain["ids"]) == 12
    assert plain["n_gpu_layers"] == changed["n_gpu_layers"] == 0
    assert plain["n_layers"] > 0


@pytest.mark.native
def test_room_is_made_for_as_many_outputs_as_can_be_asked_for(library_file: Path, demo_model: Path) -> None:
    several = {"n_parallel": 4}
    found = load(library_file, demo_model, {}, several, {**several, "speculation": "lookup"})
    said = [re.search(r"n_outputs_max += (\d+)", "\n".join(each["log"])) for each in found]
    assert [int(each[1]) for each in said if each] == [1, 4, 4 * (1 + MAX_PROPOSED)]


class OfGpus:
    """`placing` asks this of a library."""

    def __init__(self, *kinds: str, lacks: str = "") -> None:
        self.fields = frozenset(field for field in MODEL_LAYOUTS[-1].offsets())
        self._kinds = kinds
        self._lacks = lacks

    def devices(self, *, memory: bool = False) -> tuple[DeviceInfo, ...]:
        assert not memory
        return tuple(DeviceInfo(f"CUDA{number}", "", kind, 0, 0) for number, kind in enumerate(self._kinds))

    def require(self, feature: str) -> None:
        if feature == self._lacks:
            raise NotSupported("library.feature_since")


def placed(params: LoadParams, n_gpu_layers: int, *kinds: str, lacks: str = "") -> dict[str, float]:
    return dict(placing(cast("Any", OfGpus(*kinds, lacks=lacks)), params, n_gpu_layers).fields)


def test_no_layers_are_no_devices() -> None:
    params = LoadParams("", main_gpu=0)
    assert placed(params, 0, "gpu", "cpu") == {"devices": NO_DEVICES.address}
    assert placed(params, 1, "gpu", "cpu") == {"main_gpu": 0, "split_mode": 0}
    assert placed(params, 0, "cpu") == {}


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"split_mode": "row"}, {"split_mode": 2}),
        ({"split_mode": "tensor", "main_gpu": 1}, {"split_mode": 3, "main_gpu": 1}),
        ({"split_mode": "none"}, {"split_mode": 0}),
        ({"main_gpu": 1}, {"main_gpu": 1, "split_mode": 0}),
        ({"no_host": True}, {"no_host": 1}),
        ({"cpu_moe": False, "n_cpu_moe": 0}, {}),
    ],
)
def test_how_gpus_share_a_model(settings: dict[str, Any], fields: dict[str, float]) -> None:
    assert placed(LoadParams("", **settings), -1, "gpu", "gpu", "cpu") == fields


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [({"main_gpu": 2}, "MAIN_GPU", 2), ({"tensor_split": (1.0, 0.0, 3.0)}, "TENSOR_SPLIT", "1,0,3")],
)
def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(
    settings: dict[str, Any], name: str, value: object
) -> None:
    with pytest.raises(ModelLoadFailed) as refused:
        placed(LoadParams("", **settings), -1, "gpu", "gpu", "cpu")
    assert refused.value.key == "engine.no_such_gpu"
    assert refused.value.details == {"name": name, "value": value, "devices": "CUDA0, CUDA1"}


@pytest.mark.parametrize(
    ("settings", "feature"),
    [
        ({"no_host": True}, "no_host"),
        ({"split_mode": "tensor"}, "split_tensor"),
        ({"cpu_moe": True}, "tensor_placement"),
        ({"n_cpu_moe": 2}, "tensor_placement"),
        ({"override_tensor": (("exps", "CPU"),)}, "tensor_placement"),
    ],
)
def test_what_the_release_lacks_is_asked_for_by_name(settings: dict[str, Any], feature: str) -> None:
    with pytest.raises(NotSupported):
        placed(LoadParams("", **settings), -1, "gpu", lacks=feature)
    assert FIRST[feature].startswith("b")


@pytest.mark.native
def test_tensors_lie_where_they_are_put_and_the_file_is_read(libraries: dict[str, Path], demo_model: Path) -> None:
    """The model is on the CPU alone, where there is but one buffer to lie in: the library logs each tensor that it
    moves."""
    override = {"override_tensor": [[r"ffn_(up|down)\.", "CPU"]]}
    plain, moved, nowhere, broken = load(
        libraries["v0.5.0"],
        demo_model,
        {},
        override,
        {"override_tensor": [["ffn", "CUDA7"]]},
        {"override_tensor": [["ffn_(", "CPU"]]},
    )
    assert moved["ids"] == plain["ids"]
    assert (plain["mapped"], moved["mapped"]) == (True, False)
    assert sum("buffer type overridden to CPU" in line for line in moved["log"]) > 0
    assert (nowhere["key"], nowhere["details"]) == ("engine.no_such_buffer", {"buffer": "CUDA7", "buffers": "CPU"})
    assert (broken["key"], broken["status"]) == ("engine.model_load_failed", 400)
    (old,) = load(libraries["b4529"], demo_model, override)
    assert (old["error"], old["status"], old["details"]["first"]) == ("NotSupported", 501, "b5590")


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_the_kv_memory_may_stay_in_main_memory(release: str, libraries: dict[str, Path], demo_model: Path) -> None:
    plain, kept = load(libraries[release], demo_model, {}, {"kv_offload": False})
    assert plain["ids"] == kept["ids"]


@pytest.mark.native
@pytest.mark.skipif(sys.platform != "linux", reason="what is mapped and locked is read from /proc")
@pytest.mark.parametrize("release", RELEASES)
def test_the_file_is_mapped_and_locked_as_asked(release: str, libraries: dict[str, Path], demo_model: Path) -> None:
    asked = [{"use_mmap": mmap, "use_mlock": mlock} for mmap in (True, False) for mlock in (False, True)]
    for settings, found in zip(asked, load(libraries[release], demo_model, *asked), strict=True):
        assert found["mapped"] is settings["use_mmap"]
        refused = any("failed to mlock" in line for line in found["log"])  # the system allows no more
        assert (found["locked_kib"] > 0 or refused) is settings["use_mlock"]


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_kv_types_and_flash_attention_are_those_that_the_library_logs(
    release: str, libraries: dict[str, Path], demo_model: Path
) -> None:
    blocks = {"type_k": "q8_0", "type_v": "q4_0"}
    by_itself, asked, plain, off = load(
        libraries[release], demo_model, blocks, {**blocks, "flash_attn": "on"}, {}, {"flash_attn": "off"}
    )
    for found in (by_itself, asked):
        assert found["ids"]
        assert any("K (q8_0)" in line and "V (q4_0)" in line for line in found["log"]), found["log"]
    assert any("K (f16)" in line for line in plain["log"])
    assert flash_attention(asked) in ("1", "enabled")
    assert flash_attention(off) in ("0", "disabled")


def flash_attention(found: dict[str, Any]) -> str:
    log: list[str] = found["log"]
    return next(line.partition("flash_attn")[2].strip(" =") for line in log if "flash_attn  " in line)


@pytest.mark.native
@pytest.mark.parametrize("release", RELEASES)
def test_what_cannot_be_had_is_refused_by_name(release: str, libraries: dict[str, Path], demo_model: Path) -> None:
    conflict, alone, no_gpu, unused = load(
        libraries[release],
        demo_model,
        {"type_v": "q8_0", "flash_attn": "off"},
        {"rope_scale": 2.0},
        {"require_gpu": True},
        {"require_gpu": True, "n_gpu_layers": 0},
    )
    assert (conflict["error"], conflict["key"]) == ("ModelLoadFailed", "engine.kv_needs_flash_attn")
    assert (alone["error"], alone["key"]) == ("ModelLoadFailed", "engine.rope_scale_alone")
    assert (no_gpu["error"], no_gpu["key"], no_gpu["status"]) == ("Unavailable", "engine.gpu_required", 503)
    assert "CPU" in no_gpu["details"]["devices"]
    assert (unused["error"], unused["key"], unused["status"]) == ("Unavailable", "engine.gpu_unused", 503)


@pytest.mark.native
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on a process's memory is Linux's")
@pytest.mark.parametrize("release", RELEASES)
def test_memory_that_runs_out_is_told_apart_from_a_bad_file(
    release: str, libraries: dict[str, Path], demo_model: Path, tmp_path: Path
) -> None:
    """A context of many tokens is asked for in a process that may have little more than it has, and a GGUF of zeros is
    read."""
    long = {"n_ctx": 1_000_000, "stretch": 1_000_000}
    (short,) = load(libraries[release], demo_model, long, limit_mib=300)
    assert (short["error"], short["key"], short["status"]) == ("OutOfMemory", "engine.context_failed", 503), short
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    (bad,) = load(libraries[release], broken, {})
    assert (bad["error"], bad["key"], bad["status"]) == ("ModelLoadFailed", "engine.model_load_failed", 400)


def test_a_number_of_layers_that_ended_the_process_is_not_tried_again() -> None:
    assert list(tries(32, 40, minimum=0)) == [32, 28, 24, 20, 16, 12, 8, 4, 0]
    assert list(tries(32, 40, minimum=0, below=33)) == [29, 25, 21, 17, 13, 9, 5, 1, 0]
    assert list(tries(32, 20, minimum=0, below=29)) == [20, 16, 12, 8, 4, 0]
    assert list(tries(32, 20, minimum=1, below=2)) == [1]


@pytest.mark.parametrize(
    "line",
    [
        "alloc_buffer: allocating 3805.00 MiB on device 0: cudaMalloc failed: out of memory",
        "alloc_tensor_range: failed to allocate CUDA0 buffer of size 3989827584",
        "ggml_vulkan: Device memory allocation of size 1073741824 failed.",
        "ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory",
        "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
        "llama_init_from_model: failed to initialize the context: failed to allocate compute pp buffers",
        "ggml_aligned_malloc: insufficient memory (attempted to allocate 100.00 MB)",
        "llama_kv_cache_init: failed to allocate buffer for kv cache",
        "error loading model: std::bad_alloc",
        "ggml_metal_log_allocated_size: error: failed to allocate buffer, size = 4096.00 MiB",
    ],
)
def test_words_of_short_memory(line: str) -> None:
    """As the backends' sources have them; the CUDA, Vulkan and Metal ones cannot be provoked everywhere."""
    assert memory_short([line])


@pytest.mark.parametrize(
    "line",
    [
        "llama_model_load: error loading model: unknown model architecture: 'gemma9'",
        "llama_init_from_model: V cache quantization requires flash_attn",
        "gguf_init_from_file_impl: invalid magic characters: 'PK??', expected 'GGUF'",
        "llama_model_load: error loading model: tensor 'blk.0.attn_q.weight' data is not within the file bounds",
    ],
)
def test_words_of_other_faults(line: str) -> None:
    assert not memory_short([line])


def test_fewer_layers_are_tried_until_they_fit() -> None:
    asked: list[int] = []

    def open_at(layers: int) -> str:
        asked.append(layers)
        if not 0 <= layers <= 9:
            raise OutOfMemory("engine.model_too_large", path="m", reason="r")
        return "opened"

    def fewer() -> Iterator[int]:
        assert asked == [-1], "the estimate costs a read of the model: only when it is needed"
        return tries(32, 20, minimum=0)

    assert fitting(open_at, fewer) == ("opened", 8)
    assert asked == [-1, 20, 16, 12, 8]


def test_all_layers_are_taken_without_further_tries() -> None:
    def fewer() -> Iterator[int]:
        raise AssertionError

    assert fitting(lambda layers: layers, fewer) == (-1, -1)


def test_when_nothing_fits_the_last_error_is_raised() -> None:
    def open_at(layers: int) -> None:
        raise OutOfMemory("engine.model_too_large", path=str(layers), reason="r")

    with pytest.raises(OutOfMemory) as caught:
        fitting(open_at, lambda: tries(4, 3, minimum=0))
    assert caught.value.details["path"] == "0"


def test_tries_end_at_the_least() -> None:
    assert list(tries(32, 100, minimum=0)) == [32, 28, 24, 20, 16, 12, 8, 4, 0]
    assert list(tries(32, 9, minimum=1)) == [9, 5, 1]
    assert list(tries(2, -5, minimum=1)) == [1]
    assert list(tries(0, 0, minimum=0)) == [0]


@pytest.mark.native
def test_weights_may_stay_as_the_file_has_them_and_prompts_be_computed_in_smaller_parts(
    libraries: dict[str, Path], demo_model: Path
) -> None:
    plain, packed, small = load(libraries["v0.5.0"], demo_model, {}, {"repack": False}, {"n_ubatch": 64})
    assert any("CPU_REPACK" in line for line in plain["log"])
    assert not any("CPU_REPACK" in line for line in packed["log"])
    assert len(packed["ids"]) == len(plain["ids"])
    assert small["ids"] == plain["ids"]
    assert any("n_ubatch" in line and line.split()[-1] == "64" for line in small["log"])
    (old,) = load(libraries["b4529"], demo_model, {"repack": False})
    assert (old["error"], old["status"], old["details"]["first"]) == ("NotSupported", 501, "b6122")
