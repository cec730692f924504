"""Reads the header of a GGUF file, and judges it without libllama, which some damaged files kill. Any thread; blocking.

The format is ggml/docs/gguf.md, versions 2 and 3, little-endian. What is checked: magic, version and byte order;
counts, types, lengths and nesting against bounds and the file's length; keys and tensor names without duplicates;
dimensions, tensor types and block sizes; alignment, and every tensor's data inside the file; a vocabulary without
duplicates with a score and a type for every token; numbers that the library would end its process with (`plausible`).
Whether the rest makes a working model is the library's to say.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from hoshikage.errors import GgufInvalid, GgufMissing
from hoshikage.frozen import Frozen
from hoshikage.gguf import plausible
from hoshikage.gguf.cursor import MAX_HEADER_BYTES, Cursor
from hoshikage.gguf.header import PROJECTOR, GgufHeader, Scalar, Split, Tensor
from hoshikage.gguf.types import FILE_TYPES, REMOVED_TENSOR_TYPES, TENSOR_TYPES

VERSIONS: Final = (2, 3)
DEFAULT_ALIGNMENT: Final = 32
MAX_PAIRS: Final = 65_536
MAX_TENSORS: Final = 65_536
MAX_KEY_BYTES: Final = 65_535
MAX_TENSOR_NAME_BYTES: Final = 63
"""This is GGML_MAX_NAME less its ending zero."""
MAX_DIMENSIONS: Final = 4
MAX_ELEMENTS: Final = 2**63 - 1
MAX_STRINGS: Final = 4_000_000
"""An array may hold this many strings, sixteen times the largest vocabularies of today."""
MAX_NESTING: Final = 4
MAX_ALIGNMENT: Final = 2**30
MAX_KEPT: Final = 1024
"""An array that is kept has so many elements at most: there is one for each layer at most."""

STRING, ARRAY = 8, 9
NUMBERS: Final = {
    0: struct.Struct("<B"), 1: struct.Struct("<b"), 2: struct.Struct("<H"), 3: struct.Struct("<h"),
    4: struct.Struct("<I"), 5: struct.Struct("<i"), 6: struct.Struct("<f"), 7: struct.Struct("<B"),
    10: struct.Struct("<Q"), 11: struct.Struct("<q"), 12: struct.Struct("<d"),
}  # fmt: skip
"""Maps gguf_metadata_value_type to how it lies in the file."""
BOOL: Final = 7
U16: Final = 2
U32: Final = 4
INTEGERS: Final = frozenset({0, 1, 2, 3, 4, 5, 10, 11})
FILE_TYPE: Final = "general.file_type"
ALIGNMENT: Final = "general.alignment"
SPLIT_KEYS: Final = ("split.no", "split.count")

TOKENS: Final = "tokenizer.ggml.tokens"
MARK: Final = re.compile(rb"[<\[][^\n]{2,60}[>\]]\Z")
TOKEN_TYPES: Final = "tokenizer.ggml.token_type"
CONTROL, BYTE = 3, 6
"""These are llama.h's llama_token_type of tokens that no text stands for, and that stand for a byte."""
CHATML_TOKENS: Final = frozenset({b"<|im_start|>", b"<|im_end|>"})
BESIDE_TOKENS: Final = ("tokenizer.ggml.scores", TOKEN_TYPES)
"""The library indexes these arrays by token without looking at their length. Longer ones hurt nobody."""


class _Array(Frozen, frozen=True):
    kind: int
    count: int
    offset: int


def read(path: Path) -> GgufHeader:
    """Reads the header of the file. Raises GgufInvalid, which names the file, what is wrong, and the byte where."""
    return _read(path)[0]


def read_tensors(path: Path, maximum: int) -> tuple[GgufHeader, dict[str, tuple[Tensor, bytes]]]:
    """Reads the header, and each tensor with its bytes, of a file of `maximum` bytes at most. Raises GgufInvalid."""
    header, tensors, start = _read(path)
    if header.size_bytes > maximum:
        raise GgufInvalid("model.adapter_large", file=str(path), size=header.size_bytes, maximum=maximum)
    with _opened(path) as stream:
        try:
            data = stream.read(header.size_bytes)
        except OSError as error:
            raise _unreadable(path, error) from None
    places = ((one, start + one.offset) for one in tensors)
    return header, {one.name: (one, data[begin : begin + one.size]) for one, begin in places}


