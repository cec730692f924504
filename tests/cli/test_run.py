"""Tests run: one question and one answer, through a running server and without one; what goes where, and how it
ends."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import pytest

from hoshikage import wire
from hoshikage.cli import result
from hoshikage.dispatch.client import Note
from hoshikage.infos import Timings
from hoshikage.params import GenerationRequest, Work
from hoshikage.registry import ModelSpec, Registry
from tests.cli.conftest import Cli, Running
from tests.cli.test_chat import piped

SCHEMA: Final = {
    "type": "object",
    "properties": {"name": {"enum": ["星影"]}},
    "required": ["name"],
    "additionalProperties": False,
}
PNG: Final = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def asked(server: Running, monkeypatch: pytest.MonkeyPatch) -> list[GenerationRequest]:
    """Gathers the requests that come to the server's engine, whose answers are cut where they may have one token
    alone."""
    requests: list[GenerationRequest] = []
    real = server.echo.generate

    async def generate(spec: ModelSpec, work: Work) -> AsyncGenerator[Note, None]:
        assert isinstance(work, GenerationRequest)
        requests.append(work)
        async for note in real(spec, work):
            cut = isinstance(note, wire.Finished) and work.max_tokens == 1
            yield wire.Finished(1, "length", 1, 1, Timings(1.0, 1.0, 1.0)) if cut else note

    monkeypatch.setattr(server.echo, "generate", generate)
    return requests


class TestServer:
    @pytest.mark.process
    def test_the_answer_alone_goes_to_standard_output(self, asked: list[GenerationRequest]) -> None:
        ran = piped("", "run", "first", "星影とは？")
        assert (ran.status, ran.out, ran.err) == (0, "first 1 「星影とは？」\x1b[2J\n", "")

    @pytest.mark.process
    def test_nothing_is_wiped_once_the_answer_flows(
        self, asked: list[GenerationRequest], cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On a terminal, `transient` clears the line that the answer stands on."""
        steps: list[str] = []
        monkeypatch.setattr(result, "transient", lambda _words: steps.append("transient"))
        monkeypatch.setattr(result, "write", steps.append)
        monkeypatch.setattr("sys.stdin", None)
        assert cli("run", "first", "星影とは？").status == 0
        answer = [step for step in steps if step != "transient"]
        assert len(answer) > 2
        assert "transient" not in steps[steps.index(answer[0]) :]

    @pytest.mark.process
    def test_standard_input_stands_below_the_question(self, asked: list[GenerationRequest]) -> None:
        assert piped("a\nb\n", "run", "first", "Sum up:").out == "first 1 「Sum up:\n\na\nb」\x1b[2J\n"
        assert piped("a\nb\n", "run", "first").out == "first 1 「a\nb」\x1b[2J\n"
        ran = piped(" \n", "run", "first")
        assert (ran.status, ran.out) == (2, "")
        assert "hoshikage run LABEL" in ran.err

    @pytest.mark.process
    def test_what_was_asked_for_reaches_the_engine(self, asked: list[GenerationRequest], work: Path) -> None:
        (work / "city.json").write_text(json.dumps(SCHEMA), "utf-8")
        options = ("--tokens", "9", "--temperature", "0", "--seed", "7", "--system", "Be short.")
        for schema in ("city.json", json.dumps(SCHEMA)):
            assert piped("", "run", "first", "a", "--json-schema", schema, *options).status == 0
        assert len(asked) == 2
        for request in asked:
            assert (request.max_tokens, request.sampling.temperature, request.sampling.seed) == (9, 0, 7)
            assert [turn.role for turn in request.chat.messages] == ["system", "user"]
            assert request.grammar is not None
            assert json.loads(request.grammar.text) == SCHEMA

    @pytest.mark.process
    def test_a_cut_answer_is_no_whole_one(self, asked: list[GenerationRequest]) -> None:
        ran = piped("", "run", "first", "a", "--tokens", "1")
        assert (ran.status, ran.out) == (3, "first 1 「a」\x1b[2J\n")
        assert ran.err == (
            "warning: The answer was cut at its limit of tokens. For the whole of it, raise --tokens or N_CTX.\n"
        )

    @pytest.mark.process
    def test_a_registered_file_is_answered_under_its_label(
        self, asked: list[GenerationRequest], model: Path, registry: Registry
    ) -> None:
        assert piped("", "run", str(model), "a").out == "first 1 「a」\x1b[2J\n"

    @pytest.mark.process
    def test_the_servers_refusals_are_shown_in_both_languages(self, asked: list[GenerationRequest], work: Path) -> None:
        ran = piped("", "run", "third", "a")
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith("error: Model “third” is not registered")
        assert piped("", "run", "third", "a", "--lang", "ja").err.startswith(
            "エラー: モデル「third」は登録されていません"
        )
        (work / "star.png").write_bytes(PNG)
        ran = piped("", "run", "first", "What is this?", "--image", "star.png")
        assert (ran.status, ran.out) == (1, "")
        assert "this model does not read pictures" in ran.err
        assert asked == []


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "Missing arguments: LABEL|FILE.gguf"),
            (("star", "a", "--tokens", "0"), "--tokens cannot be “0”"),
            (("star", "a", "--tokens", "many"), "--tokens cannot be “many”"),
            (("star", "a", "--temperature", "hot"), "--temperature cannot be “hot”"),
            (("star", "a", "--temperature", "nan"), "--temperature cannot be “nan”"),
            (("star", "a", "--seed", "-1"), "--seed"),
            (("star", "a", "--json-schema", "absent.json"), "absent.json cannot be read"),
            (("star", "a", "--json-schema", "{"), "--json-schema must be a JSON object"),
            (("star", "a", "--image", "absent.png"), "absent.png cannot be read"),
            (("absent.gguf", "a"), "absent.gguf"),
        ],
    )
    def test_is_told_and_nothing_is_printed(
        self, cli: Cli, no_input: None, unused_tcp_port: int, arguments: tuple[str, ...], words: str
    ) -> None:
        ran = cli("run", *arguments, "--port", str(unused_tcp_port))
        assert (ran.status, ran.out) == (2, "")
        assert words in ran.err

    @pytest.mark.parametrize("text", ["[]", "null", "7"])
    def test_a_schema_is_an_object(self, cli: Cli, no_input: None, work: Path, text: str) -> None:
        (work / "schema.json").write_text(text, "utf-8")
        ran = cli("run", "star", "a", "--json-schema", "schema.json")
        assert ran.status == 2
        assert "must be a JSON object" in ran.err

    def test_an_unknown_label_without_a_server(self, cli: Cli, no_input: None, unused_tcp_port: int) -> None:
        ran = cli("run", "star", "a", "--port", str(unused_tcp_port))
        assert (ran.status, ran.out) == (1, "")
        assert "hoshikage add" in ran.err


