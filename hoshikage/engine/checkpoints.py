"""Keeps copies of what a memory that cannot be cut held at some places of its texts, to go on from there. Engine
thread.

A recurrent layer keeps its last state, a window what it has not left. A copy is made in front of the newest message,
behind it, and every so many tokens: at the first two the next prompt of a conversation parts from this one at the
earliest, whatever the template then makes of the answer. Where the library leaves out what stays in the memory anyway,
a copy counts for the sequences that hold the text's other tokens; else it is whole, and counts for all of its scope.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from hoshikage.engine.kv_sequence import KvSequence
from hoshikage.llama.context import Context
from hoshikage.llama.state import SequenceStates, State
from hoshikage.params import LoadParams

SPAN: Final = 64
"""At least so many tokens lie between two checkpoints: each takes a decode of its own, which computes about as many."""
TAIL: Final = 16
"""A prompt ends with so many tokens that open the answer, at most."""
MANY: Final = 8
"""Where fewer checkpoints fit, they are made for ends of turns alone, so that those are not driven out."""
MAX_CHECKPOINTS: Final = 1024
"""All are looked at for each prompt."""
MIB: Final = 2**20
MASK: Final = 2**64 - 1
"""What stands for pictures among tokens are numbers below 0."""


@dataclass(eq=False, slots=True)
class Checkpoint:
    """This is the state behind the first `n_past` tokens of a text."""

    n_past: int
    state: State
    key: tuple[str, bytes] | None
    """`key` is scope and digest of its tokens, where it is whole."""
    holders: set[int] = field(default_factory=set)
    """`holders` are the numbers of the sequences that hold what it leaves out, where it is not whole."""
    used: int = 0


class Checkpoints:
    """These are all checkpoints of one context, within `max_bytes`. Where nothing is to be kept, it does nothing."""

    def __init__(self, context: Context, is_control: Callable[[int], bool], max_bytes: int, every: int) -> None:
        """`is_control` tells the tokens that stand between messages. `every`: 0 makes them at ends of turns alone."""
        self._states = SequenceStates(context)
        self._context = context
        self._is_control = is_control
        self._max_bytes = max_bytes
        self.every = every
        self._all: list[Checkpoint] = []
        self.n_bytes = 0
        self._uses = 0

    @classmethod
    def open(cls, context: Context, params: LoadParams, is_control: Callable[[int], bool]) -> Checkpoints | None:
        """Opens an empty store; returns None where the memory can be cut, or none are wanted, or the release copies no
        states."""
        if context.cuts_anywhere or not params.checkpoint_memory or "sequence_state" in context.model.library.lacks:
            return None
        return cls(context, is_control, params.checkpoint_memory * MIB, params.checkpoint_tokens)

    def __len__(self) -> int:
        return len(self._all)

    # Made

    def watch(self, sequence: KvSequence) -> None:
        """Lets checkpoints be made from now on as the sequence's text is computed. All of the text is a prompt."""
        sequence.room = _Watch(self, sequence, marks(sequence.tokens, self._is_control)).room

    def make(self, sequence: KvSequence, *, turn: bool) -> None:
        """Keeps the state behind what is computed of a sequence, unless it is too large. `turn`: it is a turn's end."""
        states, number = self._states, sequence.number
        sequence.checked = sequence.n_past
        size = states.size(number)
        part = states.size(number, part=True) if states.has_part else size
        room = self._max_bytes if turn else self._max_bytes // MANY
        if not part or min(part, size) > room:
            return
        key = None if part < size else (sequence.scope, digest(sequence.tokens[: sequence.n_past]))
        if key is not None and (known := next((one for one in self._all if one.key == key), None)) is not None:
            self._use(known)
            return
        try:
            state = states.get(number, part=part < size)
        except MemoryError:
            return
        if state is not None:
            checkpoint = Checkpoint(sequence.n_past, state, key, set() if part == size else {number})
            self._all.append(checkpoint)
            self.n_bytes += state.nbytes
            self._use(checkpoint)
            while self.n_bytes > self._max_bytes or len(self._all) > MAX_CHECKPOINTS:
                self._drop(min(self._all, key=lambda one: one.used))

    # Found

    def longest(self, sequence: KvSequence, maximum: int) -> Checkpoint | None:
        """Returns the longest one that a sequence can go back to, at most to its first `maximum` tokens."""
        both = (self.held(sequence, maximum), self.alike(sequence.tokens[:maximum], sequence.scope, maximum))
        return max(filter(None, both), key=lambda one: one.n_past, default=None)

    def held(self, sequence: KvSequence, maximum: int) -> Checkpoint | None:
        """Returns the longest of those that only sequences can go back to that hold what they leave out."""
        held = (one for one in self._all if sequence.number in one.holders and one.n_past <= maximum)
        return max(held, key=lambda one: one.n_past, default=None)

    def alike(self, tokens: Sequence[int], scope: str, maximum: int) -> Checkpoint | None:
        """Returns the longest checkpoint of a beginning of this text, of `maximum` tokens at most, that any sequence
        can go on from."""
        whole = [one for one in self._all if one.key is not None and one.key[0] == scope and one.n_past <= maximum]
        result, hashed, done = None, blake2b(digest_size=16), 0
        for one in sorted(whole, key=lambda one: one.n_past):
            if one.n_past > done:
                hashed.update(_raw(tokens[done : one.n_past]))
                done = one.n_past
            if one.key == (scope, hashed.digest()):
                result = one
        return result

    # Gone back to

    def put(self, checkpoint: Checkpoint, sequence: KvSequence) -> bool:
        """The sequence has what the checkpoint's text has in memory. False where that cannot be; then it is good for
        nothing, and to be taken out."""
        number = sequence.number
        done = self._states.put(number, checkpoint.state, part=checkpoint.key is None)
        if done and self._context.shorten(number, sequence.position(checkpoint.n_past)):
            self._use(checkpoint)
            sequence.checked = checkpoint.n_past
            return True
        return False

    # Told of what happens to sequences

    def shared(self, source: KvSequence, target: KvSequence, n_past: int) -> None:
        """`target` holds the first `n_past` tokens of `source`, too."""
        target.checked = min(source.checked, n_past)
        for one in self._all:
            if source.number in one.holders and one.n_past <= n_past:
                one.holders.add(target.number)

    def cut(self, sequence: KvSequence, n_past: int) -> None:
        """A sequence holds its first `n_past` tokens, and no others."""
        sequence.checked = min(sequence.checked, n_past)
        for one in [one for one in self._all if sequence.number in one.holders and one.n_past > n_past]:
            one.holders.remove(sequence.number)
            if not one.holders:
                self._drop(one)

    def _use(self, checkpoint: Checkpoint) -> None:
        self._uses += 1
        checkpoint.used = self._uses

    def _drop(self, checkpoint: Checkpoint) -> None:
        self._all.remove(checkpoint)
        self.n_bytes -= checkpoint.state.nbytes


