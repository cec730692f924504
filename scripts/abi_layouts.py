"""Keeps the table of parameter structs: reads a llama.h with the C compiler and merges its layouts.

`python3 scripts/abi_layouts.py HEADER --release NAME [--library FILE] [--include FOLDER ...] [--check]`

The header's own folder and llama.cpp's ggml/include beside it are searched for ggml's headers. A layout that is known
gets the release's name; a new one is added under the next letter, its new fields with the defaults that the release's
library writes (`--library`). `--check` changes nothing and exits 1 where the header has a layout that is not known.
Main thread. Needs a C compiler; `--library` loads the file into this process.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import screen  # before the package: it puts the clone on the path
from hoshikage._ffi.images import default_image
from hoshikage._ffi.layout import Field, Layout, rows_of
from hoshikage._ffi.layouts import CONTEXT_LAYOUTS, FIELDS, MODEL_LAYOUTS
from hoshikage._ffi.opening import Files
from hoshikage._ffi.recognition import DefaultImage

TABLE: Final = screen.ROOT / "hoshikage" / "_ffi" / "layouts.py"
STRUCTS: Final = ("llama_model_params", "llama_context_params")
COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
NAME: Final = re.compile(r"(\w+)\s*$")
HEAD: Final = '''\
"""Lists the byte layouts of llama_model_params and llama_context_params, release by release. Data; any thread.

