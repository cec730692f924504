"""Wakes adapters that are active from their invocation on (aLoRA): what stands before it is computed without them, and
kept for whoever has the same beginning. Engine thread.

Adapters change while nobody has a sequence. So a session that has computed so much gives its sequence back, and goes
on from it as soon as the adapter can be used.
"""

from __future__ import annotations

from bisect import insort

from hoshikage.engine.kv_sequence import KvSequence
from hoshikage.engine.running import Running, arrival
from hoshikage.engine.sequence_pool import SequencePool
from hoshikage.engine.session import Session
from hoshikage.params import AdapterSet


def adapters_of(session: Session) -> AdapterSet:
    """Returns the adapters that its next tokens are computed with."""
    return session.plan.without if session.asleep else session.plan.adapters


def sequence_for(session: Session, pool: SequencePool) -> KvSequence | None:
    """Finds a sequence for the session, whose adapters are in use; None where there is none, or they cannot change
    now."""
    plan, spans = session.plan, session.plan.prompt.spans
    if not plan.wakes:
        reuse = plan.reuse and not session.is_scored
        return pool.take(session.tokens, plan.scope, reuse=reuse, spans=spans, number=plan.slot)
    sequence = pool.take(session.tokens, plan.scope, reuse=True, spans=spans, number=plan.slot, border=plan.wakes)
    if sequence is None or session.asleep is (sequence.n_past < plan.wakes):
        return sequence
    session.asleep = not session.asleep  # what it waits for is there, or what it had was lost while it waited
    pool.release(sequence, keep=True)
    return sequence_for(session, pool) if pool.adapt(adapters_of(session)) else None


def turn(running: list[Running], standing: list[Session], pool: SequencePool) -> bool:
    """Takes their sequences from sessions that have all they need without an adapter, or have lost part of it, and lets
    them stand again. Returns whether any session that still runs has such an adapter."""
    for one in [
        each for each in running if each.session.asleep is not (each.sequence.n_past < each.session.plan.wakes)
    ]:
        session = one.session
        running.remove(one)
        session.rejoins, session.asleep = session.asleep, not session.asleep
        pool.release(one.sequence, keep=True)
        insort(standing, session, key=arrival)
    return any(one.session.plan.wakes for one in running)
