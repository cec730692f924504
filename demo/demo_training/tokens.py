"""Owns the vocabulary: byte-level BPE that equals llama.cpp's "gpt-2" pre-tokenizer for the merges chosen here."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

END_OF_TEXT, IM_START, IM_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTROLS = (END_OF_TEXT, IM_START, IM_END)
CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")


@cache
def byte_letters() -> tuple[str, ...]:
    """Returns GPT-2's printable stand-in for each byte value."""
    kept = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    letters, spare = [], 0x100
    for value in range(256):
        if value in kept:
            letters.append(chr(value))
        else:
            letters.append(chr(spare))
            spare += 1
    return tuple(letters)


def pre_split(text: str) -> list[str]:
    r"""Splits a text as GPT-2 does: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ .

    Runs of white space may be cut otherwise than there: no merge spans two spaces, so the ids are the same.
    """
    pieces, at = [], 0
    while at < len(text):
        end = at + len(next((mark for mark in CONTRACTIONS if text.startswith(mark, at)), ""))
        if end == at:
            # a space belongs to the run after it, which keeps a quote there from opening a contraction
            end += 2 if text[at] == " " and at + 1 < len(text) and _kind(text[at + 1]) != "space" else 1
            kind = _kind(text[end - 1])
            while kind != "space" and end < len(text) and _kind(text[end]) == kind:
                end += 1
        pieces.append(text[at:end])
        at = end
    return pieces


def _kind(char: str) -> str:
    if char.isspace():
        return "space"
    category = unicodedata.category(char)[0]
    return {"L": "letter", "N": "number"}.get(category, "other")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A vocabulary has `tokens` by id and `merges` by rank, both in GPT-2's stand-in letters."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]

    @property
    def end_id(self) -> int:
        return self.tokens.index(IM_END)


def learn(texts: Iterable[str], lead_merges: int = 24, letter_merges: int = 320) -> Vocabulary:
    """Merges of a character's leading bytes (never a whole one), and of lower-case letters with the one space that a
    piece may begin with; most frequent first."""
    text = "\n".join(texts)
    letters = byte_letters()
    leads: Counter[tuple[str, str]] = Counter()
    for char in text:
        raw = char.encode("utf-8")
        for size in range(2, len(raw)):
            leads["".join(letters[b] for b in raw[: size - 1]), letters[raw[size - 1]]] += 1
    merges = [pair for pair, _ in leads.most_common(lead_merges)]
    merges.sort(key=lambda pair: len(pair[0]))
    merges += _letter_merges(text, letter_merges)
    tokens = [*letters, *("".join(pair) for pair in merges), *CONTROLS]
    return Vocabulary(tuple(dict.fromkeys(tokens)), tuple(merges))


def _letter_merges(text: str, count: int) -> list[tuple[str, str]]:
    words: Counter[tuple[str, ...]] = Counter()
    space = byte_letters()[0x20]
    for piece in pre_split(text):
        run = ""
        for char in piece + "\n":
            if char in LETTERS:
                run += char
                continue
            if run:
                words[tuple(run)] += 1
            run = space if char == " " else ""
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        joined: Counter[tuple[str, ...]] = Counter()
        for word, times in words.items():
            joined[_join(word, best)] += times
        words = joined
    return merges


def _join(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    at = 0
    while at < len(word):
        if word[at : at + 2] == pair:
            out.append(pair[0] + pair[1])
            at += 2
        else:
            out.append(word[at])
            at += 1
    return tuple(out)


class Tokenizer:
    """This turns text to ids and back. Control tokens are read in `encode_chat` only."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._ids = {token: index for index, token in enumerate(vocabulary.tokens)}
        self._ranks = {pair: rank for rank, pair in enumerate(vocabulary.merges)}
        self._bytes = {letter: value for value, letter in enumerate(byte_letters())}
        self._cache: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str) -> list[int]:
        """Returns the ids of plain text."""
        return [token for piece in pre_split(text) for token in self._piece(piece)]

    def encode_prompt(self, prompt: str) -> list[int]:
        """Ids of a rendered prompt, its control tokens read as such (llama_tokenize with parse_special)."""
        ids: list[int] = []
        while prompt:
            at, mark = min(((prompt.find(c), c) for c in CONTROLS if c in prompt), default=(len(prompt), ""))
            ids += self.encode(prompt[:at])
            if mark:
                ids.append(self._ids[mark])
            prompt = prompt[at + len(mark) :]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Returns the text of ids; control tokens are left out, broken UTF-8 is replaced."""
        tokens = (self.vocabulary.tokens[token] for token in ids)
        raw = bytes(self._bytes[letter] for token in tokens if token not in CONTROLS for letter in token)
        return raw.decode("utf-8", "replace")

    def _piece(self, piece: str) -> tuple[int, ...]:
        if piece not in self._cache:
            letters = byte_letters()
            word = tuple(letters[value] for value in piece.encode("utf-8"))
            while len(word) > 1:
                best = min(pairwise(word), key=lambda pair: self._ranks.get(pair, 1 << 30))
                if best not in self._ranks:
                    break
                word = _join(word, best)
            self._cache[piece] = tuple(self._ids[token] for token in word)
        return self._cache[piece]


def render_chat(messages: Iterable[tuple[str, str]], add_generation_prompt: bool = True) -> str:
    """Plain ChatML, as the template in the file's metadata writes it."""
    text = "".join(f"{IM_START}{role}\n{content}{IM_END}\n" for role, content in messages)
    return text + (f"{IM_START}assistant\n" if add_generation_prompt else "")
