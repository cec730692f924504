"""Tests loading a model, and every way in which it may not load."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hoshikage._ffi.library import Library
from hoshikage.errors import ModelLoadFailed
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.params import LoadParams


def test_the_facts_of_the_built_in_model(model: Model, demo_model: Path) -> None:
    assert model.description.startswith("llama")
    assert 0 < model.size_bytes <= demo_model.stat().st_size
    assert model.n_params > 100_000
    assert model.n_ctx_train >= 512
    assert model.chat_template is not None
    assert "<|im_start|>" in model.chat_template
    assert model.metadata("general.architecture") == "llama"
    assert model.metadata("no.such.key") is None


def test_progress_ends_with_one(library: Library, load_params: LoadParams) -> None:
    seen: list[float] = []

    def report(progress: float) -> bool:
        seen.append(progress)
        return True

    Model.load(library, load_params, report).close()
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_load_that_is_called_off(library: Library, load_params: LoadParams) -> None:
    with pytest.raises(ModelLoadFailed) as refused:
        Model.load(library, load_params, lambda _progress: False)
    assert refused.value.key == "engine.load_aborted"


def test_an_error_in_progress_comes_out_of_the_load(library: Library, load_params: LoadParams) -> None:
    def report(_progress: float) -> bool:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        Model.load(library, load_params, report)


def test_a_file_that_is_not_there(library: Library, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed) as refused:
        Model.load(library, LoadParams(str(tmp_path / "missing.gguf")), lambda _progress: True)
    assert refused.value.key == "engine.model_unreadable"
    assert refused.value.details["reason"] == os.strerror(errno.ENOENT)


def test_a_file_that_is_no_model_is_refused_in_the_library_s_words(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "no.gguf"
    file.write_bytes(b"NOPE" * 100)
    with pytest.raises(ModelLoadFailed) as refused:
        Model.load(library, LoadParams(str(file)), lambda _progress: True)
    assert refused.value.key == "engine.model_load_failed"
    assert "magic" in str(refused.value.details["reason"])


def test_a_name_in_japanese(library: Library, demo_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "星影 モデル.gguf"
    file.write_bytes(demo_model.read_bytes())
    Model.load(library, LoadParams(str(file)), lambda _progress: True).close()


def test_a_context_that_cannot_be_made(model: Model) -> None:
    with pytest.raises(ModelLoadFailed) as refused:
        Context.open_with(
            model,
            {"n_ctx": 512, "n_batch": 64, "n_threads": 1, "n_threads_batch": 1, "type_k": 8, "n_seq_max": 100_000},
        )
    assert refused.value.key == "engine.context_refused"
    assert "n_seq_max" in str(refused.value.details["reason"])


def test_a_closed_model_is_not_asked(library: Library, load_params: LoadParams) -> None:
    model = Model.load(library, load_params, lambda _progress: True)
    model.close()
    model.close()
    with pytest.raises(ValueError, match="Model is closed"):
        model.vocab.tokenize("x", parse_special=False)
