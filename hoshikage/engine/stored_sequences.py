"""Holds the sequences that outlive the runner: those that earlier ones put away, and those that this one does. Engine
thread.

A prompt that begins like one of them has it taken back into KV memory; before that nothing is read of it but its
header, so that a load costs nothing. The server gives the files and makes them last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hoshikage import kv_file, wire
from hoshikage.engine.kv_sequence import KvSequence
from hoshikage.engine.sequence_pool import SequencePool, common_prefix
from hoshikage.kv_file import DamagedState, Header
from hoshikage.llama.context import Context
from hoshikage.llama.state import SequenceStates

MIN_GAIN: Final = 32
"""Fewer tokens are as quickly computed as taken back."""
MIN_SHARE: Final = 0.25
"""A stored sequence takes longer to read than it saves where a prompt needs less than this share of it."""


@dataclass(frozen=True, slots=True)
class StoredSequence:
    """This is one file, with what it says of itself."""

    path: str
    header: Header
    tokens: list[int]


class StoredSequences:
    """This holds all that is stored for what is loaded now."""

    def __init__(self, context: Context, store: wire.StateStore, emit: Callable[[wire.Event], None]) -> None:
        """Reads the headers. Files that are no good, or are another load's, are told and passed over."""
        self._context = context
        self._states = SequenceStates(context)
        self._key, self._label = store.key, store.label
        self._emit = emit
        self._rows: list[StoredSequence] = []
        for path in store.paths if self.works else ():
            header = self._header(path)
            if header is not None:
                self._rows.append(StoredSequence(path, header, kv_file.unpacked(header.tokens)))

    @property
    def works(self) -> bool:
        """Tells whether the release can copy a sequence's state."""
        return self._states.has_whole

    def take_back(self, pool: SequencePool, tokens: Sequence[int], scope: str) -> None:
        """Has the stored sequence in the pool that has more of the tokens than any there, where there is one and a
        sequence is free."""
        row = self._better(tokens, scope, pool.known(tokens, scope)) if self._rows else None
        if row is None:
            return
        try:
            taken_back = self.restore(row, pool.least, pool, scope)
        except (DamagedState, OSError):
            self._emit(wire.StateLost(row.path))
            taken_back = False
        if not taken_back:
            self._rows.remove(row)

    def restore(self, row: StoredSequence, sequence: KvSequence, pool: SequencePool, scope: str) -> bool:
        """Has this one in a sequence that nobody has. False where it has not the cells, or the library refuses it: then
        the sequence is empty. Raises DamagedState, OSError, before anything is changed."""
        data = np.frombuffer(kv_file.read_state(row.path, row.header), np.uint8)
        pool.clear(sequence)
        while pool.cells_left < len(row.tokens) and pool.evict():
            pass
        sequence.written = True
        if self._states.put(sequence.number, data) and self._is_whole(sequence.number, len(row.tokens)):
            sequence.tokens, sequence.n_past = [*row.tokens], len(row.tokens)
            sequence.scope, sequence.spans = scope, None
            return True
        pool.clear(sequence)
        return False

    def opened(self, path: str) -> StoredSequence | None:
        """Opens a file that was saved for what is loaded now; None where it is no such file."""
        try:
            header = kv_file.read_header(path)
        except (DamagedState, OSError):
            return None
        return StoredSequence(path, header, kv_file.unpacked(header.tokens)) if header.key == self._key else None

    def _better(self, tokens: Sequence[int], scope: str, known: int) -> StoredSequence | None:
        """Returns the stored sequence that has most first tokens of these, where that is worth more than the `known`
        ones at hand."""
        maximum, best = known + MIN_GAIN - 1, None
        for row in self._rows:
            if row.header.scope != scope:
                continue
            common = common_prefix(row.tokens, tokens, len(tokens) - 1)
            if common > maximum and (common - known) >= MIN_SHARE * len(row.tokens) and self._fits(row, common):
                maximum, best = common, row
        return best

    def put_away(self, pool: SequencePool, command: wire.PutAway) -> wire.PutAwayDone:
        """Fills the command's files with what the pool keeps, the sequence that was used last first, as far as the
        files and its bytes suffice. What is stored already is told in place of being written again."""
        paths, left = [*command.paths], command.max_bytes
        written, unchanged = list[str](), list[str]()
        for sequence in pool.kept:
            tokens = sequence.tokens[: sequence.n_past]
            same = next((row for row in self._rows if (row.header.scope, row.tokens) == (sequence.scope, tokens)), None)
            if same is not None:
                unchanged.append(same.path)
            elif paths and (count := self.write(paths[0], sequence, left)):
                left -= count
                written.append(paths.pop(0))
        return wire.PutAwayDone(tuple(written), tuple(unchanged))

    def write(self, path: str, sequence: KvSequence, left: int | None = None) -> int:
        """Fills the file with the sequence, in `left` bytes at most. How many it took; 0 where it is not stored, as
        those with pictures and sounds are not: their tokens do not tell which they were."""
        n_vocab, number = self._context.model.vocab.n_tokens, sequence.number
        tokens = sequence.tokens[: sequence.n_past]
        if (
            sequence.spans
            or not self._is_whole(number, len(tokens))
            or not all(0 <= token < n_vocab for token in tokens)
        ):
            return 0
        if not self.works or (left is not None and kv_file.size_of(len(tokens), self._states.size(number)) > left):
            return 0
        state = self._states.get(number)
        if state is None:
            return 0
        try:
            return kv_file.write(path, self._key, sequence.scope, tokens, state.data, self._label)
        except OSError:  # no room, or nobody's file any more: what is lost can be computed again
            return 0

    def _header(self, path: str) -> Header | None:
        try:
            header = kv_file.read_header(path)
        except FileNotFoundError:
            return None
        except (DamagedState, OSError):
            header = None
        if header is None or header.key != self._key:
            self._emit(wire.StateLost(path))
            return None
        return header

    def _fits(self, row: StoredSequence, common: int) -> bool:
        """Returns whether the prompt can go on behind what they have in common: a memory that cannot be cut has to be
        had whole."""
        return len(row.tokens) <= self._context.n_cells and (self._context.cuts_anywhere or common == len(row.tokens))

    def _is_whole(self, number: int, count: int) -> bool:
        """Returns whether each of the sequence's tokens has the place that its number in the text is: pictures have
        others."""
        return self._context.last(number) in (None, count - 1)
