"""Owns the corpus: reads its text files, writes out question patterns, and says what a right answer holds."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
LANGUAGES = ("ja", "en")
FORMS_A_PATTERN = 2
PLATFORMS = ("windows", "macos", "linux")
FALLBACK = "fallback"
LEADS = {
    "ja": (
        "すみません、",
        "あの、",
        "ねえ、",
        "質問です。",
        "教えて。",
        "えっと、",
        "ところで、",
        "すみませんが、",
        "ちょっと、",
    ),
    "en": (
        "Hey, ",
        "Please tell me: ",
        "Excuse me, ",
        "Sorry, ",
        "So ",
        "OK, ",
        "Well, ",
        "One question: ",
        "Hi! ",
        "Just wondering, ",
        "Quick question: ",
        "By the way, ",
    ),
}

Messages = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """One thing the model can say: its text by language, and what an answer must contain to count as right."""

    text: dict[str, str]
    must: dict[str, tuple[str, ...]]


@dataclass(slots=True)
class Intent:
    """One thing a user may want; `then` leads from a follow-up's kind to another intent's label."""

    label: str
    fields: dict[str, str] = field(default_factory=dict)
    patterns: dict[str, list[str]] = field(default_factory=lambda: {lang: [] for lang in LANGUAGES})
    then: dict[str, str] = field(default_factory=dict)

    @property
    def reply(self) -> Reply:
        must = {lang: tuple(self.fields[f"{lang}.must"].split(" & ")) for lang in LANGUAGES}
        return Reply({lang: self.fields[f"{lang}.answer"] for lang in LANGUAGES}, must)

    @property
    def example(self) -> Reply | None:
        if "en.example" not in self.fields:
            return None
        text = {lang: self.fields[f"{lang}.example"] for lang in LANGUAGES}
        return Reply(text, {lang: (re.sub(r"[。✨ ]|です", "", line),) for lang, line in text.items()})


@dataclass(frozen=True, slots=True)
class Corpus:
    """This is all that the text files say. Follow-ups are kept by kind and language, first questions by intent and
    language."""

    intents: dict[str, Intent]
    followups: dict[str, dict[str, list[str]]]
    macros: dict[str, str]
    names: dict[str, list[str]]
    system: list[str]
    first: dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Case:
    """This is one question of the evaluation; `before` holds the user's earlier turns."""

    group: str
    lang: str
    before: tuple[str, ...]
    question: str
    must: tuple[str, ...]


# ---------------------------------------------------------------- reading


def read_blocks(path: Path) -> list[tuple[str, list[str]]]:
    """A file's `[label]` blocks in order; lines before the first block come under the label ''."""
    blocks: list[tuple[str, list[str]]] = [("", [])]
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            blocks.append((line[1:-1], []))
        else:
            blocks[-1][1].append(line)
    return [block for block in blocks if block[1]]


def read_questions(lines: list[str]) -> dict[str, list[str]]:
    """`xx: text` lines by language."""
    questions: dict[str, list[str]] = {lang: [] for lang in LANGUAGES}
    for line in lines:
        lang, _, text = line.partition(": ")
        questions[lang].append(text)
    return questions


def read_table(path: Path) -> dict[str, str]:
    """`key = value` lines."""
    lines = [line for _, block in read_blocks(path) for line in block]
    return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}


def read_intent(label: str, lines: list[str]) -> Intent:
    intent = Intent(label)
    for line in lines:
        if match := re.match(r"(ja|en): (.*)", line):
            intent.patterns[match[1]].append(match[2])
            continue
        key, _, value = line.partition(" = ")
        if key.startswith("then."):
            intent.then[key.removeprefix("then.")] = value
        else:
            intent.fields[key] = value
    return intent


def load(folder: Path = CORPUS) -> Corpus:
    """Loads the whole corpus, checked: an answer satisfies its own `must` and no other intent's."""
    intents = {label: read_intent(label, lines) for label, lines in read_blocks(folder / "intents.txt")}
    followups = {label: read_questions(lines) for label, lines in read_blocks(folder / "followups.txt")}
    names = {lang: row.split("|") for lang, row in read_table(folder / "names.txt").items()}
    system = [line for _, lines in read_blocks(folder / "system.txt") for line in lines]
    first = {label: read_questions(lines) for label, lines in read_blocks(folder / "first.txt")}
    corpus = Corpus(intents, followups, read_table(folder / "macros.txt"), names, system, first)
    check(corpus)
    return corpus


