"""Defines the frames between server and runner: typed, length-prefixed, size-limited. Any thread.

A frame is a 4-byte little-endian length and that many bytes of MessagePack. Commands go to the runner, events come
from it. The server does not trust a runner that has read a hostile file: every frame is checked against its type,
and one that is too long or does not decode raises `FrameError`.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

import msgspec

from hoshikage.errors import Detail, HoshikageError, by_name
from hoshikage.infos import LibraryInfo, ModelInfo, Timings
from hoshikage.params import GenerationRequest, LoadParams, Task, Work

HEADER_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 20 * 1024 * 1024
"""A frame has room for a request's pictures and sounds, 12 MiB, and a body's text beside them, 4 MiB, with room for
their form."""


class FrameError(ValueError):
    """The bytes are no frame of this protocol."""


class Frame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All frames have this base; each has a tag of its own."""


# Commands, server to runner.


class StateStore(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A StateStore names the files of sequences that earlier runners put away."""

    key: str
    """`key` is that of kv_file.Header."""
    paths: tuple[str, ...] = ()
    """`paths` are their files, some of which may be gone by the time that they are wanted."""
    label: str = ""
    """`label` is that of kv_file.Header."""


class Load(Frame, frozen=True, tag="load"):
    """It asks to load a model. Answered by Loading events, then Loaded or Failed(job=None)."""

    params: LoadParams
    store: StateStore | None = None
    """`store` is None where nothing is put away."""


class Generate(Frame, frozen=True, tag="generate"):
    """It asks to run one job. Answered by Started, SlotTaken, Prefill and Token events, and exactly one Finished or
    Failed."""

    job: int
    request: GenerationRequest


class Perform(Frame, frozen=True, tag="perform"):
    """It asks to run one job that is no answer. Answered by the task's own events, and exactly one Finished or
    Failed."""

    job: int
    task: Task


class Cancel(Frame, frozen=True, tag="cancel"):
    """It asks to end a job soon; its end event still comes (Finished with reason `cancelled`), unless it has come
    already."""

    job: int


class PutAway(Frame, frozen=True, tag="put_away"):
    """It asks to write the kept sequences into these files, of which there is one for each. Answered by one
    PutAwayDone."""

    paths: tuple[str, ...]
    max_bytes: int


# Events, runner to server.


class Ready(Frame, frozen=True, tag="ready"):
    """The library is loaded and recognised."""

    library: LibraryInfo


class Loading(Frame, frozen=True, tag="loading"):
    """It tells model load progress, 0.0 to 1.0."""

    progress: float
    layers: int | None = None
    """This many layers are on the GPU, and a first decode is tried with them, which may end the process."""


class Loaded(Frame, frozen=True, tag="loaded"):
    """The model is loaded; this is what it is."""

    model: ModelInfo


class Started(Frame, frozen=True, tag="started"):
    """The prompt is rendered, fits, and its processing begins."""

    job: int
    prompt_tokens: int
    repairs: tuple[str, ...] = ()
    """`repairs` are what was changed in the conversation because the chat template refused it (llama.repair's
    names)."""
    shifted: int = 0
    """The conversation's oldest turns that were left out, so that the rest fits the context."""
    tail: str = ""
    """`tail` is how the prompt's text ends: what the answer goes on from."""
    tokens: tuple[int, ...] = ()
    """`tokens` are the prompt, where its tokens were asked for."""
    dropped: tuple[str, ...] = ()
    """`dropped` has the places of what the request's schemas ask for and nobody enforces."""
    cut: int = 0
    """`cut` counts the first tokens of what was said before that were left out, so that the rest fits the context."""
    left_out: tuple[str, ...] = ()
    """`left_out` has the places and kinds of the history's pictures and sounds that could not be used."""
    forbidden: tuple[int, ...] = ()
    """`forbidden` are the tokens that `ignore_eos` forbids, where it is asked for."""


class SlotTaken(Frame, frozen=True, tag="slot_taken"):
    """A choice has got the sequence of this number; it may come to have another."""

    job: int
    slot: int
    choice: int = 0


class Prefill(Frame, frozen=True, tag="prefill"):
    """`done` of the prompt's tokens are in KV memory."""

    job: int
    done: int


class Likely(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """This is one token and the model's own log probability of it, before any sampler, bias or grammar."""

    text: str
    """`text` has the characters that this token completes; empty where it only begins one."""
    raw: bytes
    logprob: float
    id: int = -1
    """`id` is the token's number; -1 where nobody tells it."""


class Chosen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """This is a token of the answer, and the likeliest in its place."""

    token: Likely
    top: tuple[Likely, ...]


class Token(Frame, frozen=True, tag="token"):
    """This text is certain: whole characters, no part of a stop string. Never empty."""

    job: int
    text: str
    completion_tokens: int
    """`completion_tokens` were generated so far in all choices, those held back included."""
    choice: int = 0
    logprobs: tuple[Chosen, ...] | None = None
    """`logprobs` holds the tokens of `text` with their log probabilities, where those were asked for; joined, the
    tokens' texts are `text`."""
    tokens: tuple[int, ...] = ()
    """`tokens` holds what came since the last of these events, where tokens were asked for without log
    probabilities."""


class Echo(Frame, frozen=True, tag="echo"):
    """This is a piece of the prompt, where it was asked for; all pieces, joined, come before the first Token."""

    job: int
    text: str
    logprobs: tuple[Chosen, ...] | None = None
    """`logprobs` holds the tokens of `text`, where they were asked for. The log probability of a token with nothing
    before it is NaN, and no other tokens stand beside it."""


class Tokens(Frame, frozen=True, tag="tokens"):
    """Some of a text's tokens, with the bytes each stands for; the rest comes in further ones."""

    job: int
    tokens: tuple[int, ...]
    pieces: tuple[bytes, ...]


class Counts(Frame, frozen=True, tag="counts"):
    """It tells how many tokens each of the texts has."""

    job: int
    counts: tuple[int, ...]


class Text(Frame, frozen=True, tag="text"):
    """This is a part of a text; the rest comes in further ones."""

    job: int
    text: str


class Vector(Frame, frozen=True, tag="vector"):
    """This is one input's embedding, of length 1: 32-bit floats, little-endian."""

    job: int
    values: bytes


class SlotDone(Frame, frozen=True, tag="slot_done"):
    """What was asked of a slot is done with so many tokens, in a file of so many bytes."""

    job: int
    n_tokens: int
    n_bytes: int = 0


class Score(Frame, frozen=True, tag="score"):
    """It tells how well one document answers."""

    job: int
    value: float
    is_share: bool = False
    """`is_share` tells whether it is a chance, from 0 to 1; else any number."""


FinishReason = Literal["stop", "length", "cancelled"]


class ChoiceEnd(Frame, frozen=True, tag="choice_end"):
    """One of several choices has ended. The end of the last to end is Finished."""

    job: int
    choice: int
    reason: FinishReason
    stop: str | None = None
    """`stop` is the stop string that was met; None where the model ended by itself."""


class Finished(Frame, frozen=True, tag="finished"):
    """This is the one good end of a job. All text has come in Token events before it."""

    job: int
    reason: FinishReason
    """The reason is that of the last choice."""
    prompt_tokens: int
    completion_tokens: int
    """`completion_tokens` counts every sampled token of all choices, an end-of-generation token included."""
    timings: Timings
    stop: str | None = None
    """`stop` is the last choice's, as in ChoiceEnd."""
    choice: int = 0
    """`choice` is the choice whose end it is: the last to end, as choices that are computed together end in any
    order."""
    tokens: tuple[int, ...] = ()
    """`tokens` holds the last choice's tokens that came with no text, its ending one included, where asked for."""
    condensed_turns: int = 0
    """`condensed_turns` counts the turns of the conversation that a digest stood for; the server fills it in."""


class Failed(Frame, frozen=True, tag="failed"):
    """This is the one bad end of a job, or of a load where `job` is None."""

    job: int | None
    kind: str
    key: str
    param: str | None = None
    details: dict[str, Detail] = {}

    @classmethod
    def of(cls, error: HoshikageError, job: int | None) -> Failed:
        return cls(job, type(error).__name__, error.key, error.param, error.details)

    def error(self) -> HoshikageError:
        return by_name(self.kind).of(self.key, self.details, param=self.param)


class PutAwayDone(Frame, frozen=True, tag="put_away_done"):
    """The kept sequences are written; what no file or bytes sufficed for is not."""

    written: tuple[str, ...]
    """`written` are the files of the command that are filled now."""
    unchanged: tuple[str, ...]
    """`unchanged` are the files of the load whose sequences are kept as they are stored."""


class StateLost(Frame, frozen=True, tag="state_lost"):
    """A file of the load is damaged, or of another load: it is of no use to anybody."""

    path: str


class Log(Frame, frozen=True, tag="log"):
    """This is one line of the library's log. `level` is a `logging` level number."""

    level: int
    line: str


Command = Load | Generate | Perform | Cancel | PutAway
Answered = Tokens | Counts | Text | Vector | Score | SlotDone
JobEvent = Started | SlotTaken | Prefill | Echo | Token | ChoiceEnd | Answered | Finished | Failed
Event = Ready | Loading | Loaded | JobEvent | PutAwayDone | StateLost | Log

_encoder = msgspec.msgpack.Encoder()


@cache
def _commands() -> msgspec.msgpack.Decoder[Command]:
    """Makes the decoder when the first one comes: each takes milliseconds, and the server needs none before it has a
    runner."""
    return msgspec.msgpack.Decoder(Command)


@cache
def _events() -> msgspec.msgpack.Decoder[Event]:
    return msgspec.msgpack.Decoder(Event)


def command_for(job: int, work: Work) -> Generate | Perform:
    """Makes what asks a runner for `work`."""
    return Generate(job, work) if isinstance(work, GenerationRequest) else Perform(job, work)


def encode(frame: Command | Event) -> bytes:
    """Returns the frame with its length in front."""
    buffer = bytearray(HEADER_BYTES)
    _encoder.encode_into(frame, buffer, HEADER_BYTES)
    buffer[:HEADER_BYTES] = (len(buffer) - HEADER_BYTES).to_bytes(HEADER_BYTES, "little")
    return bytes(buffer)


def body_length(header: bytes | bytearray) -> int:
    """Returns the length of the body that follows this header. Raises FrameError where it is over the limit."""
    length = int.from_bytes(header, "little")
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length} bytes; the limit is {MAX_FRAME_BYTES}")
    return length


def decode_command(body: bytes) -> Command:
    try:
        return _commands().decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a tag that is no text is the latter
        raise FrameError(str(error)) from None


def decode_event(body: bytes) -> Event:
    try:
        return _events().decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a tag that is no text is the latter
        raise FrameError(str(error)) from None
