"""Divides a conversation as memory sees it: exchanges, and from where on they stay word for word. Any thread; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from hoshikage.params import Message

TURN_TOKENS: Final = 8
"""Templates write about so many tokens around a turn."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A user said something, and all that came of it belongs to the exchange: thoughts, calls, their results, the
    answer."""

    messages: tuple[Message, ...]

    def spoken(self) -> list[Message]:
        """Lists the turns that were said in words. A call is left out with its result and what was said with it."""
        return [
            one
            for one in self.messages
            if one.role in ("user", "assistant") and isinstance(one.content, str) and not one.extra.get("tool_calls")
        ]


@dataclass(frozen=True, slots=True)
class Conversation:
    """These are the exchanges, and the system texts that stand before and between them."""

    systems: tuple[tuple[int, Message], ...]
    """Each system text has the number of exchanges before it."""
    exchanges: tuple[Exchange, ...]

    def with_digest(self, condensed: int, digest: Message) -> tuple[Message, ...]:
        """Returns the system texts of what is condensed, the digest, and the rest as it was."""
        early = [message for before, message in self.systems if before <= condensed]
        late: list[Message] = []
        for number in range(condensed, len(self.exchanges) + 1):
            late += [message for before, message in self.systems if before == number > condensed]
            late += self.exchanges[number].messages if number < len(self.exchanges) else ()
        return (*early, digest, *late)


def conversation_of(messages: Sequence[Message]) -> Conversation:
    """An exchange begins with a turn of the user; turns before the first one belong to it, and two that follow each
    other are one."""
    systems: list[tuple[int, Message]] = []
    exchanges: list[list[Message]] = []
    before = ""
    for message in messages:
        if message.role == "system":
            systems.append((len(exchanges), message))
        elif not exchanges or (message.role == "user" and before != "user"):
            exchanges.append([message])
        else:
            exchanges[-1].append(message)
        before = message.role
    return Conversation(tuple(systems), tuple(Exchange(tuple(one)) for one in exchanges))


def written(message: Message) -> str:
    """Returns about what a template writes of a turn, for counting."""
    text = message.content if isinstance(message.content, str) else ""
    return text + msgspec.json.encode(message.extra).decode() if message.extra else text


def condensed_count(sizes: Sequence[int], fixed: int, digest: int, room: int, raw: int) -> int:
    """Returns how many of the oldest exchanges are condensed. It only grows while a conversation does, and in steps:
    whenever an exchange no longer fits, all but the last `raw` are condensed, and then nothing for a while.

    `sizes` are the tokens of each exchange, `fixed` those of what always stays, `digest` those of a digest at most;
    all of them shall fit in `room`.
    """
    start = held = 0
    for index, size in enumerate(sizes):
        held += size
        if fixed + held + (digest if start else 0) > room and index + 1 - raw > start:
            start = index + 1 - raw
            held = sum(sizes[start : index + 1])
    return start


def digest_of(*parts: str) -> str:
    """Tells texts apart without keeping them."""
    made = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        made.update(len(raw).to_bytes(8, "little") + raw)
    return made.hexdigest()
