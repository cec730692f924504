"""Owns the drawing of training conversations from the corpus: questions as many hands type them, with follow-ups."""

from __future__ import annotations

import random

from demo_training.corpus import (
    FALLBACK,
    LANGUAGES,
    LEADS,
    PLATFORMS,
    Corpus,
    Messages,
    Reply,
    after,
    asked_name_reply,
    expand,
    name_reply,
    written_questions,
)

FALLBACK_WEIGHT = 6
FIRST_SHARE = 0.15


class ConversationMaker:
    """Draws conversations: questions in many forms, follow-ups that lean on the turn before, stray system lines."""

    def __init__(self, corpus: Corpus, seed: int) -> None:
        self._corpus = corpus
        self._rng = random.Random(seed)
        self._labels = [label for label in corpus.intents for _ in range(FALLBACK_WEIGHT if label == FALLBACK else 1)]
        self._written = {
            (label, lang): written_questions(label, intent.patterns[lang], lang, corpus)
            for label, intent in corpus.intents.items()
            for lang in LANGUAGES
        }
        self._first = {
            lang: [(label, text) for label, by_lang in corpus.first.items() for text in by_lang[lang]]
            for lang in LANGUAGES
        }

    def draw(self) -> Messages:
        """Draws one conversation of one to four turns."""
        rng = self._rng
        messages: list[tuple[str, str]] = []
        if rng.random() < 0.2:
            messages.append(("system", rng.choice(self._corpus.system)))
        lang = rng.choice(LANGUAGES)
        last: tuple[str, Reply, str] | None = None
        for _ in range(rng.choice((1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 4))):
            if rng.random() < 0.12:
                lang = rng.choice(LANGUAGES)
            chance = rng.random()
            if chance < 0.04:
                question, reply = self._name_turn(lang)
                turn = ("", reply, lang)
            elif last is not None and last[0] and chance < 0.7:
                question, turn = self._followup(last, lang)
            elif chance > 1 - FIRST_SHARE:
                label, question = rng.choice(self._first[lang])
                turn = (label, self._corpus.intents[label].reply, lang)
            else:
                label = rng.choice(self._labels)
                question, turn = self._question(label, lang), (label, self._corpus.intents[label].reply, lang)
            lang = turn[2]
            # a first question stays as it is typed, nearly always
            kept = chance > 1 - FIRST_SHARE and rng.random() < 0.8
            messages += [("user", question if kept else self._noisy(question, lang)), ("assistant", turn[1].text[lang])]
            last = turn
        return tuple(messages)

    def _question(self, label: str, lang: str) -> str:
        if self._rng.random() < 0.3:
            return self._rng.choice(self._written[label, lang])
        pattern = self._rng.choice(self._corpus.intents[label].patterns[lang])
        return expand(pattern, lang, self._corpus, self._rng)

    def _followup_text(self, kind: str, lang: str) -> str:
        return expand(self._rng.choice(self._corpus.followups[kind][lang]), lang, self._corpus, self._rng)

    def _name_turn(self, lang: str) -> tuple[str, Reply]:
        if self._rng.random() < 0.5:
            return self._followup_text("ask_name", lang), asked_name_reply()
        name = self._rng.choice(self._corpus.names[lang][:-5])
        return self._followup_text("my_name", lang).replace("@", name), name_reply()

    def _followup(self, last: tuple[str, Reply, str], lang: str) -> tuple[str, tuple[str, Reply, str]]:
        label, reply, said_in = last
        kind = self._rng.choice(("to_english", "to_japanese", "example", "example", "again", *PLATFORMS))
        if self._corpus.intents[label].then and self._rng.random() < 0.6:
            kind = self._rng.choice(PLATFORMS)
        question = self._followup_text(kind, lang)
        if kind in ("to_english", "to_japanese"):
            return question, (label, reply, "en" if kind == "to_english" else "ja")
        if kind == "again":
            return question, (label, reply, said_in)
        goal, answer = after(self._corpus, label, kind)
        return question, (goal, answer, lang)

    def _noisy(self, text: str, lang: str) -> str:
        """Returns the same question as another hand would type it."""
        rng = self._rng
        for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 1, 2))):
            text = self._slip(text, lang)
        lead = rng.choice(("",) * 12 + LEADS[lang])
        if lang == "ja":
            ending = "ですか？" if text.endswith("は") else "？"
            tail = rng.choice(("", "", "", "？", "？", "?", "。", "！", " ", ending))
            return lead + text + ("" if text[-1] in "？?。！" else tail)
        if rng.random() < 0.6 and not lead:
            text = text[0].upper() + text[1:]
        tail = rng.choice(("", "", "?", "?", "?", "?", ".", "!", " ?", "??", " please", ", please?", " ", " thanks"))
        text = lead + text + ("" if text[-1] in "?.!" else tail)
        return text.lower() if rng.random() < 0.15 else text.upper() if rng.random() < 0.02 else text

    def _slip(self, text: str, lang: str) -> str:
        """Makes a slip: no answer may hang on one byte."""
        rng = self._rng
        words = text.split(" ")
        if lang == "en" and len(words) > 4 and rng.random() < 0.4:
            del words[rng.randrange(len(words))]
            return " ".join(words)
        if len(text) < 5:
            return text
        at = rng.randrange(1, len(text) - 1)
        kind = rng.randrange(3)
        if kind == 0:
            return text[:at] + text[at + 1 :]
        if kind == 1:
            return text[:at] + text[at] + text[at:]
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