class _Watch:
    """Has the checkpoints of one text made."""

    def __init__(self, checkpoints: Checkpoints, sequence: KvSequence, places: Sequence[int]) -> None:
        self._checkpoints = checkpoints
        self._sequence = sequence
        self._marks = places
        self._due = self._next()

    def room(self, room: int) -> int:
        """Returns how many of `room` tokens the next decode may compute of a prompt, so that it ends where the next is
        due. Called before each decode: where one is due now, it is made."""
        n_past = self._sequence.n_past
        if n_past >= self._due:
            self._checkpoints.make(self._sequence, turn=self._due in self._marks)
            self._due = self._next()
        return max(1, min(room, self._due - n_past))

    def _next(self) -> int:
        checked, n_past = self._sequence.checked, self._sequence.n_past
        every = self._checkpoints.every or FAR
        mark = next((mark for mark in self._marks if mark > n_past and mark - checked >= SPAN), FAR)
        return min(mark, max(checked + every, n_past + 1))


FAR: Final = 2**62
"""No text is so long."""


def marks(tokens: Sequence[int], is_control: Callable[[int], bool]) -> tuple[int, ...]:
    """Returns where a prompt's newest message begins and ends, as far as control tokens tell; else a place near its
    end.

    What comes behind the newest message opens the answer. In a later prompt that may be written in another way: without
    the thoughts, or with what they are replaced by.
    """
    end = len(tokens)
    behind = next((at for at in range(max(0, end - TAIL), end) if is_control(tokens[at])), max(0, end - TAIL))
    before = next((at + 1 for at in range(behind - 1, -1, -1) if is_control(tokens[at])), 0)
    return tuple(place for place in (before, behind) if place)


def digest(tokens: Sequence[int]) -> bytes:
    """Makes the bytes that stand for a text."""
    return blake2b(_raw(tokens), digest_size=16).digest()


def _raw(tokens: Sequence[int]) -> bytes:
    return array("Q", (token & MASK for token in tokens)).tobytes()
