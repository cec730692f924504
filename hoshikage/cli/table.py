"""Draws a table that keeps its numbers whole on any terminal: it drops columns before it cuts a value. Main thread;
pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A Column is one column of a table, with its title."""

    title: str
    cells: tuple[Text, ...]
    right: bool = False
    minimum: int | None = None
    """The column can do with so few columns of the terminal; None where it is never to be narrower than its widest
    value."""
    folded: bool = False
    """`folded` tells whether what is too long goes on in the next line, instead of ending in an ellipsis."""
    leaves: int | None = None
    """The columns with the lowest `leaves` go first where not all fit; None stays."""

    @property
    def natural(self) -> int:
        return max(cell_len(words) for words in (self.title, *(cell.plain for cell in self.cells)))

    @property
    def narrowest(self) -> int:
        return self.natural if self.minimum is None else max(cell_len(self.title), min(self.natural, self.minimum))


def fitted(columns: Sequence[Column], width: int) -> list[tuple[Column, int]] | None:
    """Returns the columns that fit and how wide each is; None where not even those fit that must stay."""
    kept = list(columns)
    while (spare := width - sum(column.narrowest + GAP for column in kept) + GAP) < 0:
        leaving = [column for column in kept if column.leaves is not None]
        if not leaving:
            return None
        kept.remove(min(leaving, key=lambda column: column.leaves or 0))
    widths = []
    for column in kept:
        wider = min(spare, column.natural - column.narrowest)
        spare -= wider
        widths.append((column, column.narrowest + wider))
    return widths


def drawn(columns: Sequence[tuple[Column, int]], styles: Sequence[str]) -> Table:
    """Draws the table of these columns; `styles` has one for each row."""
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for column, width in columns:
        table.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            overflow="fold" if column.folded else "ellipsis",
            no_wrap=not column.folded,
            width=width,
        )
    for number, style in enumerate(styles):
        table.add_row(*(column.cells[number] for column, _ in columns), style=style)
    return table
