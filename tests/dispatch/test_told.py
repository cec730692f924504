"""What /v1/status says of the library in use."""

from __future__ import annotations

from dataclasses import replace

from hoshikage.dispatch.status import told_of
from tests.dispatch.fake_host import choice


def test_the_release_is_told_where_only_the_files_beside_the_library_know_it() -> None:
    known = replace(choice("slot"), release="b5590")
    assert told_of(known, "unknown")["version"] == "b5590"
    assert told_of(known, "v0.5.0")["version"] == "v0.5.0"
    assert told_of(None, "unknown") == {}