def is_right(answer: str, must: tuple[str, ...]) -> bool:
    """Returns whether the answer holds every required text; spaces do not count."""
    squeezed = answer.replace(" ", "")
    return all(part.replace(" ", "") in squeezed for part in must)


def check(corpus: Corpus) -> None:
    for lang in LANGUAGES:
        for label, intent in corpus.intents.items():
            for other, candidate in corpus.intents.items():
                if is_right(candidate.reply.text[lang], intent.reply.must[lang]) != (label == other):
                    raise ValueError(f"{lang}.must of [{label}] does not tell it from [{other}]")


# ---------------------------------------------------------------- patterns


def expand(pattern: str, lang: str, corpus: Corpus, rng: random.Random) -> str:
    """Draws one form of a pattern at random."""

    def macro(match: re.Match[str]) -> str:
        return rng.choice(corpus.macros[f"{lang}.{match[1]}"].split("|"))

    text = re.sub(r"\{([^{}]*)\}", lambda match: rng.choice(match[1].split("|")), pattern)
    return " ".join(re.sub(r"\$([a-zA-Z]+)", macro, text).split())


def written_questions(label: str, patterns: list[str], lang: str, corpus: Corpus) -> list[str]:
    """Returns the corpus' questions proper: a few fixed forms of each pattern, the same in every run."""
    rng = random.Random(f"{label} {lang}")
    forms = [expand(pattern, lang, corpus, rng) for pattern in patterns for _ in range(FORMS_A_PATTERN)]
    return list(dict.fromkeys(forms))


def name_reply() -> Reply:
    """Makes the reply to a user who says a name. It is not repeated: this small a model copies names wrongly."""
    text = {
        "en": "Nice to meet you! ✨ Ask me about Hoshikage.",
        "ja": "お会いできてうれしいです！✨ 星影のことを聞いてください。",
    }
    return Reply(text, {"en": ("Nice to meet you!",), "ja": ("お会いできてうれしい",)})


def asked_name_reply() -> Reply:
    """Makes the reply to a user who asks for the own name."""
    text = {
        "en": "I cannot remember names: I am too tiny for that.",
        "ja": "お名前は覚えられません。そのためには小さすぎるモデルです。",
    }
    return Reply(text, {"en": ("cannot remember names",), "ja": ("お名前は覚えられません",)})


def after(corpus: Corpus, label: str, kind: str) -> tuple[str, Reply]:
    """Returns the intent that a follow-up of this kind leads to after another: (label, reply)."""
    intent = corpus.intents[label]
    if kind == "example":
        example = intent.example
        return (label, example) if example else (FALLBACK, corpus.intents[FALLBACK].reply)
    goal = intent.then.get(kind) or (label if intent.then else "os")
    return goal, corpus.intents[goal].reply


# ---------------------------------------------------------------- evaluation


FIRST_TURNS = {
    "to_english": ("what_is", "license", "port"),
    "to_japanese": ("what_is", "license", "port"),
    "example": ("add", "port", "idle", "api"),
    "again": ("list", "os", "idle"),
    "windows": ("config", "lib_place"),
    "macos": ("config", "lib_place"),
    "linux": ("config_windows", "lib_macos"),
}


def single_cases(corpus: Corpus, questions: dict[str, dict[str, list[str]]]) -> list[Case]:
    """Makes one case for each question, by intent label and language."""
    return [
        Case(label, lang, (), text, corpus.intents[label].reply.must[lang])
        for label, by_lang in questions.items()
        for lang in LANGUAGES
        for text in by_lang[lang]
    ]


def followup_cases(corpus: Corpus, texts: dict[str, dict[str, list[str]]], trained: bool) -> list[Case]:
    """Makes two-turn cases: every follow-up text after fixed first questions; names are trained or unseen ones."""
    cases: list[Case] = []
    for kind, by_lang in texts.items():
        for lang in LANGUAGES:
            for index, text in enumerate(by_lang[lang]):
                if kind in ("my_name", "ask_name"):
                    cases.append(_name_case(corpus, kind, lang, index, text, trained))
                    continue
                for label in FIRST_TURNS[kind]:
                    first = written_questions(label, corpus.intents[label].patterns[lang], lang, corpus)[0]
                    if kind in ("to_english", "to_japanese"):
                        must = corpus.intents[label].reply.must["en" if kind == "to_english" else "ja"]
                    elif kind == "again":
                        must = corpus.intents[label].reply.must[lang]
                    else:
                        must = after(corpus, label, kind)[1].must[lang]
                    cases.append(Case(f"then {kind}", lang, (first,), text, must))
    return cases