@pytest.fixture
def no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a standard input that has come to its end."""
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.fixture
def alone(
    work: Path, library_file: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> Registry:
    """Gives an empty registry, where no server runs, and a real library."""
    monkeypatch.setenv("PORT", str(unused_tcp_port))
    monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(library_file))
    monkeypatch.setenv("RAMDISK_PATH", "off")
    monkeypatch.setenv("N_CTX", "512")
    return registry


@pytest.mark.process
def test_without_a_server_the_command_loads_the_model_itself(alone: Registry, demo_model: Path) -> None:
    fixed: tuple[Any, ...] = ("--temperature", "0")
    by_file = piped("", "run", str(demo_model), "星影とは何ですか？", *fixed)
    assert (by_file.status, by_file.err) == (0, "")
    assert "GGUF" in by_file.out
    assert by_file.out.count("\n") == 1
    alone.add("star", demo_model)
    assert piped("星影とは何ですか？", "run", "star", *fixed) == by_file
    formed = piped("", "run", "star", "Who?", "--json-schema", json.dumps(SCHEMA), "--tokens", "40")
    assert (formed.status, json.loads(formed.out)) == (0, {"name": "星影"})
    cut = piped("", "run", "star", "星影とは何ですか？", "--tokens", "2", *fixed)
    assert cut.status == 3
    assert cut.out.strip()
    assert by_file.out.startswith(cut.out.rstrip("\n"))


@pytest.mark.process
def test_without_a_library_the_remedy_is_told(work: Path, model: Path, unused_tcp_port: int) -> None:
    ran = piped("", "run", str(model), "a", "--port", str(unused_tcp_port))
    assert (ran.status, ran.out) == (1, "")
    assert "hoshikage lib install" in ran.err