Made by scripts/abi_layouts.py from llama.h headers; a row is `field@offset` in the struct's order, as a C compiler
lays it out where pointers have eight bytes and enums four (x86-64 and AArch64 alike). A layout's third value is where
it was seen: bNNNN and vN.N.N are llama.cpp releases, lcp- and rn- the headers in that release of llama-cpp-python and
llama.rn, xl- the library in that release of xllamacpp. FIELDS says of each field what it is and which defaults have
been seen in it. A layout that is not here is refused (recognition.py) or calibrated.
"""

from __future__ import annotations

from typing import Final

from hoshikage._ffi.layout import Field, Layout
'''


@dataclass(frozen=True, slots=True)
class Table:
    """It holds what `layouts.py` says."""

    fields: dict[str, Field]
    structs: dict[str, tuple[Layout, ...]]


@dataclass(frozen=True, slots=True)
class Measured:
    """This is a struct as the compiler lays it out."""

    size: int
    offsets: dict[str, int]
    formats: dict[str, str]


def main(show: screen.Screen) -> int:
    parser = argparse.ArgumentParser(usage="abi_layouts.py HEADER --release NAME [--library FILE] [--check]")
    parser.add_argument("header", type=Path, help=show.text("abi_header_help"))
    parser.add_argument("--release", default="", help=show.text("abi_release_help"))
    parser.add_argument("--library", type=Path, help=show.text("abi_library_help"))
    parser.add_argument("--include", type=Path, action="append", default=[], help=show.text("abi_include_help"))
    parser.add_argument("--check", action="store_true", help=show.text("abi_check_help"))
    options = parser.parse_args()
    table = current()
    measured = measure(options.header, options.include)
    images = defaults_of(options.library) if options.library else {}
    unknown = False
    for name, result in measured.items():
        known = find(table.structs[name], result)
        unknown |= known is None
        if known is not None:
            show.line(show.text("abi_known", struct=name, layout=known.name))
        else:
            show.line(show.text("abi_new", struct=name, difference=difference(table.structs[name][-1], result)))
        if not options.check:
            if not options.release:
                raise screen.Refused("abi_release_needed")
            table = merge(table, name, result, options.release, images.get(name))
    if not options.check:
        TABLE.write_text(render(table), encoding="utf-8")
        show.line(show.text("abi_written", file=TABLE))
    return 1 if options.check and unknown else 0


def current() -> Table:
    return Table(dict(FIELDS), {STRUCTS[0]: MODEL_LAYOUTS, STRUCTS[1]: CONTEXT_LAYOUTS})


def measure(header: Path, include: Sequence[Path] = ()) -> dict[str, Measured]:
    """Measures both structs of a header, by the machine's C compiler. Raises Refused."""
    text = header.read_text("utf-8")
    folder = header.resolve().parent
    searched = [folder, *include, folder.parent / "ggml" / "include", folder.parent / "ggml" / "src"]
    names = {name: fields(text, name) for name in STRUCTS}
    with tempfile.TemporaryDirectory() as work:
        source, program = Path(work, "probe.c"), Path(work, "probe")
        source.write_text(_probe(header.name, names), "utf-8")
        compiler = shlex.split(os.environ.get("CC", "cc"))
        command = [*compiler, *(f"-I{path}" for path in searched), str(source), "-o", str(program)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode != 0:
            raise screen.Refused("abi_not_compiled", header=header, output=done.stderr[-2000:])
        printed = subprocess.run([program], capture_output=True, encoding="ascii", check=True).stdout
    lines = [line.split() for line in printed.splitlines()]
    return {
        name: Measured(
            size=next(int(line[2]) for line in lines if line[:2] == [name, "size"]),
            offsets={line[1]: int(line[2]) for line in lines if line[0] == name and len(line) == 4},
            formats={line[1]: line[3] for line in lines if line[0] == name and len(line) == 4},
        )
        for name in STRUCTS
    }


def fields(header: str, name: str) -> list[str]:
    """Returns the names of a struct's fields, in its order. Raises Refused for a header without the struct."""
    met = re.search(rf"struct\s+{name}\s*\{{(.*?)\n\s*\}};", COMMENT.sub("", header), re.DOTALL)
    if met is None:
        raise screen.Refused("abi_no_struct", struct=name)
    declared = [part for statement in met[1].split(";") for part in statement.split(",")]
    return [match[1] for part in declared if (match := NAME.search(part.strip()))]


def _probe(header: str, names: Mapping[str, Sequence[str]]) -> str:
    """Writes a C program that prints `struct field offset format` and `struct size bytes`."""
    prints = [
        f'    printf("{name} {field} %zu %s\\n", offsetof(struct {name}, {field}), KIND((({name} *) 0)->{field}));'
        for name, result in names.items()
        for field in result
    ]
    prints += [f'    printf("{name} size %zu\\n", sizeof(struct {name}));' for name in names]
    typedefs = [f"typedef struct {name} {name};" for name in names]
    return "\n".join(
        [
            f'#include "{header}"',
            "#include <stdbool.h>",
            "#include <stddef.h>",
            "#include <stdint.h>",
            "#include <stdio.h>",
            *typedefs,
            '#define KIND(x) _Generic((x), bool: "?", float: "f", int32_t: "i", uint32_t: "I", default: "P")',
            "int main(void) {",
            *prints,
            "}",
            "",
        ]
    )


def defaults_of(library: Path) -> dict[str, DefaultImage]:
    """Returns what a library writes as its default parameters."""
    files = Files(library)
    images = {}
    for name in STRUCTS:
        function = files.find(name.replace("_params", "_default_params"))
        if function is None:
            raise screen.Refused("abi_no_struct", struct=name)
        images[name] = default_image(function)
    return images


def find(known: Sequence[Layout], found: Measured) -> Layout | None:
    return next((layout for layout in known if (layout.size, layout.offsets()) == (found.size, found.offsets)), None)


def difference(layout: Layout, found: Measured) -> str:
    before = layout.offsets()
    gone = [f"-{name}" for name in before if name not in found.offsets]
    new = [f"+{name}@{offset}" for name, offset in found.offsets.items() if name not in before]
    size = [] if layout.size == found.size else [f"size {layout.size} -> {found.size}"]
    return ", ".join([f"{layout.name}:", *gone, *new, *size]).replace(":,", ":")


def merge(table: Table, name: str, found: Measured, release: str, image: DefaultImage | None) -> Table:
    """Returns the table with a release's struct in it. Raises Refused for new fields without a library that has
    defaults."""
    known = table.structs[name]
    layout = find(known, found)
    if layout is None:
        prefix, _, letter = known[-1].name.partition("-")
        added = Layout(f"{prefix}-{chr(ord(letter[0]) + 1)}", found.size, release, rows_of(found.offsets))
        layouts = (*known, added)
    else:
        seen = layout.seen.split()
        named = replace(layout, seen=" ".join([*seen, release] if release not in seen else seen))
        layouts = tuple(named if each is layout else each for each in known)
    values = dict(table.fields)
    for field, offset in found.offsets.items():
        if image is None:
            if field not in values:
                raise screen.Refused("abi_library_needed", field=field)
            continue
        row = values.get(field) or Field(found.formats[field], ())
        (value,) = struct.unpack_from(row.code.replace("?", "B"), image.data, offset)
        if value not in row.defaults:
            row = replace(row, defaults=(*row.defaults, value))
        values[field] = row
    return Table(values, {**table.structs, name: layouts})


def render(table: Table) -> str:
    """Writes the text of the table's file."""
    groups = [
        {field for layout in layouts for field in layout.offsets() if field in table.fields}
        for layouts in table.structs.values()
    ]
    lines = [HEAD, "FIELDS: Final[dict[str, Field]] = {"]
    for name, group in zip(table.structs, groups, strict=True):
        lines.append(f"    # {name}")
        for field, row in table.fields.items():
            if field in group:
                values = ", ".join(f"{value:g}" for value in row.defaults) + ("," if len(row.defaults) == 1 else "")
                note = f', "{row.note}"' if row.note else ""
                lines.append(f'    "{field}": Field("{row.format}", ({values}){note}),')
    lines.append("}")
    for constant, layouts in zip(("MODEL_LAYOUTS", "CONTEXT_LAYOUTS"), table.structs.values(), strict=True):
        lines += ["", f"{constant}: Final = ("]
        for layout in layouts:
            lines += [
                f'    Layout("{layout.name}", {layout.size},',
                *_quoted(layout.seen, ","),
                *_quoted(layout.rows, "),"),
            ]
        lines.append(")  # fmt: skip")
    return "\n".join(lines) + "\n"


def _quoted(text: str, end: str) -> list[str]:
    """Writes a long text as adjacent literals."""
    parts = textwrap.wrap(text, 106, break_on_hyphens=False)
    literals = [f'        "{part} "' for part in parts[:-1]]
    return [*literals, f'        "{parts[-1]}"{end}']


if __name__ == "__main__":
    sys.exit(screen.run(main))
