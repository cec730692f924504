"""Tells a prompt back, with the log probabilities of its tokens where those are asked for. Engine thread."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from hoshikage import wire
from hoshikage.llama.logprobs import Scorer
from hoshikage.llama.vocab import Vocab
from hoshikage.wire import Chosen, Likely

FRAME_TOKENS: Final = 256
FRAME_CHARACTERS: Final = 1_048_576
"""One event has so many characters at most: a frame has a limit."""


class PromptLogprobs:
    """Gathers what is told of one prompt. `pieces` are the bytes of its last tokens; those before are not told."""

    def __init__(self, job: int, pieces: Sequence[bytes], n_tokens: int, scorer: Scorer | None, vocab: Vocab) -> None:
        self._job = job
        self._pieces = pieces
        self._hidden = n_tokens - len(pieces)
        self._scorer = scorer
        self._vocab = vocab
        self._scores: list[tuple[float, list[tuple[int, float]]]] = [(math.nan, [])] * (self._hidden == 0)

    @property
    def scores(self) -> bool:
        """Tells whether the prompt must be computed token by token."""
        return self._scorer is not None

    def score(self, index: int, position: int, token: int) -> None:
        """Scores the prompt's token at `position` by the logits of the one before it; again where it is computed
        again."""
        if self._scorer is not None and position >= self._hidden:
            del self._scores[position - self._hidden :]
            self._scores.append(self._scorer.score(self._scorer.row(index), token))

    def frames(self) -> Iterator[wire.Echo]:
        """What is to be told, once the whole prompt is computed."""
        if self._scorer is None:
            text = b"".join(self._pieces).decode("utf-8", "replace")
            for start in range(0, len(text), FRAME_CHARACTERS):
                yield wire.Echo(self._job, text[start : start + FRAME_CHARACTERS])
            return
        tokens = iter(self._tokens())
        while part := tuple(islice(tokens, FRAME_TOKENS)):
            yield wire.Echo(self._job, "".join(one.token.text for one in part), part)

    def _tokens(self) -> Iterator[Chosen]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        last = len(self._pieces) - 1
        for number, (raw, (logprob, top)) in enumerate(zip(self._pieces, self._scores, strict=True)):
            others = ((self._vocab.shown(token), value) for token, value in top)
            yield Chosen(
                Likely(decoder.decode(raw, number == last), raw, logprob),
                tuple(Likely(other.decode("utf-8", "replace"), other, value) for other, value in others),
            )
