"""The tables of docs/SCALING are what their script computes, from what the documents say that it takes for granted."""

from __future__ import annotations

import re

import pytest

import matrix
import scaling
from hoshikage.messages import Language
from screen import ROOT


@pytest.mark.parametrize("language", scaling.DOCUMENTS)
def test_the_documents_have_what_is_computed_from_what_they_say(language: Language) -> None:
    text = (ROOT / "docs" / scaling.DOCUMENTS[language]).read_text("utf-8")
    for mark, made in scaling.tables(language).items():
        before, _, rest = text.partition(mark)
        assert rest.partition(matrix.END)[0].strip() == made
    granted = before.splitlines()[-2]
    for number in (scaling.TOKENS_TOGETHER, scaling.MEMORY_GB, scaling.WATTS, scaling.EURO_PER_KWH):
        assert re.search(rf"(?<![\d.]){number} ", granted), number
    assert "scripts/scaling.py" in granted


def test_a_hundred_times_as_many_servers_do_and_need_a_hundred_times_as_much() -> None:
    rows = {row[0]: row for row in scaling.servers("en")}
    assert rows["1"] == ["1", "200", "25", "16 GB", "0.3 kW, 0.08 €"]
    assert rows["100"] == ["100", "20,000", "2,500", "1.6 TB", "30 kW, 7.50 €"]
    assert next(row[1:] for row in scaling.network("en")) == ["16 KiB", "0.13 ms", "0.013 ms"]
