"""Takes pictures and sounds out of what clients send in a chat, bounded before anybody decodes them. Any thread; pure.

What the user asks about has to be right; what lies in the history is left out where it is not, for it comes again with
every turn. Of the history, the newest has the room.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from hoshikage.answer.schema.formats import SOUNDS, MediumKind, sniffed
from hoshikage.answer.schema.senses import Senses
from hoshikage.errors import HoshikageError, InvalidRequest, ParameterUnsupported
from hoshikage.frozen import Frozen
from hoshikage.params import ChatPrompt, Medium

MAX_BYTES: Final = 12 * 1024 * 1024
"""All pictures and sounds of a request together may have this many bytes, as files."""
MAX_MEDIA: Final = 64
MARK: Final = "\ue002"
"""A mark of a picture or a sound begins and ends with this private character."""
DATA_URL: Final = re.compile(r"data:([^,;]{0,128})(?:;[^,;]{0,128}){0,8};base64,", re.IGNORECASE)
REMOTE: Final = re.compile(r"https?://", re.IGNORECASE)
KINDS: Final[Mapping[str, MediumKind]] = {
    "image_url": "image",
    "input_image": "image",
    "computer_screenshot": "image",
    "image": "image",
    "images": "image",
    "input_audio": "audio",
}
"""Maps a part's type to what it holds."""
TEXT_PARTS: Final = ("text", "input_text", "output_text", "refusal")
SPACE: Final = b" \t\r\n"
EITHER: Final = "images"
"""Ollama's clients send sounds in the list of pictures."""
SOURCED: Final = "image"
"""Anthropic's pictures have this type; their address is made of their `source`."""


class ImageUrl(Struct, frozen=True):
    """An `image_url` object holds the address of one picture, which may be a data URL."""

    ECHOED: ClassVar[frozenset[str]] = frozenset({"detail"})

    url: str


class InputAudio(Struct, frozen=True):
    """An `input_audio` object holds a sound, as base64 in the body itself."""

    data: str
    format: str | None = None


class ContentPart(Struct, frozen=True):
    """This is one part of a message's content, as OpenAI has it."""

    ECHOED: ClassVar[frozenset[str]] = frozenset({"cache_control", "annotations", "logprobs", "signature"})

    type: str
    text: str | None = None
    refusal: str | None = None
    thinking: Any = None
    """`thinking` is a text, or a list of parts with texts."""
    image_url: str | ImageUrl | None = None
    input_audio: InputAudio | None = None

    @property
    def field(self) -> str:
        """Returns the name of the field that holds the words of a part that is text."""
        return "refusal" if self.type == "refusal" else "text"

    @property
    def words(self) -> str | None:
        return self.refusal if self.type == "refusal" else self.text

    @property
    def thought(self) -> str:
        """Returns the words of a part that holds thoughts."""
        inner = self.thinking if isinstance(self.thinking, list) else ()
        texts = [one["text"] for one in inner if isinstance(one, dict) and isinstance(one.get("text"), str)]
        return self.thinking if isinstance(self.thinking, str) else "".join(texts) or self.text or ""

    @property
    def url(self) -> str | None:
        """Returns the picture's address, in either form that clients send it in; None for a part without one."""
        return self.image_url.url if isinstance(self.image_url, ImageUrl) else self.image_url


class PlacedPart(ContentPart, frozen=True):
    """This is a part of another protocol's message, with what that says of it."""

    place: str = ""
    """`place` is the part's path in the request, which error messages name."""
    is_asked: bool = False
    """`is_asked` tells whether it is what the user has just said."""
    file: bytes | None = None
    """`file` is the file itself, where it did not come as base64."""


Remote = Mapping[str, "bytes | HoshikageError"]
"""An address has here what was fetched from it, or why it could not be."""
NOTHING_FETCHED: Final[Remote] = {}
LeftOut = Literal["unread", "damaged", "crowded"]
"""A part is left out for one of these reasons: no model reads its kind, it cannot be used, or there is no room for
it."""
Content = str | Sequence[ContentPart] | None


