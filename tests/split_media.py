"""Makes libllama and libmtmd as official builds have them, in two files, of the one file that has both. Pure but for
the compiler and the disk.

The copy of that file hides its functions of libmtmd. A library that stands for libmtmd's file has those names, and
jumps to where the hidden ones lie. Both are for x86-64 and Linux, as the package is.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Final

from hoshikage.library import elf
from hoshikage.library.image import Source, name_in
from tests.media_library import media_library

KNOWN: Final = "llama_backend_init"
"""By where it lies, the others are found."""
HIDDEN: Final = 2
"""This is ELF's STV_HIDDEN: the loader finds the symbol for its own file alone."""
STAND_IN: Final = """
extern void {known}(void);
void *hidden[{count}];
static const unsigned long places[] = {{ {places} }};
__attribute__((constructor)) static void find(void) {{
    for (int i = 0; i < {count}; i++) hidden[i] = (char *){known} - {own} + places[i];
}}
{jumps}
"""
JUMP: Final = '__asm__(".text; .globl {name}; .type {name},@function; {name}: jmp *hidden+{at}(%rip); .previous");'


def split(folder: Path, *, with_mtmd: bool = True) -> Path:
    """Puts libllama.so, and libmtmd.so beside it, into the folder; gives libllama's file."""
    given = media_library()
    data = bytearray(given.read_bytes())
    functions: dict[str, int] = {}
    own = 0
    for at, name, place in _symbols(given):
        if name.startswith("mtmd_"):
            data[at + 5] = HIDDEN
            functions[name] = place
        elif name == KNOWN:
            own = place
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "libllama.so"
    library.write_bytes(data)
    if with_mtmd:
        _build(folder / "libmtmd.so", functions, own)
    return library


def _symbols(file: Path) -> list[tuple[int, str, int]]:
    """Returns the place of each defined function's row in the file, its name and its address."""
    with Source(file.open("rb")) as source:
        image = elf._ElfFile(source)
        dynamic = image.dynamic()
        strings, count = image.strings(dynamic), elf._symbol_count(image, dynamic)
        start = image.offset(dynamic[elf._SYMTAB][0])
        rows = struct.iter_unpack("<IBBHQQ", source.take(start, count * 24))
        return [
            (start + number * 24, name_in(strings, row[0]), row[4])
            for number, row in enumerate(rows)
            if row[0] and row[3]
        ]


def _build(target: Path, functions: dict[str, int], own: int) -> None:
    source = STAND_IN.format(
        known=KNOWN,
        own=own,
        count=len(functions),
        places=", ".join(map(str, functions.values())),
        jumps="\n".join(JUMP.format(name=name, at=8 * at) for at, name in enumerate(functions)),
    )
    command = ["cc", "-shared", "-fPIC", "-Wl,-Bsymbolic", "-o", str(target), "-x", "c", "-", "-x", "none"]
    beside = [
        f"-L{target.parent}",
        "-l:libllama.so",
        "-Wl,-rpath,$ORIGIN",
        "-Wl,--unresolved-symbols=ignore-in-shared-libs",
    ]
    subprocess.run([*command, *beside], input=source.encode(), check=True, timeout=60)
