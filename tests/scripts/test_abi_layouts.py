"""Tests the table of layouts: a header is measured, compared and merged, and the file is what the script makes of
it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import abi_layouts
from hoshikage._ffi.layout import Field, Layout
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, MODEL_LAYOUTS
from hoshikage._ffi.recognition import DefaultImage
from screen import Refused, Screen
from tests.ffi.drift import default_bytes

pytestmark = pytest.mark.process

TYPES = {"P": "void *", "i": "int32_t", "I": "uint32_t", "f": "float", "?": "bool"}


def header(folder: Path, model: Layout, context: Layout, extra: str = "") -> Path:
    """Writes a llama.h with these layouts, comments and all; `extra` is put in front of n_batch."""
    lines = ["#include <stdbool.h>", "#include <stdint.h>", '#include "ggml.h"']
    for name, layout in (("llama_model_params", model), ("llama_context_params", context)):
        lines.append(f"    struct {name} {{")
        for field in layout.offsets():
            kind = TYPES[abi_layouts.current().fields[field].format]
            lines.append(f"        {extra if field == 'n_batch' else ''} {kind} {field}; // not: bool {field};")
        lines += ["    };", ""]
    (folder / "ggml.h").write_text("/* struct llama_model_params { int no; }; */\n", "utf-8")
    file = folder / "llama.h"
    file.write_text("\n".join(lines), "utf-8")
    return file


def test_the_file_is_what_the_script_makes() -> None:
    assert abi_layouts.render(abi_layouts.current()) == abi_layouts.TABLE.read_text("utf-8")


@pytest.mark.parametrize(
    ("model", "context"), [(MODEL_LAYOUTS[0], CONTEXT_LAYOUTS[0]), (MODEL_LAYOUTS[-1], CONTEXT_LAYOUTS[-1])]
)
def test_a_known_header_is_known(model: Layout, context: Layout, tmp_path: Path) -> None:
    measured = abi_layouts.measure(header(tmp_path, model, context))
    table = abi_layouts.current()
    for name, layout in (("llama_model_params", model), ("llama_context_params", context)):
        assert abi_layouts.find(table.structs[name], measured[name]) is layout
        merged = abi_layouts.merge(table, name, measured[name], "b99999", None)
        assert len(merged.structs[name]) == len(table.structs[name])
        assert f"{layout.seen} b99999" in {each.seen for each in merged.structs[name]}


def test_a_new_field_becomes_a_new_layout_with_the_library_s_default(tmp_path: Path) -> None:
    name, newest = "llama_context_params", CONTEXT_LAYOUTS[-1]
    file = header(tmp_path, MODEL_LAYOUTS[-1], newest, "int32_t n_more;")
    found = abi_layouts.measure(file)[name]
    table = abi_layouts.current()
    assert abi_layouts.find(table.structs[name], found) is None
    assert abi_layouts.difference(newest, found) == "ctx-J: +n_more@4, size 168 -> 176"
    with pytest.raises(Refused) as refused:
        abi_layouts.merge(table, name, found, "b99999", None)
    assert (refused.value.key, refused.value.details) == ("abi_library_needed", {"field": "n_more"})
    data = bytearray(1024)
    for field, offset in found.offsets.items():
        raw = struct.pack("=i", 7) if field == "n_more" else default_bytes(field, -1)
        data[offset : offset + len(raw)] = raw
    merged = abi_layouts.merge(table, name, found, "b99999", DefaultImage(bytes(data), None))
    added = merged.structs[name][-1]
    assert (added.name, added.seen, added.size, added.offsets()["n_batch"]) == ("ctx-K", "b99999", 176, 8)
    assert merged.fields["n_more"] == Field("i", (7,))
    made = abi_layouts.render(merged)
    assert '"n_more": Field("i", (7,)),' in made
    assert 'Layout("ctx-K", 176,' in made
    compile(made, "layouts.py", "exec")


def test_the_library_s_defaults_are_read(library_file: Path) -> None:
    images = abi_layouts.defaults_of(library_file)
    assert images["llama_context_params"].data[:4] == struct.pack("=I", 512)


def test_a_header_without_the_structs_and_one_that_does_not_compile(tmp_path: Path) -> None:
    file = tmp_path / "llama.h"
    file.write_text("int nothing;\n", "utf-8")
    with pytest.raises(Refused) as lacks:
        abi_layouts.measure(file)
    broken = header(tmp_path, MODEL_LAYOUTS[-1], CONTEXT_LAYOUTS[-1], "nonsense x;")
    with pytest.raises(Refused) as fails:
        abi_layouts.measure(broken)
    assert (lacks.value.key, fails.value.key) == ("abi_no_struct", "abi_not_compiled")
    assert "nonsense" in str(fails.value.details["output"])


def test_check_changes_nothing_and_says_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = abi_layouts.TABLE.read_bytes()
    for extra, status, words in (("", 0, "ctx-J, in the table"), ("bool more;", 1, "+more@4")):
        file = header(tmp_path, MODEL_LAYOUTS[-1], CONTEXT_LAYOUTS[-1], extra)
        monkeypatch.setattr("sys.argv", ["abi_layouts.py", str(file), "--check"])
        assert abi_layouts.main(Screen("en")) == status
        assert words in capsys.readouterr().out
    assert abi_layouts.TABLE.read_bytes() == before
