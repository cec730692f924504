"""The C types of llama.h and ggml.h that cross the border, as ctypes knows them. No state; any thread."""

from __future__ import annotations

import ctypes
from ctypes import c_bool, c_char_p, c_float, c_int8, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from hoshikage._ffi.layout import LARGEST

__all__ = [
    "IMAGE_BYTES",
    "AbortCallback",
    "Image",
    "LogCallback",
    "Param",
    "ProgressCallback",
    "c_bool",
    "c_char_p",
    "c_float",
    "c_int8",
    "c_int32",
    "c_size_t",
    "c_uint32",
    "c_uint64",
    "c_void_p",
    "llama_batch",
]

IMAGE_BYTES = LARGEST
"""There is room for a parameter struct of any release in so many bytes."""


class Image(ctypes.Structure):
    """This is a parameter struct of unknown size, travelling by value as the last argument, oversized.

    Right on x86-64 (System V copies it to the end of the stack arguments, Win64 passes its address) and on AArch64
    (its address); the callee reads as much as its own struct has. Wrong for a struct of 16 bytes or less, and wherever
    another stack argument follows.
    """

    _fields_ = [("data", ctypes.c_ubyte * IMAGE_BYTES)]


class llama_batch(ctypes.Structure):  # noqa: N801 - llama.h's name
    """It has 56 bytes since about b3943. b3889 reads 72: `reserved` stands for its all_pos_0, all_pos_1 and all_seq_id,
    which it only looks at where `pos`, `n_seq_id` or `seq_id` is NULL. Passed as the last argument, oversized."""

    _fields_ = [
        ("n_tokens", c_int32),
        ("token", c_void_p),
        ("embd", c_void_p),
        ("pos", c_void_p),
        ("n_seq_id", c_void_p),
        ("seq_id", c_void_p),
        ("logits", c_void_p),
        ("reserved", ctypes.c_ubyte * 16),
    ]


LogCallback = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_void_p)
AbortCallback = ctypes.CFUNCTYPE(c_bool, c_void_p)
ProgressCallback = ctypes.CFUNCTYPE(c_bool, c_float, c_void_p)

Param = Any
"""A row of signatures.py may name this as a result or an argument: a ctypes type, or None for void."""
