"""Holds the sequences of one KV memory: who has which, what stays in them, and how many cells are left. Engine thread.

By default a sequence is emptied when its answer has ended. Where a request allows it, what has been computed stays, and
a later prompt of the same scope that begins alike goes on behind the common beginning, or, where the memory cannot be
cut, behind the last checkpoint in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from hoshikage.engine.checkpoints import Checkpoint, Checkpoints
from hoshikage.engine.kv_sequence import KvSequence, SharedPrefix
from hoshikage.engine.spans import Spans
from hoshikage.llama.adapters import Adapters
from hoshikage.llama.context import Context
from hoshikage.params import AdapterSet

if TYPE_CHECKING:
    from hoshikage.engine.stored_sequences import StoredSequences

WORTH_KEEPING: Final = 0.5
"""A kept sequence of which a prompt needs less than this share is left as it is, while another is empty."""


class SequencePool:
    """This holds all sequences of a context."""

    def __init__(
        self,
        context: Context,
        count: int,
        adapters: Adapters | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """`adapters` changes what the context computes with; None where it never changes. `checkpoints` are of this
        context; None where its memory needs none."""
        self._context = context
        self._all = tuple(map(KvSequence, range(count)))
        self._uses = 0
        self._adapters = adapters
        self._checkpoints = checkpoints
        self.stored: StoredSequences | None = None
        """`stored` holds what outlives the runner; None where nothing does."""

    def adapt(self, wanted: AdapterSet) -> bool:
        """Has the context compute with these adapters, and returns whether it does, now or already. They change while
        nobody has a sequence.

        Raises InferenceFailed, ModelLoadFailed, NotSupported.
        """
        if self._adapters is None or self._context.adapters == wanted:
            return True
        if any(sequence.taken for sequence in self._all):
            return False
        if not self._adapters.keeps(self._context, wanted):
            self.forget()
        self._adapters.use(self._context, wanted)
        return True

    @property
    def free(self) -> int:
        """Counts the sequences that nobody has."""
        return sum(not sequence.taken for sequence in self._all)

    @property
    def cells_left(self) -> int:
        """Counts the cells that hold nothing. Cells that sequences share may be counted too often, never too seldom."""
        prefixes = {sequence.prefix: sequence.prefix.n_cells for sequence in self._all if sequence.prefix is not None}
        own = sum(
            sequence.n_past - (sequence.prefix.n_cells if sequence.prefix is not None else 0) for sequence in self._all
        )
        held: int = own + sum(prefixes.values())
        return self._context.n_cells - held

    @property
    def kept(self) -> list[KvSequence]:
        """Returns the sequences that nobody has, and that hold a text; the one that was used last comes first."""
        return sorted(self._kept(), key=lambda sequence: -sequence.used)

    @property
    def least(self) -> KvSequence:
        """Returns, of the sequences that nobody has, the one whose loss costs least. There must be one."""
        return _least(sequence for sequence in self._all if not sequence.taken)

    def numbered(self, number: int) -> KvSequence | None:
        """Returns the sequence of that number, where there is one."""
        return self._all[number] if 0 <= number < len(self._all) else None

    def known(self, tokens: Sequence[int], scope: str) -> int:
        """Returns how many of the first tokens of a text some sequence has, or a checkpoint."""
        maximum, checkpoints = self._longest(self._all, tokens, scope)[0], self._checkpoints
        one = None if checkpoints is None else checkpoints.alike(tokens, scope, len(tokens) - 1)
        return maximum if one is None else max(maximum, one.n_past)

    @property
    def cells_kept(self) -> int:
        """Cells that only kept sequences hold, and that can be had by `evict`."""
        return sum(sequence.n_past for sequence in self._kept())

    def has(self, number: int | None) -> bool:
        """Returns whether nobody has the sequence of this number; whether there is any such for None, or for no number
        here."""
        if number is None or number >= len(self._all):
            return self.free > 0
        return not self._all[number].taken

    def take(
        self,
        tokens: list[int],
        scope: str,
        *,
        reuse: bool,
        spans: Spans | None = None,
        number: int | None = None,
        border: int | None = None,
    ) -> KvSequence | None:
        """Takes a sequence for this text, with as much of it in memory as is at hand; None where all are taken, or the
        one of this `number`, where there is such a one.

        At least the last token is left to be computed. The list stays the caller's: what it appends is seen here. With
        a `border` the scope is that of the tokens before it, and no others are taken.
        """
        wanted = self._all if number is None else self._all[number : number + 1] or self._all
        free = [sequence for sequence in wanted if not sequence.taken]
        if not free:
            return None
        any_will_do = wanted is self._all
        others: Sequence[KvSequence] = self._all if any_will_do else free
        if reuse and any_will_do and self.stored is not None:
            self.stored.take_back(self, tokens, scope)
        begin = tokens if border is None else tokens[: border + 1]
        sequence = self._alike(free, begin, scope, spans, others) if reuse else None
        if sequence is None:
            sequence = self.least if any_will_do else free[0]
            if sequence.n_past or sequence.written:
                self.clear(sequence)
        sequence.tokens, sequence.spans, sequence.scope, sequence.room = tokens, spans, scope, None
        if reuse and border is None and self._checkpoints is not None:
            self._checkpoints.watch(sequence)
        self._give(sequence)
        return sequence

    def fork(self, source: KvSequence) -> KvSequence | None:
        """Returns a sequence that has what `source` has in memory; None where none is empty, or the memory cannot
        share."""
        target = next((sequence for sequence in self._all if not sequence.taken and not sequence.n_past), None)
        if target is None or not self._share(source, target, source.n_past):
            return None
        target.scope, target.room = source.scope, None
        self._give(target)
        return target

    def release(self, sequence: KvSequence, *, keep: bool) -> None:
        """Takes back a sequence whose text goes no further. `keep`: what is computed stays for the next of its
        scope."""
        sequence.taken = False
        try:
            if keep and sequence.n_past:
                sequence.tokens = sequence.tokens[: sequence.n_past]
                # Of an answer that was given up, more was computed than is told here.
                self.cut(sequence, sequence.n_past)
            else:
                self.clear(sequence)
        except BaseException:
            self._holds_nothing(sequence)
            raise

    def reclaim(self, held: Iterable[KvSequence]) -> None:
        """Frees the sequences that are taken and that nobody holds: what had them came to grief."""
        held = {*held}
        for sequence in self._all:
            if sequence.taken and sequence not in held:
                sequence.taken = False
                self._holds_nothing(sequence)

    def cut(self, sequence: KvSequence, n_past: int) -> bool:
        """Leaves the first `n_past` tokens in memory. False where the memory cannot be cut there: then there are fewer,
        those of the last checkpoint before, or none."""
        reached, context, number = 0, self._context, sequence.number
        try:
            if n_past and context.shorten(number, sequence.position(n_past)):
                reached = n_past
            else:
                checkpoints = self._checkpoints
                reached = self._go_back(
                    sequence, None if checkpoints is None else checkpoints.longest(sequence, n_past)
                )
        finally:
            self._holds(sequence, reached)
        return reached == n_past

    def clear(self, sequence: KvSequence) -> None:
        """Takes a sequence that nobody has out of memory with all of its tokens, those not yet told of here
        included.

        Where nobody has a sequence, and none is kept, the memory is emptied as a whole, so that the next text's cells
        stand where they would after a load. Who has one may have tokens there that are not told of yet.
        """
        self._holds_nothing(sequence)
        if any(other.taken or other.n_past for other in self._all):
            self._context.remove(sequence.number)
            sequence.written = False
        else:
            self._empty()

    def evict(self) -> bool:
        """Empties the kept sequence that was unused for longest. False where there is none."""
        sequence = min(self._kept(), key=lambda sequence: sequence.used, default=None)
        if sequence is None:
            return False
        self.clear(sequence)
        return True

    def restore(self) -> None:
        """Goes back to what was before a decode that did not come to its end."""
        if self._context.keeps_order:
            for sequence in self._all:
                if sequence.taken:
                    self.cut(sequence, sequence.n_past)
        else:
            self.forget()

    def forget(self) -> None:
        """Empties the memory of all sequences. Those that are taken are told that their texts are to be computed again,
        so that no decode's results may be read after it."""
        self._empty()
        for sequence in self._all:
            self._holds(sequence, 0)
            sequence.written = sequence.taken
            if not sequence.taken:
                sequence.tokens = []

    def _empty(self) -> None:
        self._context.clear()
        for sequence in self._all:
            sequence.written = False

    def _kept(self) -> Iterator[KvSequence]:
        return (sequence for sequence in self._all if sequence.n_past and not sequence.taken)

    def _alike(
        self,
        free: Sequence[KvSequence],
        tokens: list[int],
        scope: str,
        spans: Spans | None,
        others: Sequence[KvSequence],
    ) -> KvSequence | None:
        """Finds a free sequence that now has a beginning of `tokens` that one of these `others` and of this scope had;
        None where none has."""
        empty = next((sequence for sequence in free if not sequence.n_past), None)
        stored = None if self._checkpoints is None else self._checkpoints.alike(tokens, scope, len(tokens) - 1)
        for pool in (others, free):
            maximum, best = self._longest(pool, tokens, scope)
            if stored is not None and stored.n_past > maximum:
                return self._from(stored, free, tokens, spans)
            if best is None:
                return None
            if best.taken or (empty is not None and maximum < best.n_past * WORTH_KEEPING):
                if empty is not None and self._share(best, empty, maximum):
                    return empty
                if best.taken:  # it cannot be shared, but one that is free may be as good
                    continue
            if maximum < best.n_past:
                self.cut(best, maximum)
            return best
        return None

    def _longest(self, pool: Iterable[KvSequence], tokens: Sequence[int], scope: str) -> tuple[int, KvSequence | None]:
        """Returns the sequence that can go on behind most first tokens of these, and how many: all but the last at
        most."""
        maximum, best = 0, None
        for sequence in pool:
            if sequence.n_past and sequence.scope == scope:
                common = common_prefix(sequence.tokens, tokens, min(sequence.n_past, len(tokens) - 1))
                if sequence.spans is not None:
                    common = sequence.spans.whole(common)
                if common > maximum and (usable := self._usable(sequence, common)) > maximum:
                    maximum, best = usable, sequence
        return maximum, best

    def _usable(self, sequence: KvSequence, common: int) -> int:
        """Returns behind how many of its first `common` tokens a sequence can go on."""
        context, end = self._context, sequence.position(common)
        is_free = not sequence.taken or context.can_cut  # else it cannot share its last state
        if is_free and (
            common == sequence.n_past or context.cuts_anywhere or context.reaches_back(sequence.number, end)
        ):
            return common
        checkpoint = self._held(sequence, common)
        return 0 if checkpoint is None else checkpoint.n_past

    def _held(self, sequence: KvSequence, maximum: int) -> Checkpoint | None:
        return None if self._checkpoints is None else self._checkpoints.held(sequence, maximum)

    def _go_back(self, sequence: KvSequence, checkpoint: Checkpoint | None) -> int:
        """Goes back to the checkpoint, and returns how many tokens the sequence then has in memory: the checkpoint's,
        or none."""
        if checkpoint is not None and self._checkpoints is not None and self._checkpoints.put(checkpoint, sequence):
            return checkpoint.n_past
        self._context.remove(sequence.number)
        return 0

    def _from(
        self, checkpoint: Checkpoint, free: Sequence[KvSequence], tokens: list[int], spans: Spans | None
    ) -> KvSequence | None:
        """Returns a free sequence that now has what the checkpoint has, which is a beginning of these tokens."""
        sequence = _least(free)
        self.clear(sequence)
        while self.cells_left < checkpoint.n_past and self.evict():
            pass
        sequence.tokens, sequence.spans, sequence.written = tokens[: checkpoint.n_past], spans, True
        self._holds(sequence, self._go_back(sequence, checkpoint))
        return sequence if sequence.n_past else None

    def _share(self, source: KvSequence, target: KvSequence, n_past: int) -> bool:
        target.tokens, target.written = [], True
        target.spans, amend = source.spans, None
        if n_past < source.n_past and not self._context.reaches_back(source.number, source.position(n_past)):
            checkpoint = self._held(source, n_past)
            if checkpoint is not None and self._checkpoints is not None:
                amend = partial(self._checkpoints.put, checkpoint, target)
        if not self._context.share(source.number, target.number, source.position(n_past), amend):
            return False
        if source.prefix is None or source.prefix.n_cells != n_past:
            source.prefix = SharedPrefix(n_past)
        target.prefix, target.n_past = source.prefix, n_past
        if self._checkpoints is not None:
            self._checkpoints.shared(source, target, n_past)
        return True

    def _holds(self, sequence: KvSequence, n_past: int) -> None:
        """The memory has the first `n_past` tokens of a sequence, and no others."""
        sequence.n_past = n_past
        if sequence.prefix is not None and sequence.prefix.n_cells > n_past:
            sequence.prefix = None
        if self._checkpoints is not None:
            self._checkpoints.cut(sequence, n_past)

    def _holds_nothing(self, sequence: KvSequence) -> None:
        """Forgets a sequence that nobody has. Where the memory still has some of it, who takes it next empties it."""
        self._holds(sequence, 0)
        sequence.tokens, sequence.room = [], None

    def _give(self, sequence: KvSequence) -> None:
        self._uses += 1
        sequence.used = self._uses
        sequence.taken = sequence.written = True


def _least(free: Iterable[KvSequence]) -> KvSequence:
    """Returns the sequence that is missed least: an empty one, or the one unused for longest."""
    return min(free, key=lambda sequence: (sequence.n_past > 0, sequence.used))


def common_prefix(one: Sequence[int], other: Sequence[int], maximum: int) -> int:
    """Returns how many first tokens are the same in both, at most `maximum`."""
    minimum, maximum = 0, min(maximum, len(one), len(other))
    while minimum < maximum:  # comparing slices is quicker than a loop over the tokens
        middle = (minimum + maximum + 1) // 2
        if one[minimum:middle] == other[minimum:middle]:
            minimum = middle
        else:
            maximum = middle - 1
    return minimum
