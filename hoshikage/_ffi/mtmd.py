"""Binds libmtmd, which makes pictures and sound into what a model reads: it is found, bound and recognised here. One
thread.

It lies beside libllama in official builds, or its functions are in the same file.
"""

from __future__ import annotations

import ctypes
import os
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from hoshikage._ffi.images import default_image, patched
from hoshikage._ffi.layout import Field, Layout
from hoshikage._ffi.mtmd_layouts import FIELDS, FUNCTIONS, LAYOUTS
from hoshikage._ffi.opening import Files, address_of, function_of, open_library
from hoshikage._ffi.recognition import Unrecognised, recognise
from hoshikage._ffi.signatures import bound
from hoshikage._ffi.types import Image, c_bool, c_char_p, c_int32, c_size_t, c_uint64, c_void_p
from hoshikage.errors import NotSupported

FIRST: Final = "b5590"
"""The first of the tested releases whose libmtmd has all functions that are called here."""
USED: Final = "llama_decode"
"""This function of libllama is called by libmtmd."""
MARKER_BYTES: Final = 256
"""This many bytes hide that mtmd_input_text got a text_len in its midst. A text of 256 bytes that is parsed with its
special tokens and without BOS reads the same in both forms: the length's lowest byte is the older add_special (0), the
next its parse_special."""


class _Text(ctypes.Structure):
    """This is mtmd_input_text, in its newer form."""

    _fields_ = [("text", c_char_p), ("text_len", c_uint64), ("add_special", c_bool), ("parse_special", c_bool)]


class Mtmd:
    """This has the functions on `api` by today's names, and what is made for them."""

    def __init__(self, api: SimpleNamespace, layout: Layout, default: Any, fields: Mapping[str, Field]) -> None:
        self.api = api
        self.layout = layout
        self._default = default
        self._fields = fields
        marker = secrets.token_hex(MARKER_BYTES // 2).encode()
        self._marker = ctypes.create_string_buffer(marker)
        self._text = _Text(marker, MARKER_BYTES, False, True)

    def set_log(self, callback: Any) -> None:
        """Sets the log callback as llama_log_set does, where the release has it; a null one is C's own."""
        if (set_log := self.api.mtmd_helper_log_set or self.api.mtmd_log_set) is not None:
            set_log(callback, None)

    def params(self, values: Mapping[str, float]) -> Image:
        """Returns the default parameters with our marker and these values; those that the release has not are passed
        over."""
        known = self.layout.offsets()
        fields = {name: value for name, value in values.items() if name in known}
        fields["media_marker"] = ctypes.addressof(self._marker)
        return patched(self._default, self.layout, fields, self._fields)

    def tokenize(self, context: int, chunks: int, bitmap: int) -> int:
        """Makes the chunks of one picture or sound, with the texts that the model wants around it."""
        bitmaps = (c_void_p * 1)(bitmap)
        code: int = self.api.mtmd_tokenize(context, chunks, ctypes.addressof(self._text), ctypes.addressof(bitmaps), 1)
        return code

    def text_tokens(self, chunk: int) -> list[int]:
        """Returns the tokens of a chunk that is text."""
        count = c_size_t()
        address = self.api.mtmd_input_chunk_get_tokens_text(chunk, ctypes.addressof(count))
        return [] if not address else (c_int32 * count.value).from_address(address)[:]

    def decode(self, context: int, llama: int, chunk: int, data: int, place: tuple[int, int], n_batch: int) -> int:
        """Decodes the chunk's embeddings, and returns what llama_decode did. `place`: the first position, and the
        sequence."""
        after = c_int32()
        code: int = self.api.mtmd_helper_decode_image_chunk(
            context, llama, chunk, data, *place, n_batch, ctypes.addressof(after), None, None
        )
        return code


def bind(files: Files, log: Any) -> Mtmd:
    """`log` is its log callback. Raises NotSupported where there is no libmtmd, none that can be used with this
    libllama, or none whose structure is known.
    """
    api, missing = bound(finder(files), FUNCTIONS)
    if missing:
        raise NotSupported("library.media_old", names=", ".join(missing), first=FIRST)
    default = default_image(api.mtmd_context_params_default)
    fields = {**FIELDS, "media_marker": Field("P", (api.mtmd_default_marker(),))}
    try:
        layout = recognise(default, LAYOUTS, fields)
    except Unrecognised as refusal:
        raise NotSupported("library.media_unknown", nearest=refusal.nearest, difference=refusal.difference) from None
    mtmd = Mtmd(api, layout, default, fields)
    mtmd.set_log(log)
    return mtmd


def finder(files: Files) -> Callable[[str], Any]:
    """Makes what finds a function of libmtmd: in libllama's own file, else in the one beside it. Raises
    NotSupported."""
    if files.find("mtmd_init_from_file") is not None:
        return files.find
    beside = files.neighbours("mtmd")
    if not beside:
        raise NotSupported("library.media_lacking", first=FIRST)
    reasons = []
    for file in beside:
        try:
            handle = open_library(file)
        except OSError as error:
            reasons.append(str(error).replace(f"{file.parent}{os.sep}", ""))
            continue
        # Its models are pointers into one libllama. Where its loader took another one, they would be read as garbage.
        its = address_of(function_of(handle, USED))
        if its in (None, address_of(files.find(USED))):  # Windows shows no functions of what it depends on
            return partial(function_of, handle)
        reasons.append(f"{file.name} -> {USED}")
    raise NotSupported("library.media_stranger", file=beside[0].name, library=files.path.name, reason=reasons[0])
