"""The number of threads."""

from __future__ import annotations

import os

from hoshikage.llama.cores import physical_cores


def test_at_least_one_and_no_more_than_there_are() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)
