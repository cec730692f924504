"""Which loads share what is put away: only those whose states can stand for one another."""

from __future__ import annotations

import os
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest

from hoshikage.dispatch.kv_key import WITHOUT_EFFECT, key_of
from hoshikage.infos import DeviceInfo
from hoshikage.params import LoadParams, Scaled
from tests.dispatch.fake_host import choice

CHANGED: dict[str, Any] = {
    "fewer_layers_than": 3,
    "main_gpu": 1,
    "tensor_split": (1.0, 2.0),
    "override_tensor": (("exps", "CPU"),),
    "rpc_servers": ("box:1",),
    "chat_template": "{{ x }}",
    "controls": (1,),
    "whole_windows": True,
}


@pytest.fixture
def params(tmp_path: Path) -> LoadParams:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF and more")
    return LoadParams(str(model))


def other_value(name: str, default: Any, file: Path) -> Any:
    if name in CHANGED:
        return CHANGED[name]
    if name in ("lora", "control_vectors"):
        return (Scaled(str(file)),)
    if name == "mmproj":
        return str(file)
    if isinstance(default, bool):
        return not default
    return default + 1 if isinstance(default, int | float) else f"{default} "


def test_every_loading_option_that_is_not_known_to_be_harmless_makes_another_key(params: LoadParams) -> None:
    library = choice("one")
    usual = key_of(library, params)
    for field in fields(LoadParams):
        if field.name == "model_path":
            continue
        assert field.default is not MISSING
        changed = replace(params, **{field.name: other_value(field.name, field.default, Path(params.model_path))})
        assert (key_of(library, changed) == usual) == (field.name in WITHOUT_EFFECT), field.name
    assert {field.name for field in fields(LoadParams)} >= WITHOUT_EFFECT


def test_another_library_release_or_device_makes_another_key(params: LoadParams) -> None:
    library = choice("one")
    gpu = DeviceInfo("CUDA0", "", "gpu", 1, 1)
    others = [
        replace(library, fingerprint="two"),
        replace(library, release="two"),
        replace(library, devices=(gpu,)),
    ]
    keys = {key_of(one, params) for one in (library, *others)}
    assert len(keys) == 4
    same = replace(library, devices=(replace(gpu, memory_free=7),))
    assert key_of(same, params) in keys


def test_another_content_of_what_is_beside_the_model_makes_another_key(params: LoadParams, tmp_path: Path) -> None:
    library, file = choice("one"), tmp_path / "beside.gguf"
    file.write_bytes(b"one")
    files = (Scaled(str(file)),)
    beside = [
        replace(params, mmproj=str(file)),
        replace(params, lora=files),
        replace(params, control_vectors=files),
    ]
    before = [key_of(library, one) for one in beside]
    file.write_bytes(b"another")
    assert not {*before} & {key_of(library, one) for one in beside}


def test_another_content_makes_another_key_and_another_place_none(params: LoadParams) -> None:
    library, model = choice("one"), Path(params.model_path)
    usual = key_of(library, params)
    moved = model.rename(model.with_name("moved.gguf"))
    assert key_of(library, replace(params, model_path=str(moved))) == usual
    state = moved.stat()
    moved.write_bytes(b"GGUF and less")
    os.utime(moved, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert key_of(library, replace(params, model_path=str(moved))) != usual
