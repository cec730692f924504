"""The sequences of one KV memory: who has which, what stays in them, and how many cells are left. Engine thread.

By default a sequence is emptied when its answer has ended. Where a request allows it, what has been computed stays, and
a later prompt of the same scope that begins alike goes on behind the common beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from hoshikage.llama.context import Context

WORTH_KEEPING: Final = 0.5
"""A kept sequence of which a prompt needs less than this share is left as it is, while another is empty."""


class Stem:
    """Cells that several sequences have in common."""

    __slots__ = ("n_cells",)

    def __init__(self, n_cells: int) -> None:
        self.n_cells = n_cells


class Seat:
    """One sequence. `tokens[:n_past]` are in KV memory; what is behind them is still to be computed."""

    __slots__ = ("n_past", "number", "scope", "stem", "taken", "tokens", "used", "written")

    def __init__(self, number: int) -> None:
        self.number = number
        """llama.h's seq_id."""
        self.tokens: list[int] = []
        self.n_past = 0
        self.scope = ""
        self.taken = False
        self.used = 0
        """Grows with every use: the least is the one unused for longest."""
        self.stem: Stem | None = None
        self.written = False
        """Whether memory may hold tokens of it that `n_past` does not tell of."""


class Seats:
    """All sequences of a context."""

    def __init__(self, context: Context, count: int) -> None:
        self._context = context
        self._all = tuple(map(Seat, range(count)))
        self._uses = 0

    @property
    def free(self) -> int:
        """Sequences that nobody has."""
        return sum(not seat.taken for seat in self._all)

    @property
    def cells_left(self) -> int:
        """Cells that hold nothing. Cells that sequences share may be counted too often, never too seldom."""
        stems = {seat.stem: seat.stem.n_cells for seat in self._all if seat.stem is not None}
        own = sum(seat.n_past - (seat.stem.n_cells if seat.stem is not None else 0) for seat in self._all)
        held: int = own + sum(stems.values())
        return self._context.n_cells - held

    @property
    def cells_kept(self) -> int:
        """Cells that only kept sequences hold, and that can be had by `evict`."""
        return sum(seat.n_past for seat in self._kept())

    def take(self, tokens: list[int], scope: str, *, reuse: bool) -> Seat | None:
        """A sequence for this text, with as much of it in memory as is at hand; None where all are taken.

        At least the last token is left to be computed. The list stays the caller's: what it appends is seen here.
        """
        free = [seat for seat in self._all if not seat.taken]
        if not free:
            return None
        seat = self._alike(free, tokens, scope) if reuse else None
        if seat is None:
            seat = min(free, key=lambda seat: (seat.n_past > 0, seat.used))
            if seat.n_past or seat.written:
                self.clear(seat)
        seat.tokens, seat.scope = tokens, scope
        self._give(seat)
        return seat

    def fork(self, source: Seat) -> Seat | None:
        """A sequence that has what `source` has in memory; None where none is empty, or the memory cannot share."""
        target = next((seat for seat in self._all if not seat.taken and not seat.n_past), None)
        if target is None or not self._share(source, target, source.n_past):
            return None
        target.scope = source.scope
        self._give(target)
        return target

    def leave(self, seat: Seat, *, keep: bool) -> None:
        """Its text goes no further. `keep`: what is computed stays for the next of its scope."""
        seat.taken = False
        try:
            if keep and seat.n_past:
                seat.tokens = seat.tokens[: seat.n_past]
                self.cut(seat, seat.n_past)  # of an answer that was given up, more was computed than is told here
            else:
                self.clear(seat)
        except BaseException:
            seat.n_past, seat.stem, seat.tokens = 0, None, []  # who takes it next empties it
            raise

    def reclaim(self, held: Iterable[Seat]) -> None:
        """Frees the sequences that are taken and that nobody holds: what had them came to grief."""
        held = {*held}
        for seat in self._all:
            if seat.taken and seat not in held:
                seat.taken, seat.n_past, seat.stem, seat.tokens = False, 0, None, []  # who takes it next empties it

    def cut(self, seat: Seat, n_past: int) -> None:
        """Leave the first `n_past` tokens in memory, or none where the memory cannot be cut."""
        whole = False
        try:
            whole = self._context.cut(seat.number, n_past)
        finally:
            seat.n_past = n_past if whole else 0
        if seat.stem is not None and seat.stem.n_cells > seat.n_past:
            seat.stem = None

    def clear(self, seat: Seat) -> None:
        """Takes a sequence that nobody has out of memory with all of its tokens, those not yet told of here
        included.

        Where nobody has a sequence, and none is kept, the memory is emptied as a whole, so that the next text's cells
        stand where they would after a load. Who has one may have tokens there that are not told of yet.
        """
        seat.n_past, seat.stem, seat.tokens = 0, None, []
        if any(other.taken or other.n_past for other in self._all):
            self._context.remove(seat.number)
            seat.written = False
        else:
            self._empty()

    def evict(self) -> bool:
        """Empties the kept sequence that was unused for longest. False where there is none."""
        seat = min(self._kept(), key=lambda seat: seat.used, default=None)
        if seat is None:
            return False
        self.clear(seat)
        return True

    def restore(self) -> None:
        """After a decode that did not come to its end: back to what was before it."""
        if self._context.keeps_order:
            for seat in self._all:
                if seat.taken:
                    self.cut(seat, seat.n_past)
        else:
            self.forget()

    def forget(self) -> None:
        """Empties the memory of all sequences. Those that are taken are told that their texts are to be computed again,
        so that no decode's results may be read after it."""
        self._empty()
        for seat in self._all:
            seat.n_past, seat.stem, seat.written = 0, None, seat.taken
            if not seat.taken:
                seat.tokens = []

    def _empty(self) -> None:
        self._context.clear()
        for seat in self._all:
            seat.written = False

    def _kept(self) -> Iterator[Seat]:
        return (seat for seat in self._all if seat.n_past and not seat.taken)

    def _alike(self, free: Sequence[Seat], tokens: list[int], scope: str) -> Seat | None:
        """A free sequence that now has a beginning of `tokens` that one of this scope had; None where none has."""
        empty = next((seat for seat in free if not seat.n_past), None)
        for seats in (self._all, free):
            most, best = _longest(seats, tokens, scope)
            if best is None:
                return None
            if best.taken or (empty is not None and most < best.n_past * WORTH_KEEPING):
                if empty is not None and self._share(best, empty, most):
                    return empty
                if best.taken:  # it cannot be shared, but one that is free may be as good
                    continue
            if most < best.n_past:
                self.cut(best, most)
            return best
        return None

    def _share(self, source: Seat, target: Seat, n_past: int) -> bool:
        target.tokens, target.written = [], True
        if not self._context.share(source.number, target.number, n_past):
            return False
        if source.stem is None or source.stem.n_cells != n_past:
            source.stem = Stem(n_past)
        target.stem, target.n_past = source.stem, n_past
        return True

    def _give(self, seat: Seat) -> None:
        self._uses += 1
        seat.used = self._uses
        seat.taken = seat.written = True


def _longest(seats: Iterable[Seat], tokens: list[int], scope: str) -> tuple[int, Seat | None]:
    """The sequence that has the most first tokens of these, and how many: all but the last at most."""
    most, best = 0, None
    for seat in seats:
        if seat.n_past and seat.scope == scope:
            common = common_prefix(seat.tokens, tokens, min(seat.n_past, len(tokens) - 1))
            if common > most:
                most, best = common, seat
    return most, best


def common_prefix(one: Sequence[int], other: Sequence[int], most: int) -> int:
    """How many first tokens are the same in both, at most `most`."""
    least, most = 0, min(most, len(one), len(other))
    while least < most:  # comparing slices is quicker than a loop over the tokens
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least
