"""This is a session that has a sequence: what of its text is in memory, and what of it goes into a decode. Engine
thread."""

from __future__ import annotations

from collections.abc import Sequence

from hoshikage._ffi.batch import Batch
from hoshikage.engine.costs import BatchCost
from hoshikage.engine.kv_sequence import KvSequence
from hoshikage.engine.session import Session
from hoshikage.llama.context import MAX_PROPOSED
from hoshikage.llama.projector import Piece


class Running:
    """Pairs a session with the sequence it has until it leaves. A session that waits has none."""

    __slots__ = ("_last_index", "index", "job", "movable", "proposed", "sequence", "session")

    def __init__(self, session: Session, sequence: KvSequence) -> None:
        sequence.tokens, sequence.spans = session.tokens, session.plan.prompt.spans
        sequence.border = session.plan.wakes if session.asleep else None
        session.attached(sequence.number, sequence.n_past)
        self.job = session.job
        self.session = session
        self.movable = session.movable
        self.sequence = sequence
        self.index: int | None = None
        """`index` says where in the decoded batch this session's logits are; None while its text is not all in."""
        self.proposed: Sequence[int] = ()
        """The batch has these behind the text's last token."""
        self._last_index = 0

    @property
    def pending(self) -> int:
        """Counts the tokens that are still to be computed, up to the next picture or sound; none where that is next."""
        sequence = self.sequence
        if sequence.spans is None and sequence.border is None:
            return len(self.session.tokens) - sequence.n_past
        return sequence.reach - sequence.n_past

    @property
    def medium(self) -> Piece | None:
        """Gives the picture or sound that is to be computed next, if one is."""
        sequence = self.sequence
        return None if sequence.spans is None else sequence.spans.at(sequence.n_past)

    def fill(self, batch: Batch, room: int) -> int:
        """Puts pending tokens into the batch, `room` at most; logits only behind the last of all. How many they are.

        Where a prompt's tokens are scored, it is one: not every release gives one sequence the logits of several.
        """
        sequence, session = self.sequence, self.session
        tokens, n_past = session.tokens, sequence.n_past
        position, pending, is_end = n_past, len(tokens) - n_past, True
        if sequence.spans is not None or sequence.border is not None:
            position, pending = sequence.position(n_past), sequence.reach - n_past
            is_end = n_past + pending == len(tokens)
        self.index = None
        if sequence.room is not None:
            limit = sequence.room(room)
            room = room if session.flows else limit
        self.proposed = ()  # those of a decode that came to nothing are not in this one
        if pending == 1 and is_end:
            self._last_index = self.index = batch.add(tokens[-1], position, sequence.number, True)
            return 1 if session.proposer is None else 1 + self._propose(batch, room - 1)
        if session.is_scored:
            self._last_index = batch.add(tokens[n_past], position, sequence.number, True)
            return 1
        if pending > room or not is_end:
            count = min(pending, room)
            batch.extend(tokens[n_past : n_past + count], position, sequence.number)
            return count
        batch.extend(tokens[n_past:-1], position, sequence.number)
        self._last_index = self.index = batch.add(tokens[-1], position + pending - 1, sequence.number, True)
        return pending if session.proposer is None else pending + self._propose(batch, room - pending)

    def progressed(self) -> None:
        """Tells how far its prompt is, and scores the token that was computed, where that is asked for."""
        self.session.progressed(self.sequence.n_past, self._last_index)

    def verified(self) -> bool:
        """Counts the guesses that were right as computed. Whether others stand in memory behind them."""
        right = self.session.right
        self.sequence.n_past += right
        loose = right < len(self.proposed)
        self.proposed = ()
        return loose

    def _propose(self, batch: Batch, room: int) -> int:
        """Puts what may come next behind the last token. How many tokens it is."""
        session, number = self.session, self.sequence.number
        self.proposed = proposed = session.propose(room)
        position = self.sequence.position(len(session.tokens))
        for offset, token in enumerate(proposed):
            batch.add(token, position + offset, number, True)
        return len(proposed)


def with_follower(session: Session, sequence: KvSequence) -> Running:
    """Opens the job's next choice, with this sequence."""
    follower = session.follower()
    try:
        return Running(follower, sequence)
    except BaseException:
        follower.close()
        raise


def arrival(session: Session | Running) -> int:
    """The one that came first has the least."""
    return session.job


def parted(sessions: Sequence[Running]) -> tuple[list[Running], list[Running]]:
    """Returns the sessions that have a few tokens to compute, and those that have a prompt; what waits for a picture is
    in neither."""
    flowing: list[Running] = []
    prompts: list[Running] = []
    for running in sessions:
        pending = running.pending
        if pending > 1 + MAX_PROPOSED:
            prompts.append(running)
        elif pending:
            flowing.append(running)
    return flowing, prompts


class Turns:
    """This says who is decoded next, where all at once would be slower for all."""

    def __init__(self) -> None:
        self._next = 0
        """The next answer to be decoded has this place."""

    def group(self, flowing: list[Running], cost: BatchCost) -> list[Running]:
        """Returns the answers that are decoded now: all of them, or fewer in turn where fewer at a time are quicker for
        all."""
        size = cost.group(len(flowing))
        if size == len(flowing):
            return flowing
        first = self._next % len(flowing)
        self._next = first + size
        return [*flowing, *flowing][first : first + size]
