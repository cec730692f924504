"""Lets memory change a request before the engine sees it. Event loop thread.

Memory helps and never stands in the way: where it fails, the request goes on without it, and the answer says so.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from hoshikage import wire
from hoshikage.answer.memory_holder import MEMORY
from hoshikage.answer.model_files import MODEL_FILES
from hoshikage.answer.models import n_ctx_of
from hoshikage.answer.schema.media import in_words, with_media, without_media
from hoshikage.answer.submit import perform
from hoshikage.errors import EmbeddingModelNeeded, HoshikageError, InvalidRequest
from hoshikage.frozen import Frozen
from hoshikage.http import error_response
from hoshikage.http.authenticator import ANONYMOUS, CALLER
from hoshikage.http.keys import SETTINGS
from hoshikage.messages import describe, text
from hoshikage.params import ChatPrompt, GenerationRequest, Measuring
from hoshikage.registry import ModelSpec

if TYPE_CHECKING:
    from hoshikage.answer.schema.chat import ChatBody

log: Final = logging.getLogger("hoshikage.memory")
CONDENSED_HEADER: Final = "X-Hoshikage-Condensed"
RECALLED_HEADER: Final = "X-Hoshikage-Recalled"
COUNTED_AT_ONCE: Final = 4_000_000
"""So many characters are counted by one question at most: a frame has a limit."""


class ToRemember(Frozen, frozen=True):
    """What of a request is to be kept once its answer has ended."""

    scope: str
    conversation: str
    asked: str


class Remembered(Frozen, frozen=True):
    """This says what memory did to a request, and is to do after it."""

    condensed: int = 0
    """`condensed` counts the turns that a digest stands for."""
    recalled: int = 0
    """`recalled` counts the passages of other conversations that stand in the prompt."""
    kept: ToRemember | None = None
    warnings: tuple[dict[str, str], ...] = ()


NOTHING: Final = Remembered()
LOCAL: Final = "local"
"""This is the scope of this user's own commands, and of all callers without a token."""


def scope_of_caller() -> str:
    """Returns whose memory the current request uses: that of its token, or `local` for a caller without one."""
    name = CALLER.get().name
    return LOCAL if name in (None, ANONYMOUS) else f"token:{name}"


async def remembered(
    request: web.Request, spec: ModelSpec, body: ChatBody, job: GenerationRequest
) -> tuple[GenerationRequest, Remembered]:
    """Returns the request with what memory makes of it. Raises InvalidRequest for what the request itself asks
    wrongly."""
    recalls, keeps = _remembers(request, body)
    summarises = _summarises(request, spec, body)
    if not (recalls or keeps or summarises):
        return job, NOTHING
    made = _Made(request, spec, job, is_demanded=body.memory is not None)
    if summarises:
        await made.condense(body)
    question = _asked(made.prompt)
    if question is None or not (recalls or keeps):
        return made.job, made.told
    words = in_words(made.prompt.messages[question].content or "", made.prompt.media)
    own = body.memory.conversation if body.memory is not None else None
    scope = scope_of_caller()
    conversation = own or _conversation(request, scope, without_media(job.chat))
    if recalls and words.strip():
        await made.recall(question, scope, conversation)
    if keeps:
        made.told = replace(made.told, kept=ToRemember(scope, conversation, words))
    return made.job, made.told


def keep_said(request: web.Request, kept: ToRemember, answer: str) -> None:
    """Has an exchange kept in the background."""
    turns = [(role, said) for role, said in (("user", kept.asked), ("assistant", answer)) if said.strip()]
    request.app[MEMORY].memory.recollections.keep(kept.scope, kept.conversation, turns)