def _name_case(corpus: Corpus, kind: str, lang: str, index: int, text: str, trained: bool) -> Case:
    names = corpus.names[lang][:-5] if trained else corpus.names[lang][-5:]
    name = names[index * 7 % len(names)]
    if kind == "my_name":
        return Case("name given", lang, (), text.replace("@", name), name_reply().must[lang])
    first = f"My name is {name}." if lang == "en" else f"私の名前は{name}です。"
    return Case("name asked", lang, (first,), text, asked_name_reply().must[lang])


def trained_cases(corpus: Corpus) -> list[Case]:
    """Returns the corpus' questions: fixed forms of every pattern, and the two-turn exchanges."""
    singles = {
        label: {lang: written_questions(label, intent.patterns[lang], lang, corpus) for lang in LANGUAGES}
        for label, intent in corpus.intents.items()
    }
    follow = {
        kind: {lang: written_questions(kind, rows[lang], lang, corpus) for lang in LANGUAGES}
        for kind, rows in corpus.followups.items()
    }
    return first_cases(corpus) + single_cases(corpus, singles) + followup_cases(corpus, follow, trained=True)


def first_cases(corpus: Corpus) -> list[Case]:
    """Returns the most natural first questions, as they are typed."""
    return single_cases(corpus, corpus.first)


def heldout_cases(corpus: Corpus, folder: Path = CORPUS) -> list[Case]:
    """Returns the paraphrases of the held-out file. One that training can write is refused, as it would measure
    memory."""
    blocks = {label: read_questions(lines) for label, lines in read_blocks(folder / "heldout.txt")}
    for lang in LANGUAGES:
        known = [pattern_regex(pattern, lang, corpus) for pattern in all_patterns(corpus, lang)]
        asked_first = {bare(text, lang).casefold() for by_lang in corpus.first.values() for text in by_lang[lang]}
        for label, rows in blocks.items():
            for text in rows[lang]:
                plain = bare(text, lang)
                if plain.casefold() in asked_first or any(regex.fullmatch(plain) for regex in known):
                    raise ValueError(f"heldout.txt [{label}] {lang}: {text!r} is trained on")
    singles = {label: rows for label, rows in blocks.items() if label in corpus.intents}
    follow = {label: rows for label, rows in blocks.items() if label not in corpus.intents}
    return single_cases(corpus, singles) + followup_cases(corpus, follow, trained=False)


def all_patterns(corpus: Corpus, lang: str) -> list[str]:
    """Returns every question pattern of a language, follow-ups included."""
    intents = [pattern for intent in corpus.intents.values() for pattern in intent.patterns[lang]]
    return intents + [pattern for rows in corpus.followups.values() for pattern in rows[lang]]


def bare(text: str, lang: str) -> str:
    """Returns a question without the lead words and the marks that training puts around a pattern."""
    for lead in LEADS[lang]:
        if text.lower().startswith(lead.lower()):
            text = text[len(lead) :]
    return text.rstrip("?？。.!！ ").removesuffix(" please").removesuffix(" thanks")


@cache
def choice(options: str) -> str:
    """Writes what stands between bars as a regular expression, once for each."""
    return "(?:" + "|".join(re.escape(" ".join(option.split())) for option in options.split("|")) + ")"


def pattern_regex(pattern: str, lang: str, corpus: Corpus) -> re.Pattern[str]:
    """Writes what a pattern can write as a regular expression: proves that a held-out question was not trained on."""
    parts = re.split(r"(\{[^{}]*\}|\$[a-zA-Z]+)", pattern)
    written = []
    for part in parts:
        if part.startswith("{"):
            written.append(choice(part[1:-1]))
        elif part.startswith("$"):
            written.append(choice(corpus.macros[f"{lang}.{part[1:]}"]))
        else:
            written.append(re.escape(" ".join(part.split())))
    return re.compile(r"\s*".join(written), re.IGNORECASE)
