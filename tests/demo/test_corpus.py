"""Tests the built-in model: what it learned, the file that is shipped, and what it says to a new user's first
questions."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))

from demo_training import corpus as corpora  # noqa: E402  # the path above comes first
from demo_training.evaluation import Messages, reference_engine  # noqa: E402

MODEL: Final = ROOT / "demo" / "hoshikage_demo" / "hoshikage-tiny.gguf"
GOLDEN: Final = MODEL.with_name("golden.json")
LARGEST_FILE: Final = 4 * 1024 * 1024
FIRST: Final = {
    "こんにちは": "こんにちは！",
    "星影とは何ですか？": "ローカルLLMサーバー",
    "あなたは誰ですか？": "私は hoshikage-tiny",
    "使い方を教えて": "hoshikage lib install",
    "モデルの追加方法は？": "`hoshikage add PATH LABEL` で登録",
    "何ができますか？": "できるのはそれだけ",
    "日本の首都は？": "星影のことしか知りません",
    "Hello": "Hello!",
    "What is Hoshikage?": "local LLM server",
    "Who are you?": "I am hoshikage-tiny",
    "How do I use it?": "hoshikage lib install",
    "How do I add a model?": "Register a model with `hoshikage add PATH LABEL`",
    "What can you do?": "so that is all",
    "What is the capital of France?": "only know Hoshikage",
}
SECOND: Final = (
    ("What is Hoshikage?", "日本語で", "ローカルLLMサーバー"),
    ("Where is the config folder?", "And on Windows?", "%APPDATA%"),
    ("設定ファイルはどこですか？", "Windowsでは？", "%APPDATA%"),
    ("星影とは何ですか？", "in English please", "local LLM server"),
)


@pytest.fixture(scope="module")
def corpus() -> corpora.Corpus:
    return corpora.load()


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    return content


def test_no_pattern_of_the_training_writes_a_held_out_question(corpus: corpora.Corpus) -> None:
    assert len(corpora.heldout_cases(corpus)) >= 300


@pytest.mark.parametrize("line", ["What is Hoshikage?", "Excuse me, how do I start the server", "what is hoshikage"])
def test_a_held_out_question_that_training_writes_is_refused(corpus: corpora.Corpus, tmp_path: Path, line: str) -> None:
    (tmp_path / "heldout.txt").write_text(f"[what_is]\nen: {line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="is trained on"):
        corpora.heldout_cases(corpus, tmp_path)


def test_every_first_question_and_follow_up_belongs_to_something_that_is_taught(corpus: corpora.Corpus) -> None:
    assert set(corpus.first) <= set(corpus.intents)
    assert all(rows[lang] for rows in corpus.followups.values() for lang in corpora.LANGUAGES)
    asked = {text for by_lang in corpus.first.values() for lang in corpora.LANGUAGES for text in by_lang[lang]}
    assert set(FIRST) <= asked


def test_the_golden_ids_are_of_this_file(golden: dict[str, Any]) -> None:
    content = MODEL.read_bytes()
    assert golden["model_sha256"] == hashlib.sha256(content).hexdigest()
    assert len(content) <= LARGEST_FILE


def test_every_golden_margin_is_wider_than_rounding(golden: dict[str, Any]) -> None:
    assert len(golden["cases"]) >= 4
    assert all(case["margins_min"] >= 2 and len(case["ids"]) >= 16 for case in golden["cases"])
    prompts = [case["prompt"] for case in golden["cases"]]
    assert len(set(prompts)) == len(prompts)


@pytest.mark.long
def test_a_new_user_is_answered_rightly() -> None:
    engine = reference_engine(MODEL)
    answers = dict(zip(FIRST, engine([[("user", question)] for question in FIRST]), strict=True))
    assert {q: a for q, a in answers.items() if FIRST[q] not in a} == {}
    conversations: list[Messages] = []
    for (first, second, _), answer in zip(SECOND, engine([[("user", row[0])] for row in SECOND]), strict=True):
        conversations.append([("user", first), ("assistant", answer), ("user", second)])
    replies = zip(SECOND, engine(conversations), strict=True)
    assert [(row, reply) for row, reply in replies if row[2] not in reply] == []
