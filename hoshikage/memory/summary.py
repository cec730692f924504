"""Makes long conversations short by meaning: a digest in the place of what is old. Event loop only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hoshikage.keeper import frames
from hoshikage.keeper.frames import Sentence
from hoshikage.memory.conversation import (
    TURN_TOKENS,
    Exchange,
    condensed_count,
    conversation_of,
    digest_of,
    written,
)
from hoshikage.memory.embedder import TextEmbedder
from hoshikage.memory.keeper_process import KeeperProcess
from hoshikage.messages import Language, text
from hoshikage.params import ChatPrompt, Message
from hoshikage.settings import Settings

Count = Callable[[Sequence[str]], Awaitable[list[int]]]
"""How many tokens each text has, as the answering model counts them."""
DIGEST_SHARE: Final = 0.25
"""A digest takes no more than this part of the room that a conversation has."""
MARK_TOKENS: Final = 64
LINE_TOKENS: Final = 2
"""The marks around a digest take about so many tokens, and so does a line beside its sentence."""
LEARNED_AT_ONCE: Final = 128
MAX_DIGESTS: Final = 64
MIN_JAPANESE: Final = 0.1
"""So much kana and kanji, of 1, make a conversation a Japanese one."""


@dataclass(frozen=True, slots=True)
class Condensed:
    """This is a prompt with a digest in it."""

    prompt: ChatPrompt
    turns: int
    """`turns` counts the turns that the digest stands for."""


class Summaries:
    """Keeps the last digests, so that the same conversation costs nothing the second time."""

    def __init__(self, settings: Settings, embedder: TextEmbedder, keeper: KeeperProcess) -> None:
        self._settings = settings
        self._embedder = embedder
        self._keeper = keeper
        self._digests: OrderedDict[str, str] = OrderedDict()

    async def condense(self, prompt: ChatPrompt, more: str, n_ctx: int, count: Count, scope: str) -> Condensed | None:
        """Returns the prompt made shorter; None where it is short enough. Raises HoshikageError.

        `more` is what is written beside the turns, such as tools. `scope`: digests are shared within one alone.
        """
        room = int(self._settings.summary_at * n_ctx)
        conversation = conversation_of(prompt.messages)
        if len(conversation.exchanges) <= self._settings.raw_turns or _is_short(prompt.messages, more, room):
            return None
        counted = _Counted(count)
        sizes = await counted.sizes(conversation.exchanges)
        fixed = sum(await counted.of([more, *(message.content or "" for _, message in conversation.systems)]))
        maximum = int(DIGEST_SHARE * room)
        old = condensed_count(sizes, fixed, maximum, room, self._settings.raw_turns)
        if old == 0:
            return None
        spoken = [turn for exchange in conversation.exchanges[:old] for turn in exchange.spoken()]
        turns = sum(len(exchange.messages) for exchange in conversation.exchanges[:old])
        words = await self._digest(spoken, turns, maximum, counted, scope)
        messages = conversation.with_digest(old, Message("user", words))
        return Condensed(replace(prompt, messages=messages), turns)

    async def _digest(self, spoken: Sequence[Message], turns: int, maximum: int, count: _Counted, scope: str) -> str:
        """Returns the marked text. The same turns give the same."""
        model = await self._embedder.name()
        settings = self._settings
        key = digest_of(
            scope,
            model,
            settings.summary_choice,
            str((maximum, turns, settings.cluster_divisor, settings.min_clusters, settings.max_clusters)),
            *(part for turn in spoken for part in (turn.role, turn.content or "")),
        )
        if key in self._digests:
            self._digests.move_to_end(key)
            return self._digests[key]
        sentences = await self._sentences(spoken, model)
        order = await self._chosen(sentences, model)
        sizes = await count.of([sentences[place].text for place in order])
        kept: list[int] = []
        left = maximum - MARK_TOKENS
        for place, size in zip(order, sizes, strict=True):
            if size + LINE_TOKENS <= left:
                kept.append(place)
                left -= size + LINE_TOKENS
        made = marked(turns, [sentences[place] for place in sorted(kept)])
        self._digests[key] = made
        while len(self._digests) > MAX_DIGESTS:
            self._digests.popitem(last=False)
        return made

    async def _sentences(self, spoken: Sequence[Message], model: str) -> list[Sentence]:
        """Returns every sentence, once it is known to the keeper; what was said twice counts where it was said last."""
        texts = tuple(turn.content or "" for turn in spoken)
        clusters = self._settings.summary_choice == "clusters"
        split = await self._keeper.ask(lambda n: frames.SplitTexts(n, texts, model, clusters), frames.Sentences)
        for start in range(0, len(split.unknown), LEARNED_AT_ONCE):
            unknown = split.unknown[start : start + LEARNED_AT_ONCE]
            vectors = tuple(await self._embedder.embed(unknown, "topic"))
            await self._keeper.ask(_learning(model, unknown, vectors), frames.Done)
        result: dict[str, Sentence] = {}
        for turn, pieces in zip(spoken, split.pieces, strict=True):
            for piece in pieces:
                result.pop(piece, None)
                result[piece] = Sentence(piece, turn.role == "user")
        return list(result.values())

    async def _chosen(self, sentences: Sequence[Sentence], model: str) -> tuple[int, ...]:
        settings = self._settings

        def choose(number: int) -> frames.Choose:
            return frames.Choose(
                number,
                model,
                tuple(sentences),
                settings.summary_choice,
                settings.cluster_divisor,
                settings.min_clusters,
                max(settings.min_clusters, settings.max_clusters),
            )

        return (await self._keeper.ask(choose, frames.ChosenSentences)).order


class _Counted:
    """Counts texts of a request in few questions."""

    def __init__(self, count: Count) -> None:
        self._count = count

    async def of(self, texts: Sequence[str]) -> list[int]:
        return await self._count(texts) if texts else []

    async def sizes(self, exchanges: Sequence[Exchange]) -> list[int]:
        counts = await self.of([written(turn) for exchange in exchanges for turn in exchange.messages])
        sizes, begin = [], 0
        for exchange in exchanges:
            end = begin + len(exchange.messages)
            sizes.append(sum(counts[begin:end]) + TURN_TOKENS * len(exchange.messages))
            begin = end
        return sizes


def _learning(model: str, texts: tuple[str, ...], vectors: tuple[bytes, ...]) -> Callable[[int], frames.Learn]:
    return lambda number: frames.Learn(number, model, texts, vectors)


def _is_short(messages: Sequence[Message], more: str, room: int) -> bool:
    """Returns whether it fits whatever the tokens are: each stands for a byte at least."""
    return sum(len(written(one).encode()) + TURN_TOKENS for one in messages) + len(more.encode()) <= room


def marked(turns: int, sentences: Sequence[Sentence]) -> str:
    """Writes the digest as the model reads it, in the language of the conversation."""
    language = language_of(one.text for one in sentences)
    lines = [text(language, "remember.digest_begin", turns=turns)]
    said = ""
    for one in sentences:
        who = text(language, "remember.by_user" if one.by_user else "remember.by_model")
        lines += [who] if who != said else []
        lines.append(one.text)
        said = who
    lines.append(text(language, "remember.digest_end"))
    return "\n".join(lines)


def language_of(texts: Iterable[str]) -> Language:
    """Returns the language of texts, Japanese or English, by their characters."""
    every = "".join(texts)
    japanese = sum("\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" for c in every)
    return "ja" if japanese > MIN_JAPANESE * len(every) else "en"
