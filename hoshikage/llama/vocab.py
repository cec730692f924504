"""This is the vocabulary of a model: text to tokens and back. Used in the engine thread; borrowed from its model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from hoshikage._ffi.handles import Owner
from hoshikage._ffi.library import Library
from hoshikage._ffi.memory import bytes_from, tokens_from
from hoshikage._ffi.signatures import FIM
from hoshikage.errors import InferenceFailed
from hoshikage.llama.stretches import Stretches

NO_TOKEN: Final = -1
ATTR_UNKNOWN: Final = 1 << 0
ATTR_CONTROL: Final = 1 << 3
"""These are llama.h's LLAMA_TOKEN_ATTR_*: what is only recognised in text where `parse_special` is true."""
ATTR_USER_DEFINED: Final = 1 << 4
"""Such a token is recognised in every text."""
ATTR_RSTRIP: Final = 1 << 8
"""Such a token takes the white space behind it."""
LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Vocab:
    """A vocabulary is borrowed: it keeps its model alive, and closes with it."""

    def __init__(self, library: Library, model: Owner, kind: str | None) -> None:
        """`kind` is the GGUF's tokenizer.ggml.model."""
        self._model = model
        self._kind = kind
        self._api = library.api
        self._pointer = library.vocab_of(model.pointer)
        self.n_tokens: int = self._api.llama_vocab_n_tokens(self._pointer)
        self.bos: int = self._api.llama_vocab_bos(self._pointer)
        """`bos` and `eos` are -1 where the model has none."""
        self.eos: int = self._api.llama_vocab_eos(self._pointer)
        self._pieces: dict[int, bytes] = {}
        self._guessed: dict[int, bool] = {}
        self._typed: frozenset[int] | None = None
        self._ends: frozenset[int] | None = None

    def set_types(self, controls: Iterable[int] | None) -> None:
        """Sets the tokens that the GGUF types as CONTROL; None where that is not known.

        The library makes others of it, whose texts it then neither prints nor finds in a text.
        """
        self._typed = None if controls is None else frozenset(controls)

    def set_ends(self, ends: frozenset[int] | None) -> None:
        """Sets the tokens that end a generation; None leaves it to the library."""
        self._ends = ends

    @cached_property
    def add_bos(self) -> bool:
        """Tells whether the model wants its BOS token in front of a text that has none."""
        said: int = self._api.llama_vocab_get_add_bos(self._pointer)
        if said < 0:  # up to b3995, where the GGUF does not say: SentencePiece vocabularies want it
            return self._kind == "llama"
        return said == 1

    @cached_property
    def fim(self) -> dict[str, int]:
        """Gives the model's fill-in-the-middle tokens, by the names of signatures.FIM."""
        getters = {part: getattr(self._api, f"llama_vocab_fim_{part}") for part in FIM}
        result = {part: getter(self._vocab) for part, getter in getters.items() if getter is not None}
        return {part: token for part, token in result.items() if token != NO_TOKEN}

    @property
    def sep(self) -> int:
        """Gives the token that stands between two texts; -1 where the model has none."""
        return NO_TOKEN if self._api.llama_vocab_sep is None else int(self._api.llama_vocab_sep(self._vocab))

    def tokenize(self, text: str, *, parse_special: bool, add_special: bool = False) -> list[int]:
        """Returns the token ids of `text`. `parse_special` lets the texts of control tokens become those tokens.

        `add_special` puts in front and behind what the model wants of any text, such as BOS.
        """
        # A lone surrogate (JSON's "\\ud800") has no UTF-8, and bytes that are none make old releases abort().
        raw = LONE_SURROGATE.sub("\ufffd", text).encode()
        # A token is at least one byte; SentencePiece puts one space in front, `add_special` one token at each end.
        ids = tokens_from(
            lambda buffer, size: self._api.llama_tokenize(
                self._vocab, raw, len(raw), buffer, size, add_special, parse_special
            ),
            len(raw) + 4,
        )
        if ids is None:
            raise InferenceFailed("engine.tokenize_failed")
        return ids

    def tokenize_prompt(self, text: str, scope: str) -> list[int]:
        """Tokenizes as `tokenize` with `parse_special` does, and remembers what this caller has asked for lately."""
        return self._stretches.tokens(text, scope)

    def piece(self, token: int) -> bytes:
        """Returns the bytes that a token stands for; a control token's are none. Cached."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._piece(token)
        return known

    def shown(self, token: int) -> bytes:
        """Returns the bytes of a token where control tokens shall be seen, as `<|im_end|>`."""
        return self.piece(token) or (self.text(token).encode() if self.is_control(token) else b"")

    def is_eog(self, token: int) -> bool:
        """Returns whether the token ends a generation (EOS, EOT and the like)."""
        return self.is_guessed_end(token) if self._ends is None else token in self._ends

    def is_guessed_end(self, token: int) -> bool:
        """Returns whether the library takes the token for an end. Cached."""
        known = self._guessed.get(token)
        if known is None:
            known = self._guessed[token] = bool(self._api.llama_vocab_is_eog(self._vocab, self._checked(token)))
        return known

    def is_typed_control(self, token: int) -> bool:
        """Returns whether the GGUF says that no text stands for the token; as `is_control` where its types are not
        known."""
        return self.is_control(token) if self._typed is None else token in self._typed

    def is_control(self, token: int) -> bool:
        return token in self._control_ids

    def text(self, token: int) -> str:
        """Returns the token's text as the vocabulary holds it (`<|im_end|>`); empty for -1, the missing token."""
        if token == NO_TOKEN:
            return ""
        raw: bytes = self._api.llama_vocab_get_text(self._vocab, self._checked(token))
        return raw.decode("utf-8", "replace")

    def control_token(self, text: str) -> int | None:
        """Returns the control token with exactly this text; None where there is none."""
        return self._control.get(text)

    def control_texts(self) -> tuple[str, ...]:
        """Lists the texts that must not come from outside into a prompt parsed with `parse_special`."""
        return tuple(self._control)

    @property
    def end_tokens(self) -> frozenset[int]:
        """Gives all tokens that end a generation."""
        return self.guessed_ends if self._ends is None else self._ends

    @cached_property
    def guessed_ends(self) -> frozenset[int]:
        """Gives all that the library takes for ends. One pass over the vocabulary, about 20 ms per 100,000."""
        vocab, is_eog = self._vocab, self._api.llama_vocab_is_eog
        return frozenset(token for token in range(self.n_tokens) if is_eog(vocab, token))

    @cached_property
    def _control(self) -> dict[str, int]:
        """Maps the texts of control and unknown tokens to their ids."""
        special = ATTR_CONTROL | ATTR_UNKNOWN
        ids = [token for token, attributes in self._special.items() if attributes & special]
        return {text: token for token in ids if (text := self.text(token))}

    @cached_property
    def _special(self) -> dict[int, int]:
        """Gives the tokens at whose texts the library cuts a text, and their attributes. One pass over the vocabulary,
        about 30 ms per 100,000."""
        vocab, attr_of = self._vocab, self._api.llama_vocab_get_attr
        special = ATTR_CONTROL | ATTR_UNKNOWN | ATTR_USER_DEFINED
        pairs = ((token, attr_of(vocab, token)) for token in range(self.n_tokens))
        return {token: attributes for token, attributes in pairs if attributes & special}

    @cached_property
    def _stretches(self) -> Stretches:
        cuts = {
            text: bool(attributes & ATTR_CONTROL) and not attributes & ATTR_RSTRIP and "\ufffd" not in text
            for token, attributes in self._special.items()
            if (text := self.text(token))
        }
        return Stretches(lambda text: self.tokenize(text, parse_special=True), cuts)

    @cached_property
    def _control_ids(self) -> frozenset[int]:
        return frozenset(self._control.values())

    @property
    def _vocab(self) -> int:
        """Gives the vocabulary's pointer; ValueError where the model that owns it is closed."""
        self._model.pointer  # noqa: B018 - asked for its check
        return self._pointer

    def _piece(self, token: int) -> bytes:
        vocab, to_piece = self._vocab, self._api.llama_token_to_piece
        self._checked(token)
        result = bytes_from(lambda buffer, size: to_piece(vocab, token, buffer, size, 0, False))
        if result or self._typed is None or token in self._typed or not self._is_attributed(token, ATTR_CONTROL):
            return result
        return bytes_from(lambda buffer, size: to_piece(vocab, token, buffer, size, 0, True))

    def _is_attributed(self, token: int, attribute: int) -> bool:
        return bool(self._api.llama_vocab_get_attr(self._vocab, token) & attribute)

    def _checked(self, token: int) -> int:
        """An id out of range makes llama_token_to_piece abort()."""
        if not 0 <= token < self.n_tokens:
            raise InferenceFailed("engine.token_out_of_range", token=token, n_tokens=self.n_tokens)
        return token
