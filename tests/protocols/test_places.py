"""Where files lie is told to those who administer the server; others are told names, in every message."""

from __future__ import annotations

import logging
import string
from importlib import import_module
from typing import Any

import pytest

from hoshikage.errors import GgufInvalid, HoshikageError, ModelLoadFailed
from hoshikage.http import error_response
from hoshikage.http.authenticator import ANONYMOUS, CALLER, OWNER, Caller
from hoshikage.http.places import PLACES, nameless, told
from hoshikage.messages import AREAS, LANGUAGES, Language
from hoshikage.protocols.anthropic import writer as anthropic
from hoshikage.protocols.ollama import writer as ollama

FOLDER = "/home/someone/private models"
FILE = f"{FOLDER}/mikan.gguf"


def fields(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


MESSAGES = [
    (f"{area}.{name}", fields(pair[0]) | fields(pair[1]))
    for area in AREAS
    for name, pair in import_module(f"hoshikage.messages.{area}").TEXTS.items()
]
NAMING = [(key, names) for key, names in MESSAGES if names & PLACES]


@pytest.fixture
def anonymous() -> Any:
    before = CALLER.set(Caller(ANONYMOUS))
    yield
    CALLER.reset(before)


def bodies(error: HoshikageError, language: Language) -> list[str]:
    """As each family of clients is told of it."""
    makers = (error_response.body, anthropic.error_body, ollama.error_body)
    return [str(make(error, language)) for make in makers]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_message_tells_a_caller_where_a_file_lies(anonymous: None, language: Language) -> None:
    assert len(NAMING) > 50
    for key, names in NAMING:
        filled = {name: FILE if name in PLACES else 1 for name in names}
        filled.update(dict.fromkeys(names & {"reason"}, f"cannot open {FILE}: no such file"))
        for body in bodies(GgufInvalid.of(key, filled), language):
            assert "someone" not in body, key
            assert "private models" not in body, key


@pytest.mark.parametrize("caller", [OWNER, Caller("mika", 1, is_admin=True)])
def test_who_administers_the_server_is_told_the_whole_path(caller: Caller) -> None:
    before = CALLER.set(caller)
    for body in bodies(ModelLoadFailed("engine.load_aborted", path=FILE), "en"):
        assert FILE in body
    CALLER.reset(before)


def test_a_library_s_own_words_lose_their_folders_and_nothing_else(anonymous: None) -> None:
    said = (
        "/opt/llama/lib/libllama.so: undefined symbol: llama_x;"
        " see https://example.org/a/b (1/2 of C:\\Users\\x\\y.gguf)"
    )
    error = ModelLoadFailed("engine.model_load_failed", path=FILE, reason=said)
    shown = error_response.message_of(error, "en")
    assert "libllama.so: undefined symbol: llama_x; see https://example.org/a/b (1/2 of y.gguf)" in shown
    assert "/opt" not in shown
    assert "Users" not in shown


def test_what_a_client_names_itself_stays(anonymous: None) -> None:
    assert told({"name": "org/mikan:7b", "route": "/v1/chat/completions", "file": "mikan.gguf"}) == {
        "name": "org/mikan:7b",
        "route": "/v1/chat/completions",
        "file": "mikan.gguf",
    }
    shown = nameless({"a": ["org/mikan:7b", FILE, 3, "damaged: /models/deep/x.gguf"]})
    assert shown == {"a": ["org/mikan:7b", None, 3, "damaged: x.gguf"]}


def test_the_log_has_the_whole_path(anonymous: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hoshikage.server"):
        error_response.record(ModelLoadFailed("engine.load_aborted", path=FILE))
    assert FILE in caplog.text
