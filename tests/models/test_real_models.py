"""Real models answer as a bare loop over the same library does, with every release of the table."""

from __future__ import annotations

import pytest

import libraries
import models
import real_models
from screen import Screen

RELEASES = {release.llama: release for release in libraries.table() if release.llama in models.RELEASES}
NAMES = tuple(real_models.table())

pytestmark = pytest.mark.models


@pytest.fixture(scope="module", autouse=True)
def brought() -> dict[str, real_models.RealModel]:
    """Brings the models, fetched where they are missing."""
    found = real_models.table()
    real_models.bring(Screen("en"), found)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("release", models.RELEASES)
def test_answers_counts_limits_and_vectors_are_right(
    release: str, name: str, brought: dict[str, real_models.RealModel]
) -> None:
    found = models.run(RELEASES[release], brought[name])
    assert models.fault(found) == "", found
