"""Loads the newest library and the built-in model once for the tests of this floor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hoshikage._ffi.library import Library, load
from hoshikage.llama.context import Context
from hoshikage.llama.model import Model
from hoshikage.params import LoadParams


@pytest.fixture(scope="package")
def library(library_file: Path) -> Library:
    return load(library_file, lambda _level, _line: None)


@pytest.fixture(scope="package")
def load_params(demo_model: Path) -> LoadParams:
    return LoadParams(str(demo_model), n_ctx=512, n_batch=64, n_threads=1)


@pytest.fixture(scope="package")
def model(library: Library, load_params: LoadParams) -> Iterator[Model]:
    model = Model.load(library, load_params, lambda _progress: True)
    yield model
    model.close()


@pytest.fixture
def context(model: Model, load_params: LoadParams) -> Iterator[Context]:
    context = Context.open(model, load_params)
    yield context
    context.close()
