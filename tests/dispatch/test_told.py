"""What /v1/status says of the library in use."""

from __future__ import annotations

from dataclasses import replace

from hoshikage.dispatch.status import ChosenLibrary, chosen
from tests.dispatch.fake_host import choice


def test_the_release_is_told_where_only_the_files_beside_the_library_know_it() -> None:
    known = replace(choice("slot"), release="b5590")
    assert chosen(known, "unknown") == ChosenLibrary(known.installed, str(known.found), known.release, "b5590")
    assert chosen(known, "v0.5.0") == ChosenLibrary(known.installed, str(known.found), known.release, "v0.5.0")
    assert chosen(None, "unknown") is None
