"""One owner frees one pointer once."""

from __future__ import annotations

import gc
import threading

import pytest

from hoshikage._ffi.handles import Owner


def test_closing_twice_frees_once() -> None:
    freed: list[int] = []
    owner = Owner(7, freed.append)
    owner.close()
    owner.close()
    assert freed == [7]


def test_a_closed_owner_gives_no_pointer() -> None:
    owner = Owner(7, lambda _pointer: None)
    assert owner.pointer == 7
    owner.close()
    with pytest.raises(ValueError, match="Owner is closed"):
        owner.pointer  # noqa: B018 - the property is what is tested


def test_a_consumed_pointer_is_freed_by_its_new_owner_alone() -> None:
    freed: list[int] = []
    owner = Owner(7, freed.append)
    assert owner.consume() == 7
    owner.close()
    assert freed == []


def test_a_forgotten_owner_is_freed() -> None:
    freed: list[int] = []
    Owner(7, freed.append)
    assert freed == [7]


def test_what_another_thread_collects_is_not_freed_there() -> None:
    freed: list[int] = []

    def forget() -> None:
        ring: list[object] = [Owner(7, freed.append)]
        ring.append(ring)  # only the collector finds it

    gc.disable()
    try:
        maker = threading.Thread(target=forget)
        maker.start()
        maker.join()
        with pytest.warns(ResourceWarning, match="Owner was never closed"):
            gc.collect()
    finally:
        gc.enable()
    assert freed == []
