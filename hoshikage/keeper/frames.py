"""Defines the frames between server and keeper: typed, length-prefixed, size-limited, as those of `wire`. Any
thread."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from hoshikage.errors import Detail, HoshikageError, by_name

HEADER_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
Choice = Literal["clusters", "facts"]


class KeeperFrame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All frames have this base; each has a tag of its own, and the number of what it asks or answers."""

    number: int


# Asked by the server.


class SplitTexts(KeeperFrame, frozen=True, tag="split"):
    """Asks for the sentences of texts. Answered by Sentences."""

    texts: tuple[str, ...]
    model: str
    """`model` is the name of what makes the vectors; those of two models never meet."""
    clusters: bool = False
    """`clusters` tells whether they will be clustered: what that needs is imported while their vectors are made."""


class Learn(KeeperFrame, frozen=True, tag="learn"):
    """Tells the vectors of sentences. Answered by Done."""

    model: str
    texts: tuple[str, ...]
    vectors: tuple[bytes, ...]
    """`vectors` are 32-bit floats, little-endian, of length 1."""


class Sentence(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """This is a sentence of a conversation, and whether the user said it."""

    text: str
    by_user: bool


class Choose(KeeperFrame, frozen=True, tag="choose"):
    """Asks which sentences stand for all of them. Answered by ChosenSentences."""

    model: str
    sentences: tuple[Sentence, ...]
    """The sentences stand in order of time; their vectors have been told."""
    choice: Choice
    divisor: int
    least: int
    most: int
    """There is one cluster for `divisor` sentences, but there are at least `least` and at most `most`."""


class Encode(KeeperFrame, frozen=True, tag="encode"):
    """Asks for vectors by sentence-transformers. Answered by Vectors."""

    model: str
    texts: tuple[str, ...]


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """This was said, as it is kept. `id` is the same for the same words of the same scope and role."""

    id: str
    role: str
    text: str
    time: float
    """`time` is Unix time."""
    conversation: str
    vector: bytes


class OpenStore(KeeperFrame, frozen=True, tag="open"):
    """Says where the store is: a folder, or the address of a Chroma server. Comes first. Answered by Done."""

    folder: str
    url: str = ""


class Remember(KeeperFrame, frozen=True, tag="remember"):
    """Keeps records; what is kept already only becomes newer. Answered by Done."""

    scope: str
    model: str
    records: tuple[Record, ...]


class Recall(KeeperFrame, frozen=True, tag="recall"):
    """Asks for what is near to a vector. Answered by Entries, the nearest first."""

    scope: str
    model: str
    vector: bytes
    but: str = ""
    """The words of the conversation `but` do not count."""
    within: float = 2.0
    """`within` is the cosine distance at most."""
    since: float = 0.0
    most: int = 16


class Browse(KeeperFrame, frozen=True, tag="browse"):
    """Asks for what is kept, the newest first. Answered by Entries."""

    scope: str
    """`scope` is empty for every scope."""
    conversation: str = ""
    limit: int = 0
    """0 is no bound."""
    offset: int = 0


class Forget(KeeperFrame, frozen=True, tag="forget"):
    """Removes what any of these names from the files. Answered by Done with the number of removed records."""

    scope: str
    """`scope` is empty for every scope."""
    ids: tuple[str, ...] = ()
    conversation: str = ""
    before: float = 0.0
    everything: bool = False


# Answered by the keeper.


class MemoryEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """This is a record as it is told."""

    id: str
    scope: str
    role: str
    text: str
    time: float
    conversation: str
    distance: float = 0.0
    """An entry that was recalled has its cosine distance here; others have 0."""


class Entries(KeeperFrame, frozen=True, tag="entries"):
    """These are records; `total` is how many there are without a limit."""

    entries: tuple[MemoryEntry, ...]
    total: int


class Sentences(KeeperFrame, frozen=True, tag="sentences"):
    """These are the sentences of each text, and those of them whose vectors are not known."""

    pieces: tuple[tuple[str, ...], ...]
    unknown: tuple[str, ...]


class ChosenSentences(KeeperFrame, frozen=True, tag="chosen"):
    """`order` has the places of the chosen sentences, the best first."""

    order: tuple[int, ...]


class Vectors(KeeperFrame, frozen=True, tag="vectors"):
    """The keeper is given the vectors that it asked for."""

    values: tuple[bytes, ...]


class Done(KeeperFrame, frozen=True, tag="done"):
    """What was asked is done, for `count` items."""

    count: int = 0


class Refused(KeeperFrame, frozen=True, tag="refused"):
    """What was asked could not be done."""

    kind: str
    key: str
    details: dict[str, Detail] = {}

    @classmethod
    def of(cls, number: int, error: HoshikageError) -> Refused:
        return cls(number, type(error).__name__, error.key, error.details)

    def error(self) -> HoshikageError:
        return by_name(self.kind).of(self.key, self.details)


Ask = SplitTexts | Learn | Choose | Encode | OpenStore | Remember | Recall | Browse | Forget
Reply = Sentences | ChosenSentences | Vectors | Entries | Done | Refused

_encoder = msgspec.msgpack.Encoder()
_asks: msgspec.msgpack.Decoder[Ask] = msgspec.msgpack.Decoder(Ask)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def encode(frame: Ask | Reply) -> bytes:
    """Returns the frame with its length in front."""
    body = _encoder.encode(frame)
    return len(body).to_bytes(HEADER_BYTES, "little") + body


def body_length(header: bytes) -> int:
    """Returns the length of the body that follows this header. Raises ValueError where it is over the limit."""
    length = int.from_bytes(header, "little")
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {length} bytes; the limit is {MAX_FRAME_BYTES}")
    return length


def decode_ask(body: bytes) -> Ask:
    return _asks.decode(body)


def decode_reply(body: bytes) -> Reply:
    """Raises ValueError."""
    try:
        return _replies.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
