"""One owner frees one pointer once."""

from __future__ import annotations

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
