"""Defines owners of C pointers: one owner each, closed once. Used in the thread that made them."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any


class Owner:
    """Owns one C pointer and frees it once.

    What a pointer was made from is kept alive by its owner holding the other owner, never by the pointer. The order of
    freeing is sessions (samplers), context, batch, model, backend; whoever opens them closes them in that order.
    `__del__` is only a net for a forgotten one, and only on the thread that made it: the garbage collector runs on any
    thread, also in the middle of a decode, where a leak does less harm than a free.
    """

    _pointer: int | None = None

    def __init__(self, pointer: int, free: Callable[[int], Any]) -> None:
        self._pointer = pointer
        self._free = free
        self._maker = threading.get_ident()

    @property
    def pointer(self) -> int:
        """Gives the pointer, for a call. A closed owner has none: using it is a bug in the caller, never a crash in
        C."""
        if self._pointer is None:
            raise ValueError(f"{type(self).__name__} is closed")
        return self._pointer

    def consume(self) -> int:
        """Gives the pointer away to a C function that takes ownership of it; this owner is empty afterwards."""
        pointer, self._pointer = self.pointer, None
        return pointer

    def close(self) -> None:
        """Frees the pointer. A second call does nothing."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            self._free(pointer)

    def __del__(self) -> None:
        if self._pointer is None:
            return
        if threading.get_ident() == self._maker:
            self.close()
        else:
            warnings.warn(f"{type(self).__name__} was never closed; its memory is lost", ResourceWarning, stacklevel=1)
