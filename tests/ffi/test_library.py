"""Tests loading: what is found, and how each refusal names the file and what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, MODEL_LAYOUTS
from hoshikage._ffi.library import Library, load
from hoshikage.errors import LibraryUnavailable
from tests.ffi.drift import of_release


def quiet(_level: int, _line: str) -> None:
    """Takes the log's lines for tests that do not look at them."""


@pytest.fixture(scope="module")
def library(library_file: Path) -> Library:
    return load(library_file, quiet)


def test_the_newest_library_is_known(library: Library, library_file: Path) -> None:
    assert not any(device.memory_total for device in library.info().devices)  # on CUDA, asking would make a context
    info = library.info(memory=True)
    assert (info.path, info.version) == (str(library_file), "v0.5.0")
    assert (info.model_layout, info.context_layout) == tuple(
        of_release(table, "v0.5.0").name for table in (MODEL_LAYOUTS, CONTEXT_LAYOUTS)
    )
    assert any(device.kind == "cpu" and device.memory_total > 0 for device in info.devices)
    assert "CPU" in info.system_info


def test_params_keep_the_defaults_that_are_not_set(library: Library) -> None:
    default, changed = bytes(library.context_params({})), bytes(library.context_params({"n_ctx": 77}))
    offset = library.context_layout.offsets()["n_ctx"]
    assert int.from_bytes(changed[offset : offset + 4], sys.byteorder) == 77
    assert default[:offset] + default[offset + 4 :] == changed[:offset] + changed[offset + 4 :]


def test_a_field_that_the_layout_lacks_is_no_silent_success(library: Library) -> None:
    with pytest.raises(KeyError, match="logits_all"):
        library.context_params({"logits_all": 1})


def test_closing_twice_is_closing_once(library_file: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from hoshikage._ffi.library import load;"
        "library = load(Path(sys.argv[1]), lambda level, line: None); library.close(); library.close(); print('closed')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(library_file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "closed\n")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LibraryUnavailable) as refused:
        load(tmp_path / "libllama.so", quiet)
    assert refused.value.key == "library.missing_file"


@pytest.mark.native
def test_a_file_that_is_no_library(tmp_path: Path) -> None:
    file = tmp_path / "libllama.so"
    file.write_bytes(b"not a library")
    with pytest.raises(LibraryUnavailable) as refused:
        load(file, quiet)
    assert (refused.value.key, refused.value.details["file"]) == ("library.unloadable", str(file))


def test_a_library_of_something_else_is_told_all_that_it_lacks(library_file: Path) -> None:
    other = next(file for file in library_file.parent.iterdir() if "ggml-base" in file.name)
    with pytest.raises(LibraryUnavailable) as refused:
        load(other, quiet)
    assert refused.value.key == "library.functions_missing"
    names = str(refused.value.details["names"]).split(", ")
    assert {"llama_model_load_from_file", "llama_decode", "llama_sampler_sample"} <= set(names)
    assert "llama_memory_clear / llama_kv_self_clear / llama_kv_cache_clear" in names


def test_a_release_that_nobody_described_is_refused(library_file: Path) -> None:
    others = tuple(layout for layout in CONTEXT_LAYOUTS if layout is not of_release(CONTEXT_LAYOUTS, "v0.5.0"))
    with pytest.raises(LibraryUnavailable) as refused:
        load(library_file, quiet, context_layouts=others)
    details = refused.value.details
    assert (refused.value.key, details["struct"]) == ("library.layout_unknown", "llama_context_params")
    assert details["nearest"] in {layout.name for layout in CONTEXT_LAYOUTS}
    assert details["difference"]
