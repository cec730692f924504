"""Decodes the pictures and sounds of one request, each once. Engine thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hoshikage.engine.spans import Spans, number_of
from hoshikage.errors import InvalidRequest
from hoshikage.llama.context import Context
from hoshikage.llama.projector import Piece, Projector, Shown
from hoshikage.params import Medium


class Album:
    """An album holds what the media become. The sessions of a job hold it, and the last to let it go frees it."""

    def __init__(self, media: Sequence[Medium], projector: Projector | None, context: Context | None = None) -> None:
        """The media are computed in `context`, where they are computed."""
        self._media = media
        self._projector = projector
        self._context = context
        self._shown: dict[str, Shown] = {}
        self._pieces: dict[int, Piece] = {}
        self._holders = 0
        self.left_out: dict[str, str] = {}
        """Places of the history lead here to the kinds of the media there that cannot be used."""

    def read(self, medium: Medium, tokenize: Callable[[str], list[int]]) -> list[int]:
        """Returns the tokens of a medium, as `tokens` does; what lies in the history and cannot be used becomes words
        instead, for it comes with every turn."""
        if medium.place not in self.left_out:
            try:
                return self.tokens(medium)
            except InvalidRequest:
                if not medium.place:
                    raise
                self.left_out[medium.place] = medium.kind
        return tokenize(medium.words)

    def divided(self, text: str) -> Iterator[tuple[str, Medium | None]]:
        """Divides a text at the marks in it, and yields what stands before each, with its medium; the last with
        none."""
        places = sorted((at, medium) for medium in self._media for at in _places(text, medium.mark))
        done = 0
        for at, medium in places:
            yield text[done:at], medium
            done = at + len(medium.mark)
        yield text[done:], None

    def tokens(self, medium: Medium) -> list[int]:
        """Returns the tokens that stand for a medium in a text. Raises InvalidRequest, NotSupported,
        InferenceFailed."""
        shown = self._shown.get(medium.digest)
        if shown is None:
            if self._projector is None:
                raise InvalidRequest(f"media.no_{medium.kind}", param="messages", place="messages")
            shown = self._shown[medium.digest] = self._projector.shown(medium)
            for piece in shown.pieces:
                self._require_room(piece)
        tokens: list[int] = []
        for index, piece in enumerate(shown.pieces):
            if piece.tokens:
                tokens += piece.tokens
            else:
                number = number_of(medium.digest, index)
                self._pieces[number] = piece
                tokens += [number] * piece.n_tokens
        return tokens

    def spans(self, tokens: Sequence[int]) -> Spans | None:
        """Returns where the media stand in these tokens; None where there are none. Raises InvalidRequest where one is
        the last of all."""
        if not self._pieces:
            return None
        if tokens[-1] < 0:
            raise InvalidRequest("engine.medium_last", param="messages")
        return Spans.of(tokens, self._pieces)

    def held(self) -> Album:
        self._holders += 1
        return self

    def let_go(self) -> None:
        self._holders -= 1
        if self._holders <= 0:
            self.close()

    def close(self) -> None:
        for shown in self._shown.values():
            shown.close()
        self._shown.clear()

    def _require_room(self, piece: Piece) -> None:
        """What must be computed in one decode ends the library's process where it is longer than that."""
        if self._context is None or piece.tokens or self._projector is None:
            return
        maximum = min(self._context.n_batch, self._context.n_ubatch)
        if piece.n_tokens > maximum and self._projector.must_fit(piece):
            raise InvalidRequest("engine.medium_large", param="messages", n_tokens=piece.n_tokens, maximum=maximum)


def _places(text: str, mark: str) -> Iterator[int]:
    at = text.find(mark)
    while at >= 0:
        yield at
        at = text.find(mark, at + len(mark))
