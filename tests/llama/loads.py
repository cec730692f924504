"""This program loads a model with settings, one set after the other: LIBRARY MODEL LIMIT_MIB [SETTINGS, ...]."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from hoshikage._ffi.library import Library, load
from hoshikage.errors import HoshikageError
from hoshikage.llama.loading import open_model
from hoshikage.llama.model import Model
from hoshikage.params import LoadParams, SamplingParams
from tests.llama.test_sampling import generated


def limit(mib: int) -> None:
    """This process may have so much more memory than it has."""
    import resource

    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    size = pages * resource.getpagesize() + mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def main() -> list[dict[str, Any]]:
    library_file, model_file, limit_mib, text = sys.argv[1:]
    log: list[str] = []
    library = load(Path(library_file), lambda _level, line: log.append(line))
    if int(limit_mib):
        limit(int(limit_mib))
    found = []
    for settings in json.loads(text):
        log.clear()
        outcome = loaded(library, model_file, settings)
        found.append({**outcome, "log": log[:]})
    library.close()
    return found


def loaded(library: Library, model_file: str, settings: dict[str, Any]) -> dict[str, Any]:
    given = {"n_ctx": 512, "n_batch": 64, "n_threads": 1, **settings}
    given["tensor_split"] = tuple(settings.get("tensor_split", ()))
    given["override_tensor"] = tuple(map(tuple, settings.get("override_tensor", ())))
    stretch = given.pop("stretch", 0)
    try:
        with stretched(stretch):
            model, context = open_model(library, LoadParams(model_file, **given), lambda _progress: True)
    except HoshikageError as error:
        return {"error": type(error).__name__, "key": error.key, "status": error.status, "details": error.details}
    found = {
        "ids": generated(model, context, SamplingParams(temperature=0), 12),
        "n_gpu_layers": model.n_gpu_layers,
        "n_layers": model.n_layers,
        "mapped": model_file in said_by_the_system("maps"),
        "locked_kib": sum(map(int, re.findall(r"VmLck:\s+(\d+)", said_by_the_system("status")))),
    }
    context.close()
    model.close()
    return found


def said_by_the_system(name: str) -> str:
    """Reads /proc/self/`name`; empty where there is no such thing."""
    file = Path("/proc/self") / name
    return file.read_text("utf-8", "replace") if file.exists() else ""


@contextmanager
def stretched(n_ctx: int) -> Iterator[None]:
    """Models say that they were trained on so many tokens, so that a context of them is made; 0 leaves them."""
    if not n_ctx:
        yield
        return
    with mock.patch.object(
        Model, "n_ctx_train", property(lambda _self: n_ctx, lambda _self, _value: None), create=True
    ):
        yield


if __name__ == "__main__":
    print(json.dumps(main()))
