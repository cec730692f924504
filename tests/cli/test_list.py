"""Tests list on terminals of every width: what is a number or a word is never cut, and nothing drives the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text

from hoshikage.cli.result import one_line
from hoshikage.cli.table import Column, fitted
from hoshikage.options import SETTINGS
from tests.cli.conftest import Cli
from tests.gguf_files import U32, Gguf

LONG = "qwen2.5-coder-32b-instruct-q4_k_m-x"
LONGER = "m" + "@" * 63


@pytest.mark.process
@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_no_number_and_no_word_is_cut(
    width: int, language: str, cli: Cli, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Gguf().with_pair("llama.context_length", U32, 1_048_576).write(work / "hoshikage-tiny.gguf")
    for label, stop in (("demo", []), (LONG, ["</s>", "<|im_end|>"]), (LONGER, [])):
        assert cli("add", file, label, *stop).status == 0
    monkeypatch.setenv("COLUMNS", str(width))
    shown = cli("list", "--lang", language).out
    assert max(map(cell_len, shown.splitlines())) <= width
    words = shown.split()
    for word, times in (("1048576", 3), ("1.22", 3), ("KiB", 3), ("320", 3), ("Q8_0", 3), ("demo", 1)):
        assert words.count(word) == times, word
    assert words.count("使用可" if language == "ja" else "usable") == 3
    assert shown.count("@") == 63, "a long label goes on below"
    assert words.count("hoshikage-tiny.gguf") == (0 if width == 80 else 3)
    assert "Stops" not in shown.splitlines()[0] or width >= 100


def test_columns_leave_in_their_order_and_only_as_many_as_must() -> None:
    number, name = Column("N", (Text("1024"),)), Column("Name", (Text("a" * 30),), minimum=10, folded=True)
    first, second = Column("First", (Text("12345"),), leaves=0), Column("Second", (Text("123456"),), leaves=1)
    columns = (name, first, second, number)

    def at(width: int) -> list[tuple[str, int]] | None:
        found = fitted(columns, width)
        return None if found is None else [(column.title, wide) for column, wide in found]

    assert at(100) == [("Name", 30), ("First", 5), ("Second", 6), ("N", 4)]
    assert at(31) == [("Name", 10), ("First", 5), ("Second", 6), ("N", 4)]
    assert at(30) == [("Name", 16), ("Second", 6), ("N", 4)]
    assert at(23) == [("Name", 17), ("N", 4)]
    assert at(15) is None


@pytest.mark.process
def test_values_from_outside_do_not_drive_the_terminal(cli: Cli, work: Path) -> None:
    file = Gguf().write(work / "a\x1b[31mred\n[bold]b.gguf")
    cli("add", file, "small", "\n", "[/red]\x9b2J")
    cli("persona", "add", "hoshi", "--model", "small", "--system", "be\x1b]0;x\x07 [bold]nice")
    for command in (("list",), ("persona", "list"), ("doctor",)):
        shown = cli(*command).out
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown), command
    assert "a\ufffd[31mred\\n[bold]b.gguf" in cli("list").out
    assert "be\ufffd]0;x\ufffd [bold]nice" in cli("persona", "list").out


def test_one_line_is_one() -> None:
    assert one_line("a\nb\tc\u202egpj.exe 星") == "a\\nb c\ufffdgpj.exe 星"


def test_config_breaks_no_settings_name(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    names = {words[0] for line in cli("config").out.splitlines() if (words := line.split())}
    assert names >= {row.variable for row in SETTINGS}