def content_of(parts: Sequence[str | ContentPart]) -> str | list[ContentPart]:
    """Joins words and other parts into a message's content: a text where all of them are words."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "\n".join(texts)
    return [ContentPart("text", part) if isinstance(part, str) else part for part in parts]


def settled(content: str | list[ContentPart] | None) -> str | list[ContentPart] | None:
    """Returns the content of a message that has become history."""
    if not isinstance(content, list):
        return content
    return [replace(part, is_asked=False) if isinstance(part, PlacedPart) else part for part in content]


def addresses(contents: Sequence[Content]) -> Iterator[str]:
    """Yields the addresses on the network of all pictures, the newest first."""
    for content in reversed(contents):
        for part in reversed(_parts(content)):
            if KINDS.get(part.type) == "image" and part.url is not None and REMOTE.match(part.url):
                yield part.url


def has_media(contents: Sequence[Content]) -> bool:
    return any(part.type in KINDS for content in contents for part in _parts(content))


def _parts(content: Content) -> Sequence[ContentPart]:
    return () if content is None or isinstance(content, str) else content


class _Found(Frozen, frozen=True):
    turn: int
    number: int
    part: ContentPart
    place: str
    is_asked: bool


Taken = Mapping[tuple[int, int], "Medium | LeftOut"]
"""The numbers of a turn and of a part in it lead here to what becomes of that part."""


def taken(contents: Sequence[Content], newest: int, senses: Senses, remote: Remote) -> Taken:
    """Decides what becomes of every part that is no text; `newest` is the number of what the user has just said.

    Raises InvalidRequest and ParameterUnsupported for a part of that.
    """
    result: dict[tuple[int, int], Medium | LeftOut] = {}
    room, places_left = MAX_BYTES, MAX_MEDIA
    for one in _in_order(contents, newest):
        at = (one.turn, one.number)
        try:
            kind = KINDS.get(one.part.type)
            if kind is not None and senses.has(kind) and not places_left:
                raise _Crowded("media.count", param=one.place, place=one.place, limit=MAX_MEDIA)
            medium = _medium(one, senses, remote, room)
        except HoshikageError as error:
            if one.is_asked:
                raise
            is_unread = isinstance(error, ParameterUnsupported)
            result[at] = "unread" if is_unread else "crowded" if isinstance(error, _Crowded) else "damaged"
            continue
        room, places_left = room - len(medium.data), places_left - 1
        result[at] = medium
    return result


class _Crowded(InvalidRequest):
    """There are too many, or they are too large together."""


def _in_order(contents: Sequence[Content], newest: int) -> list[_Found]:
    """Orders the parts: what is asked about comes first, then the history from its end on."""
    result = []
    for turn, content in enumerate(contents):
        for number, part in enumerate(_parts(content)):
            if part.type in TEXT_PARTS:
                continue
            if isinstance(part, PlacedPart):
                result.append(_Found(turn, number, part, part.place, part.is_asked))
            else:
                result.append(_Found(turn, number, part, f"messages[{turn}].content[{number}]", turn == newest))
    return [one for one in result if one.is_asked] + [one for one in reversed(result) if not one.is_asked]


def _medium(one: _Found, senses: Senses, remote: Remote, room: int) -> Medium:
    kind = KINDS.get(one.part.type)
    if kind is None:
        raise ParameterUnsupported("http.part_unsupported", param=f"{one.place}.type", place=f"{one.place}.type")
    if not senses.has(kind) and not (one.part.type == EITHER and senses.audio):
        at = one.place if one.part.type == EITHER else f"{one.place}.type"
        raise ParameterUnsupported(f"media.no_{kind}", param=at, place=at)
    data, place = (_picture if kind == "image" else _sound)(one.part, one.place, remote, room)
    if len(data) > room:
        raise _too_large(place)
    wanted = None if one.part.type == EITHER else kind
    real = sniffed(data, place, wanted)
    if wanted not in (None, real):
        if kind == "audio" and isinstance(one.part, PlacedPart):  # other protocols have other words for a picture
            raise InvalidRequest("media.not_sound", param=place, place=place)
        raise InvalidRequest(f"media.not_{kind}", param=place, place=place)
    if not senses.has(real):
        raise ParameterUnsupported(f"media.no_{real}", param=place, place=place)
    return Medium(real, data, hashlib.sha256(data).hexdigest(), drawn_mark(), "" if one.is_asked else one.place)


def _picture(part: ContentPart, place: str, remote: Remote, room: int) -> tuple[bytes, str]:
    place = f"{place}.image_url" if type(part) is ContentPart or part.type == "input_image" else place
    url = part.url
    if url is None and part.type == SOURCED and isinstance(part, PlacedPart):
        raise InvalidRequest("media.source", param=f"{place}.source", place=f"{place}.source")
    if url is None:
        raise InvalidRequest("http.field_missing", param=place, place=place)
    if head := DATA_URL.match(url):
        return _decoded(url, head.end(), place, room), place
    if REMOTE.match(url):
        outcome = remote.get(url)
        if outcome is None:
            raise InvalidRequest("media.remote_off", param=place, place=place)
        if isinstance(outcome, HoshikageError):
            raise type(outcome).of(outcome.key, {**outcome.details, "place": place}, param=place)
        return outcome, place
    raise InvalidRequest("media.url", param=place, place=place)


def _sound(part: ContentPart, place: str, _remote: Remote, room: int) -> tuple[bytes, str]:
    if isinstance(part, PlacedPart) and part.file is not None:
        return part.file, place
    place = f"{place}.input_audio"
    sound = part.input_audio
    if sound is None:
        raise InvalidRequest("http.field_missing", param=place, place=place)
    if sound.format is not None and sound.format.lower() not in SOUNDS:
        place = f"{place}.format"
        raise InvalidRequest("http.not_a_choice", param=place, place=place, allowed=", ".join(SOUNDS))
    place = f"{place}.data"
    head = DATA_URL.match(sound.data)
    return _decoded(sound.data, head.end() if head else 0, place, room), place


def _decoded(text: str, start: int, place: str, room: int) -> bytes:
    """Decodes base64, strictly; padding may be missing, and white space be anywhere. Its size is looked at first."""
    try:
        raw = text[start:].encode("ascii").translate(None, SPACE)
        if len(raw) * 3 // 4 > room + 2:
            raise _too_large(place)
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidRequest("media.base64", param=place, place=place) from None


def _too_large(place: str) -> InvalidRequest:
    return _Crowded("media.bytes", param=place, place=place, limit=MAX_BYTES >> 20)


def drawn_mark() -> str:
    """Makes the mark that stands for one picture or sound in a text, drawn anew for each."""
    return f"{MARK}{secrets.randbelow(10**12):012d}{MARK}"


def in_words(text: str, media: Sequence[Medium]) -> str:
    """Returns the text with a word in the place of each mark: marks are never kept, nor shown."""
    for medium in media if MARK in text else ():
        text = text.replace(medium.mark, f"[{medium.kind}]")
    return text


def without_media(prompt: ChatPrompt) -> ChatPrompt:
    """Returns the prompt with words in the places of its pictures and sounds."""
    if not prompt.media:
        return prompt
    return replace(
        prompt,
        messages=tuple(
            replace(turn, content=in_words(turn.content, prompt.media)) if turn.content else turn
            for turn in prompt.messages
        ),
        media=(),
    )


def with_media(prompt: ChatPrompt, bare: ChatPrompt, whole: ChatPrompt) -> ChatPrompt:
    """Returns a prompt that was made of `bare` with the pictures and sounds of `whole` again, where a turn is still
    there."""
    if not whole.media:
        return prompt
    own = {id(turn): original for turn, original in zip(bare.messages, whole.messages, strict=True)}
    turns = tuple(own.get(id(turn), turn) for turn in prompt.messages)
    text = "".join(turn.content or "" for turn in turns)
    return replace(prompt, messages=turns, media=tuple(medium for medium in whole.media if medium.mark in text))
