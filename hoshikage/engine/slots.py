"""Does what llama-server does with its slots: one sequence saved to a file, restored from one, emptied. Engine
thread."""

from __future__ import annotations

from hoshikage.engine.kv_sequence import KvSequence
from hoshikage.engine.sequence_pool import SequencePool
from hoshikage.engine.stored_sequences import StoredSequences
from hoshikage.errors import InvalidRequest, NotSupported
from hoshikage.kv_file import DamagedState
from hoshikage.params import SlotTask


def do(task: SlotTask, pool: SequencePool) -> tuple[int, int]:
    """Does it; how many tokens and bytes that was. Raises InvalidRequest, NotSupported."""
    stored = pool.stored
    if stored is None or not stored.works:
        raise NotSupported("engine.slots_unstored")
    sequence = pool.numbered(task.number)
    if sequence is None:
        raise InvalidRequest("engine.slot_unknown", param="id", number=task.number)
    if sequence.taken:
        raise InvalidRequest("engine.slot_busy", param="id", number=task.number)
    if task.action == "erase":
        n_tokens = sequence.n_past
        pool.clear(sequence)
        return n_tokens, 0
    return (_save if task.action == "save" else _restore)(task, sequence, pool, stored)


def _save(task: SlotTask, sequence: KvSequence, pool: SequencePool, stored: StoredSequences) -> tuple[int, int]:
    if not sequence.n_past:
        raise InvalidRequest("engine.slot_empty", param="id", number=task.number)
    n_bytes = stored.write(task.path, sequence)
    if not n_bytes:
        raise InvalidRequest("engine.slot_unsaved", param="filename")
    return sequence.n_past, n_bytes


def _restore(task: SlotTask, sequence: KvSequence, pool: SequencePool, stored: StoredSequences) -> tuple[int, int]:
    row = stored.opened(task.path)
    try:
        restored = row is not None and stored.restore(row, sequence, pool, row.header.scope)
    except (DamagedState, OSError):
        restored = False
    if row is None or not restored:
        raise InvalidRequest("engine.slot_file", param="filename")
    return len(row.tokens), row.header.n_bytes