class _Made:
    """This is a request while memory works on it. Where something fails, it stays as it was, and a warning says so."""

    def __init__(self, request: web.Request, spec: ModelSpec, job: GenerationRequest, *, is_demanded: bool) -> None:
        self._request = request
        self._spec = spec
        self._is_demanded = is_demanded
        self._memory = request.app[MEMORY].memory
        self.job = job
        self.told = NOTHING

    @property
    def prompt(self) -> ChatPrompt:
        assert isinstance(self.job.prompt, ChatPrompt)
        return self.job.prompt

    async def condense(self, body: ChatBody) -> None:
        """Puts a digest in the place of old turns, where the conversation is long."""
        result = await self._request.app[MODEL_FILES].facts(self._spec.file)
        n_ctx = n_ctx_of(self._request, self._spec, result)
        tools = msgspec.json.encode(body.tools).decode() if body.tools else ""
        try:
            bare = without_media(self.prompt)
            made = await self._memory.summaries.condense(bare, tools, n_ctx, self._count, scope_of_caller())
        except HoshikageError as error:
            if isinstance(error, EmbeddingModelNeeded) and self._is_demanded:
                raise  # the request itself wants what cannot be
            self._warn(error)
            return
        if made is not None:
            self.job = replace(self.job, prompt=with_media(made.prompt, bare, self.prompt))
            self.told = replace(self.told, condensed=made.turns)

    async def recall(self, question: int, scope: str, conversation: str) -> None:
        """Puts what other conversations said in front of the words with that number."""
        turns = list(self.prompt.messages)
        said = turns[question].content or ""
        words = in_words(said, self.prompt.media)
        at_hand = [turn.content for turn in without_media(self.prompt).messages if isinstance(turn.content, str)]
        try:
            result = await self._memory.recollections.recall(scope, conversation, words, at_hand, self._count)
        except HoshikageError as error:
            if isinstance(error, EmbeddingModelNeeded) and self._is_demanded:
                raise  # the request itself wants what cannot be
            self._warn(error)
            return
        if result:
            turns[question] = replace(turns[question], content=self._memory.marked(result, said))
            self.job = replace(self.job, prompt=replace(self.prompt, messages=tuple(turns)))
            self.told = replace(self.told, recalled=len(result))

    async def _count(self, texts: Sequence[str]) -> list[int]:
        return await _counted(self._request, self._spec, texts)

    def _warn(self, error: HoshikageError) -> None:
        self.told = replace(self.told, warnings=(*self.told.warnings, _warning(self._request, error)))


def _asked(prompt: ChatPrompt) -> int | None:
    """Returns the place of what the user said last; None where no user has said a word."""
    users = [place for place, turn in enumerate(prompt.messages) if turn.role == "user" and turn.content]
    return users[-1] if users else None


def _conversation(request: web.Request, scope: str, prompt: object) -> str:
    """Names a conversation that has no name by its first words."""
    assert isinstance(prompt, ChatPrompt)
    first = next((turn.content or "" for turn in prompt.messages if turn.role == "user"), "")
    return request.app[MEMORY].memory.conversation(scope, first)


def _remembers(request: web.Request, body: ChatBody) -> tuple[bool, bool]:
    """Returns whether something is recalled, and whether something is kept. Raises InvalidRequest."""
    on, wanted = request.app[SETTINGS].memory, body.memory
    recall = on if wanted is None or wanted.recall is None else wanted.recall
    store = on if wanted is None or wanted.store is None else wanted.store
    if (recall or store) and not on:
        raise InvalidRequest("remember.off", param="memory.recall" if recall else "memory.store")
    return recall, store


def _summarises(request: web.Request, spec: ModelSpec, body: ChatBody) -> bool:
    """Returns whether digests are made: the request decides over the persona, the persona over the model, the model
    over the setting."""
    wanted = body.memory
    if wanted is not None and wanted.summary is not None:
        return wanted.summary
    personal = {} if spec.persona is None else spec.persona.sampling.values
    own = personal.get("memory_summary", spec.options.values.get("memory_summary"))
    return request.app[SETTINGS].memory_summary if own is None else own == "on"


def _warning(request: web.Request, error: HoshikageError) -> dict[str, str]:
    settings = request.app[SETTINGS]
    log.warning("%s", text(settings.lang, "remember.went_without", reason=describe(settings.lang, error)))
    language = error_response.language(request)
    message = text(language, "remember.went_without", reason=error_response.message_of(error, language))
    return {"code": "memory_unavailable", "message": message}


async def _counted(request: web.Request, spec: ModelSpec, texts: Sequence[str]) -> list[int]:
    """Returns the number of tokens of each text, as the model itself counts. The model is loaded for that, which the
    request needs anyway."""
    known = request.app[MEMORY].counts
    keys = [hashlib.sha256(f"{spec.file}\0{one}".encode("utf-8", "surrogatepass")).digest() for one in texts]
    unknown = {key: one for key, one in zip(keys, texts, strict=True) if known.get(key) is None}
    result: dict[bytes, int] = {}
    batch: list[bytes] = []
    size = 0
    for key in [*unknown, b""]:
        if batch and (not key or size + len(unknown[key]) > COUNTED_AT_ONCE):
            task = Measuring(tuple(unknown[one] for one in batch))
            events, _ = await perform(request, spec, task, wire.Counts)
            counts = [count for event in events for count in event.counts]
            result.update(zip(batch, counts, strict=True))
            batch, size = [], 0
        if key:
            batch.append(key)
            size += len(unknown[key])
    for key, count in result.items():
        known.put(key, count)
    return [result[key] if key in result else known.get(key) or 0 for key in keys]
