"""This is one sequence of a KV memory, and what sequences share. Engine thread."""

from __future__ import annotations

from collections.abc import Callable

from hoshikage.engine.spans import Spans


class SharedPrefix:
    """Several sequences have these cells in common."""

    __slots__ = ("n_cells",)

    def __init__(self, n_cells: int) -> None:
        self.n_cells = n_cells


class KvSequence:
    """This is one sequence. `tokens[:n_past]` are in KV memory; what is behind them is still to be computed."""

    __slots__ = (
        "border",
        "checked",
        "n_past",
        "number",
        "prefix",
        "room",
        "scope",
        "spans",
        "taken",
        "tokens",
        "used",
        "written",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        """`number` is llama.h's seq_id."""
        self.tokens: list[int] = []
        self.spans: Spans | None = None
        self.n_past = 0
        self.scope = ""
        self.taken = False
        self.used = 0
        """Grows with every use: the least is the one unused for longest."""
        self.prefix: SharedPrefix | None = None
        self.written = False
        """`written` tells whether memory may hold tokens of it that `n_past` does not tell of."""
        self.border: int | None = None
        """Only so many of its first tokens are to be computed for now."""
        self.checked = 0
        """A checkpoint was last due behind so many first tokens; those that follow are counted from here."""
        self.room: Callable[[int], int] | None = None
        """`room` tells how many of so many tokens a decode of its prompt may have, and makes the checkpoint that is due
        before it; it is None where that needs none."""

    @property
    def reach(self) -> int:
        """So many first tokens can be in memory before a picture or sound is, or a border, or all."""
        reach = len(self.tokens) if self.spans is None else self.spans.reach(self.n_past, len(self.tokens))
        return reach if self.border is None else min(reach, self.border)

    def position(self, n_tokens: int) -> int:
        """Returns llama.h's position behind so many first tokens."""
        return n_tokens if self.spans is None else self.spans.position(n_tokens)