def _read(path: Path) -> tuple[GgufHeader, list[Tensor], int]:
    with _opened(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        try:
            reader = _Reader(Cursor(path, stream, size))
            return reader.header(), reader.tensors, reader.start
        except OSError as error:
            raise _unreadable(path, error) from None


def _opened(path: Path) -> BinaryIO:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise GgufInvalid("model.file_is_folder", file=str(path))
        if not stat.S_ISREG(status.st_mode):
            raise GgufInvalid("model.file_not_regular", file=str(path))
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        raise GgufMissing("model.file_missing", file=str(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> GgufInvalid:
    return GgufInvalid("model.file_unreadable", file=str(path), reason=getattr(error, "strerror", None) or str(error))


class _Reader:
    """Walks the sections in the file's order."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.tensors: list[Tensor] = []
        self.start = 0
        """`start` is where the tensors' data begin, from the start of the file."""
        self._kept: dict[str, tuple[int, ...]] = {}
        self._stored: dict[str, tuple[int, int | None]] = {}
        """`_stored` is as what each value lies in the file: a projector_types.Stored."""
        self._types: list[int] | None = None
        """`_types` is the list of the tokens' types; None where the file has none."""
        self._has_chatml = False
        self._marks: frozenset[str] = frozenset()

    def header(self) -> GgufHeader:
        version = self._version()
        n_tensors = self._cursor.count("model.gguf_tensor_count", MAX_TENSORS)
        n_pairs = self._cursor.count("model.gguf_pair_count", MAX_PAIRS)
        values: dict[str, Scalar] = {}
        arrays: dict[str, _Array] = {}
        for _ in range(n_pairs):
            self._pair(values, arrays)
        alignment = self._alignment(values)
        tensors = self.tensors = self._tensors(n_tensors)
        self._check_data(tensors, alignment)
        shown = ((one.name, TENSOR_TYPES[one.kind][0], one.dimensions) for one in tensors)
        self._require_none(plausible.of_tensors(shown))
        split = self._split(values)
        architecture = self._architecture(values, needed=split is None or split.number == 0)
        if not tensors and split is None:
            self._cursor.refuse("model.gguf_no_tensors")
        n_vocab = self._vocabulary(arrays)
        self._require_none(plausible.of_values(values, architecture))
        if architecture == PROJECTOR:
            from hoshikage.gguf import projector_faults, projector_types  # few files are one

            self._require_none(projector_types.of_stored(self._stored, values, self._kept))
            self._require_none(projector_faults.of_projector(values, self.tensors))
        types = None if self._types is None else self._types[:n_vocab]
        self._require_none(plausible.of_vocabulary(values, n_vocab, has_bytes=BYTE in (types or ())))
        template = values.get("tokenizer.chat_template")
        return GgufHeader(
            version=version,
            size_bytes=self._cursor.size,
            architecture=architecture,
            kind=str(values.get("general.type", "model")),
            name=str(values.get("general.name", "")),
            n_params=sum(tensor.elements for tensor in tensors),
            n_tensors=n_tensors,
            file_type=_file_type(values, tensors),
            context_length=self._positive(values, f"{architecture}.context_length"),
            n_vocab=n_vocab,
            controls=None if types is None else tuple(token for token, of in enumerate(types) if of == CONTROL),
            has_chatml=self._has_chatml,
            marks=self._marks,
            chat_template=template if isinstance(template, str) else None,
            split=split,
            values=values,
            arrays=self._kept,
        )

    def _version(self) -> int:
        start = self._cursor.start(64)
        if start[:4] != b"GGUF":
            self._cursor.refuse(_not_gguf(start))
        self._cursor.take(4)
        version = self._cursor.u32()
        if version not in VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            key = "model.gguf_big_endian" if swapped in VERSIONS else "model.gguf_version"
            self._cursor.refuse(key, at=4, version=version)
        return version

    def _pair(self, values: dict[str, Scalar], arrays: dict[str, _Array]) -> None:
        at = self._cursor.at
        key = _text(self._cursor.string("model.gguf_key_length", MAX_KEY_BYTES))
        if not key or "\ufffd" in key:
            self._cursor.refuse("model.gguf_key_text", at=at)
        if key in values or key in arrays:
            self._cursor.refuse("model.gguf_key_twice", at=at, name=key)
        kind = self._cursor.u32()
        if key in (FILE_TYPE, ALIGNMENT) and kind != U32:  # the library takes no other, or ends its process
            self._cursor.refuse("model.gguf_value_type", at=self._cursor.at - 4, name=key, type=kind)
        if kind == STRING:
            values[key] = _text(self._cursor.string("model.gguf_string_length", MAX_HEADER_BYTES))
        elif kind == ARRAY:
            arrays[key] = self._array(key, 1)
        else:
            at = self._cursor.at - 4
            if key in SPLIT_KEYS and kind != U16:  # the library ends the process for any other type
                self._cursor.refuse("model.gguf_split", at=at)
            values[key] = self._scalar(key, kind)
        self._stored[key] = (arrays[key].kind, arrays[key].count) if kind == ARRAY else (kind, None)

    def _scalar(self, key: str, kind: int) -> Scalar:
        layout = self._layout(key, kind)
        at = self._cursor.at
        number: int | float = layout.unpack(self._cursor.take(layout.size))[0]
        if kind != BOOL:
            return number
        if number > 1:
            self._cursor.refuse("model.gguf_bool", at=at, name=key, value=number)
        return bool(number)

    def _array(self, key: str, depth: int) -> _Array:
        cursor = self._cursor
        at = cursor.at
        kind = cursor.u32()
        if kind == STRING:
            count = cursor.count("model.gguf_array_count", MAX_STRINGS)
            tokens = cursor.strings(count, keep=key == TOKENS)
            self._check_unique(tokens, at)
            self._has_chatml |= CHATML_TOKENS.issubset(tokens)
            self._marks |= frozenset(_text(token) for token in tokens if MARK.match(token))
        elif kind == ARRAY:
            if depth == MAX_NESTING:
                cursor.refuse("model.gguf_nesting", at=at, name=key, maximum=MAX_NESTING)
            count = cursor.count("model.gguf_array_count", MAX_PAIRS)
            for _ in range(count):
                self._array(key, depth + 1)
        else:
            layout = self._layout(key, kind)
            count = cursor.count("model.gguf_array_count", max(0, cursor.size - cursor.at - 8) // layout.size)
            if key == TOKEN_TYPES and kind in INTEGERS and depth == 1:
                raw = cursor.take(count * layout.size)
                self._types = [of for (of,) in layout.iter_unpack(raw)]
            elif kind in INTEGERS and count <= MAX_KEPT and depth == 1:
                raw = cursor.take(count * layout.size)
                self._kept[key] = tuple(number for (number,) in layout.iter_unpack(raw))
            else:
                cursor.at += count * layout.size
        return _Array(kind, count, at)

    def _layout(self, key: str, kind: int) -> struct.Struct:
        layout = NUMBERS.get(kind)
        if layout is None:
            self._cursor.refuse("model.gguf_value_type", at=self._cursor.at - 4, name=key, type=kind)
        return layout

    def _check_unique(self, tokens: list[bytes], at: int) -> None:
        if len(set(tokens)) < len(tokens):
            for token, times in Counter(tokens).items():
                if times > 1 and token:  # the library names empty tokens by their index, so they are no duplicates
                    self._cursor.refuse("model.gguf_token_twice", at=at, token=_text(token))

    def _alignment(self, values: Mapping[str, Scalar]) -> int:
        alignment = values.get(ALIGNMENT, DEFAULT_ALIGNMENT)
        if type(alignment) is not int or not 1 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
            self._cursor.refuse("model.gguf_alignment", alignment=alignment)
        return alignment

    def _tensors(self, count: int) -> list[Tensor]:
        tensors: list[Tensor] = []
        names: set[bytes] = set()
        for _ in range(count):
            at = self._cursor.at
            raw = self._cursor.string("model.gguf_tensor_name", MAX_TENSOR_NAME_BYTES)
            if raw in names:
                self._cursor.refuse("model.gguf_tensor_twice", at=at, name=_text(raw))
            names.add(raw)
            tensors.append(self._tensor(_text(raw)))
        return tensors

    def _tensor(self, name: str) -> Tensor:
        cursor = self._cursor
        at = cursor.at
        n_dims = cursor.u32()
        if not 1 <= n_dims <= MAX_DIMENSIONS:
            cursor.refuse("model.gguf_dimensions", at=at, name=name, count=n_dims, maximum=MAX_DIMENSIONS)
        elements, row = 1, 0
        for index in range(n_dims):
            at = cursor.at
            size = cursor.u64()
            row = row if index else size
            elements *= size
            if not 1 <= elements <= MAX_ELEMENTS:
                cursor.refuse("model.gguf_shape", at=at, name=name, size=size)
        at = cursor.at
        kind = cursor.u32()
        if kind in REMOVED_TENSOR_TYPES:
            cursor.refuse("model.gguf_tensor_type_removed", at=at, name=name, type=REMOVED_TENSOR_TYPES[kind])
        if kind not in TENSOR_TYPES:
            cursor.refuse("model.gguf_tensor_type", at=at, name=name, type=kind)
        type_name, block, block_bytes = TENSOR_TYPES[kind]
        if row % block:
            cursor.refuse("model.gguf_block", at=at, name=name, type=type_name, size=row, block=block)
        return Tensor(name, kind, n_dims, elements, elements // block * block_bytes, cursor.u64())

    def _check_data(self, tensors: list[Tensor], alignment: int) -> None:
        self.start = start = -(-self._cursor.at // alignment) * alignment
        for tensor in tensors:
            if tensor.offset % alignment:
                self._cursor.refuse("model.gguf_offset", name=tensor.name, value=tensor.offset, alignment=alignment)
        need = max((start + tensor.offset + tensor.size for tensor in tensors), default=0)
        if need > self._cursor.size:
            self._cursor.refuse("model.gguf_incomplete", size=self._cursor.size, need=need)

    # What the metadata says.

    def _architecture(self, values: Mapping[str, Scalar], *, needed: bool) -> str:
        """Returns the architecture, which may be missing where it is not needed: only the first file of a split model
        says it."""
        architecture = values.get("general.architecture", None if needed else "")
        if not isinstance(architecture, str) or (needed and not architecture):
            self._cursor.refuse("model.gguf_no_architecture")
        return architecture

    def _positive(self, values: Mapping[str, Scalar], name: str) -> int:
        number = values.get(name, 0)
        if type(number) is not int or not 0 <= number < 2**32 or (name in values and number == 0):
            self._cursor.refuse("model.gguf_number", name=name, value=number)
        return number

    def _require_none(self, faults: Iterator[plausible.Fault]) -> None:
        for fault in faults:
            self._cursor.refuse("model.gguf_implausible", name=fault.name, value=fault.value, wanted=fault.wanted)

    def _split(self, values: Mapping[str, Scalar]) -> Split | None:
        number, count = (values.get(name, 0) for name in ("split.no", "split.count"))
        if type(number) is not int or type(count) is not int or not 0 <= number < max(count, 1):
            self._cursor.refuse("model.gguf_split")
        return Split(number, count) if count > 1 else None

    def _vocabulary(self, arrays: Mapping[str, _Array]) -> int:
        tokens = arrays.get(TOKENS)
        if tokens is None:
            return 0
        if tokens.kind != STRING:
            self._cursor.refuse("model.gguf_value_type", at=tokens.offset, name=TOKENS, type=tokens.kind)
        for name in BESIDE_TOKENS:
            array = arrays.get(name)
            if array is not None and (array.count < tokens.count or array.kind in (STRING, ARRAY)):
                self._cursor.refuse(
                    "model.gguf_token_arrays", at=array.offset, name=name, count=array.count, tokens=tokens.count
                )
        return tokens.count


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def _not_gguf(start: bytes) -> str:
    """Returns the text for a file that begins otherwise, by what people most often have instead."""
    head = start[:64].lstrip().lower()
    if not start:
        return "model.file_empty"
    if head.startswith(b"version https://git-lfs"):
        return "model.file_lfs_pointer"
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "model.file_web_page"
    return "model.file_not_gguf"


def _file_type(values: Mapping[str, Scalar], tensors: list[Tensor]) -> str:
    number = values.get(FILE_TYPE)
    if type(number) is int and number in FILE_TYPES:
        return FILE_TYPES[number]
    sizes: Counter[int] = Counter()
    for tensor in tensors:
        sizes[tensor.kind] += tensor.size
    return TENSOR_TYPES[sizes.most_common(1)[0][0]][0] if sizes else ""
