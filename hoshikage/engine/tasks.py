"""Does what a loaded model does beside answering: tokens, template, embeddings, scores. Engine thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from hoshikage import wire
from hoshikage.engine.album import Album
from hoshikage.engine.cancels import Cancels
from hoshikage.engine.prompt import checked, mixed, prepare
from hoshikage.errors import ContextLengthExceeded, InvalidRequest, NotSupported
from hoshikage.infos import Timings
from hoshikage.llama.adapters import Adapters
from hoshikage.llama.embedder import Embedder
from hoshikage.llama.kinds import scores_are_shares
from hoshikage.llama.model import Model
from hoshikage.llama.pairs import pair
from hoshikage.llama.projector import Projector
from hoshikage.llama.templates import Templates
from hoshikage.llama.vocab import NO_TOKEN, Vocab
from hoshikage.params import (
    AdapterSet,
    Counting,
    Detokenization,
    Embedding,
    GenerationRequest,
    LoadParams,
    Measuring,
    Ranking,
    Rendering,
    SlotTask,
    Tokenization,
    media_of,
)

UNBOUNDED: Final = 2**31
"""A prompt that is only counted has a context of so many tokens."""
FRAME_TOKENS: Final = 32_768
FRAME_CHARACTERS: Final = 1_048_576
"""One event has so many characters at most: a frame has a limit."""


class Tasks:
    """Opens the context for embeddings when it is first needed, and keeps it. Close it before the model."""

    def __init__(
        self,
        model: Model,
        templates: Templates,
        params: LoadParams,
        adapters: Adapters,
        cancels: Cancels,
        emit: Callable[[wire.Event], None],
        projector: Projector | None = None,
    ) -> None:
        self._projector = projector
        self._model = model
        self._templates = templates
        self._params = params
        self._adapters = adapters
        self._cancels = cancels
        self._emit = emit
        self._embedder: Embedder | None = None

    def perform(self, command: wire.Perform) -> None:
        """Emits the task's events and Finished. Raises HoshikageError."""
        begun = time.perf_counter()
        job, task, vocab = command.job, command.task, self._model.vocab
        reason: wire.FinishReason = "stop"
        n_tokens = 0
        if isinstance(task, Tokenization):
            tokens = vocab.tokenize(task.text, parse_special=task.parse_special, add_special=task.add_special)
            for start in range(0, len(tokens) or 1, FRAME_TOKENS):
                part = tokens[start : start + FRAME_TOKENS]
                self._emit(wire.Tokens(job, tuple(part), tuple(vocab.shown(token) for token in part)))
        elif isinstance(task, Measuring):
            counts = (len(vocab.tokenize(text, parse_special=False, add_special=False)) for text in task.texts)
            self._emit(wire.Counts(job, tuple(counts)))
        elif isinstance(task, Detokenization):
            pieces = (vocab.shown(token) for token in checked(task.tokens, vocab, "tokens"))
            self._tell(job, b"".join(pieces).decode("utf-8", "replace"))
        elif isinstance(task, Rendering):
            self._tell(job, self._templates.render(task.prompt, datetime.now()).text)
        elif isinstance(task, Counting):
            n_tokens = self._counted(task.request)
        elif isinstance(task, SlotTask):
            raise NotSupported("engine.slots_unstored")  # a vocabulary has none
        else:
            n_tokens, whole = self._computed(job, task)
            reason = "stop" if whole else "cancelled"
        took = (time.perf_counter() - begun) * 1e3
        self._emit(wire.Finished(job, reason, n_tokens, 0, Timings(took, took, 0.0)))

    def close(self) -> None:
        if self._embedder is not None:
            self._embedder.close()
            self._embedder = None

    def _tell(self, job: int, text: str) -> None:
        for start in range(0, len(text) or 1, FRAME_CHARACTERS):
            self._emit(wire.Text(job, text[start : start + FRAME_CHARACTERS]))

    def _counted(self, request: GenerationRequest) -> int:
        media = media_of(request.prompt)
        album = Album(media, self._projector) if media else None
        try:
            return len(prepare(request, self._templates, self._model.vocab, UNBOUNDED, album=album).tokens)
        finally:
            if album is not None:
                album.close()

    def _computed(self, job: int, task: Embedding | Ranking) -> tuple[int, bool]:
        """Returns how many tokens were computed, and whether it came to its end."""
        if self._embedder is None:
            self._embedder = Embedder.open(self._model, self._params, self._adapters)
        embedder, adapters = self._embedder, self._adapters.chosen(task.lora, task.control_vectors)
        texts = [*self._texts(task, embedder)]
        n_tokens = sum(map(len, texts))
        self._cancels.admitted(job, embedder.abort)
        before = 0
        try:
            for tokens in texts:
                event = self._event(job, task, embedder, adapters, tokens, before)
                if event is None or self._cancels.wanted(job):
                    return n_tokens, False
                self._emit(event)
                before += len(tokens)
        finally:
            if embedder.has_outgrown:  # a new context costs the next text less than it takes itself
                self.close()
        return n_tokens, True

    def _event(
        self,
        job: int,
        task: Embedding | Ranking,
        embedder: Embedder,
        adapters: AdapterSet,
        tokens: list[int],
        before: int,
    ) -> wire.Vector | wire.Score | None:
        """Computes the vector of one text, or its score for a ranking; `before` tokens of others are computed. Returns
        None where the task is cancelled."""
        if isinstance(task, Ranking):
            score = embedder.score(tokens, adapters)
            return None if score is None else wire.Score(job, score, scores_are_shares(self._model))

        def told(done: int) -> None:
            self._emit(wire.Prefill(job, before + done))

        vector = embedder.embed(tokens, task.dimensions, told, adapters)
        return None if vector is None else wire.Vector(job, vector.astype("<f4").tobytes())

    def _texts(self, task: Embedding | Ranking, embedder: Embedder) -> Iterable[list[int]]:
        """Yields the tokens of each text, all of them measured before the first is computed."""
        vocab = self._model.vocab
        if isinstance(task, Ranking):
            if not embedder.ranks:
                raise InvalidRequest("engine.no_ranker", param="model")
            template = self._model.metadata("tokenizer.chat_template.rerank")
            for number, document in enumerate(task.documents):
                tokens = pair(vocab, template, task.query, document).tokens(embedder.longest, task.cut)
                yield _measured(tokens, embedder, f"{task.param}[{number}]")
            return
        if embedder.ranks:
            raise InvalidRequest("engine.no_embedder", param="model")
        if task.dimensions is not None and task.dimensions > self._model.n_embd:
            raise InvalidRequest("engine.dimensions", param="dimensions", maximum=self._model.n_embd)
        for number, text in enumerate(task.inputs):
            place = f"input[{number}]" if len(task.inputs) > 1 else "input"
            tokens = _whole(vocab, text) if isinstance(text, str) else mixed(text, vocab, place)
            if not tokens and isinstance(text, str) and task.cut:
                tokens = [vocab.bos if vocab.bos != NO_TOKEN else 0]  # some texts of a batch may be empty
            yield _measured(_cut(tokens, embedder.longest, vocab) if task.cut else tokens, embedder, place)


def _cut(tokens: list[int], maximum: int, vocab: Vocab) -> list[int]:
    """Returns the tokens without those in the way at the end; what the model wants behind a text stays there."""
    if len(tokens) <= maximum:
        return tokens
    ends = tokens[-1:] if tokens[-1] in (vocab.eos, vocab.sep) else []
    return tokens[: maximum - len(ends)] + ends


def _whole(vocab: Vocab, text: str) -> list[int]:
    return vocab.tokenize(text, parse_special=False, add_special=True)


def _measured(tokens: list[int], embedder: Embedder, place: str) -> list[int]:
    if not tokens:
        raise InvalidRequest("engine.input_empty", param=place, place=place)
    if len(tokens) > embedder.longest:
        raise ContextLengthExceeded(
            "engine.input_too_long", param=place, place=place, n_prompt_tokens=len(tokens), n_ctx=embedder.longest
        )
    return tokens
