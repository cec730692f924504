"""Tests chat and demo over a real server: prompts from a pipe, and a conversation in a pseudo-terminal."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pytest

from hoshikage.access import local_admin
from hoshikage.library import demo
from hoshikage.registry import Registry
from hoshikage.settings import config_dir
from tests.cli.conftest import Cli, Ran, Running
from tests.cli.test_server_first import JSON, KIN, impostor

pytestmark = pytest.mark.process

PATIENCE_S = 30


def piped(prompt: str, *arguments: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "hoshikage", *arguments],
        input=prompt.encode(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


class TestPipe:
    def test_one_prompt_one_answer(self, server: Running) -> None:
        ran = piped("星影とは？\n二行目\n", "chat", "first")
        assert (ran.status, ran.err) == (0, "")
        assert ran.out == "first 1 「星影とは？\n二行目」\x1b[2J\n", "to a pipe, every character as it is"

    def test_without_a_label_the_loaded_model_answers(self, server: Running) -> None:
        assert piped("a", "chat").out.startswith("second ")

    def test_nothing_to_say(self, server: Running) -> None:
        assert piped(" \n", "chat").status == 2

    def test_commands_of_the_terminal_are_words_here_and_it_says_so(self, server: Running) -> None:
        ran = piped("one\n/clear\ntwo\n/exit\n", "chat", "first")
        assert ran.out == "first 1 「one\n/clear\ntwo\n/exit」\x1b[2J\n"
        assert "warning: Standard input is one prompt as a whole: /clear and /exit work in a terminal alone" in ran.err
        assert "注意: 標準入力は全体で 1 つの質問です" in piped("/exit", "chat", "first", "--lang", "ja").err
        assert piped("a path /exit/of", "chat", "first").err == ""

    def test_the_servers_refusal_is_shown(self, server: Running) -> None:
        ran = piped("a", "chat", "third")
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith("error: Model “third” is not registered")
        assert piped("a", "chat", "third", "--lang", "ja").err.startswith("エラー: モデル「third」は登録されていません")

    def test_no_server_says_how_to_start_one(self, work: Path, unused_tcp_port: int) -> None:
        ran = piped("a", "chat", "--port", str(unused_tcp_port))
        assert ran.status == 1
        assert ran.err == (
            f"error: No server runs at http://127.0.0.1:{unused_tcp_port}. Start one with `hoshikage` in another "
            "terminal.\n"
        )

    @pytest.mark.parametrize(("answer", "words"), [(JSON, "another program, not"), (KIN, "--any-server")])
    def test_a_stranger_on_the_port_is_told_nothing(
        self, work: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
    ) -> None:
        local_admin.prepare(config_dir() / "admin.token")
        with impostor(lambda _: answer) as other:
            monkeypatch.setenv("PORT", str(other.port))
            ran = piped("a secret", "chat", "first")
            assert (ran.status, ran.out) == (1, "")
            assert words in ran.err
        assert not any(b"secret" in heard for heard in other.heard)

    def test_a_server_that_cannot_prove_itself_is_used_on_demand(self, server: Running) -> None:
        (config_dir() / "admin.token").unlink()
        assert piped("a", "chat", "first").status == 1
        assert piped("a", "chat", "first", "--any-server").out.startswith("first ")

    def test_no_model_says_how_to_get_one(self, server: Running, registry: Registry) -> None:
        for label in ("first", "second"):
            registry.remove(label)
        ran = piped("a", "chat")
        assert ran.status == 2
        assert "hoshikage add" in ran.err


class Terminal:
    """This is `hoshikage` at a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        import pty

        self._master, slave = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hoshikage", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: own_terminal(0),
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(slave)

    def until(self, words: str) -> str:
        """Waits, and returns what is shown up to and with `words`."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.shown:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{words!r} did not come; shown: {self.shown!r}"
            try:
                self.shown += os.read(self._master, 4096).decode(errors="replace")
            except OSError:
                raise AssertionError(f"ended before {words!r}; shown: {self.shown!r}") from None
        before, _, self.shown = self.shown.partition(words)
        return before + words

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)
        os.close(self._master)


def own_terminal(descriptor: int) -> None:
    """Makes it the session's terminal, so that Ctrl-C reaches the program."""
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


@contextmanager
def conversation(*arguments: str) -> Iterator[Terminal]:
    with Terminal("chat", *arguments) as terminal:
        terminal.until(">>> ")
        yield terminal
        assert terminal.process.wait(PATIENCE_S) == 0


# Nothing of ours is left out on Windows: its terminal has the keys, and what is said and answered TestPipe shows.
@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX's")
class TestTerminal:
    def test_a_conversation_remembers_its_turns_until_it_is_cleared(self, server: Running) -> None:
        with conversation("first") as terminal:
            terminal.press("one\r")
            assert "first 1 「one」\ufffd[2J" in terminal.until(">>> "), "a model cannot drive the terminal"
            terminal.press("two\r")
            assert "first 3 「two」" in terminal.until(">>> ")
            terminal.press("/clear\r")
            assert "starts over" in terminal.until(">>> ")
            terminal.press("/quit\r")
            assert "There is no command /quit, and it was not sent." in terminal.until(">>> ")
            terminal.press("three\r")
            assert "first 1 「three」" in terminal.until(">>> ")
            terminal.press("/exit\r")

    def test_ctrl_c_stops_the_answer_and_the_servers_work(self, server: Running) -> None:
        with conversation("first") as terminal:
            terminal.press("hold\r")
            terminal.until("「hold」")
            terminal.press("\x03")
            assert "(stopped)" in terminal.until(">>> ")
            assert server.echo.left.wait(PATIENCE_S)
            terminal.press("next\r")
            assert "first 3 「next」" in terminal.until(">>> "), "what was said stays"
            terminal.press("\x04")

    def test_several_lines_are_one_message(self, server: Running) -> None:
        with conversation("first") as terminal:
            terminal.press('"""a\r')
            terminal.until("... ")
            terminal.press("  b\r")
            terminal.until("... ")
            terminal.press('c"""\r')
            assert "first 1 「a\r\n  b\r\nc」" in terminal.until("[2J")
            terminal.until(">>> ")
            terminal.press("\x04")

    def test_pasted_lines_are_one_message(self, server: Running) -> None:
        pytest.importorskip("readline")
        with conversation("first") as terminal:
            terminal.press("\x1b[200~a\rb\x1b[201~\r")
            assert "first 1 「a\r\nb」" in terminal.until("[2J")
            terminal.until(">>> ")
            terminal.press("\x04")

    def test_an_error_is_shown_and_the_conversation_goes_on(self, server: Running) -> None:
        with conversation("first") as terminal:
            terminal.press("fail\r")
            assert "error: " in terminal.until(">>> ")
            terminal.press("again\r")
            assert "first 1 「again」" in terminal.until(">>> "), "the failed turn is not part of it"
            # readline notices a signal that came before its select() only at the next key, hence the Enter.
            terminal.press("\x03")
            terminal.press("\r")
            terminal.until(">>> ")
            terminal.press("\x04")


class TestDemo:
    @pytest.fixture
    def built_in(self, work: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> demo.DemoModel:
        found = demo.DemoModel("hoshikage-tiny", model, work / "golden.json")
        monkeypatch.setattr(demo, "find", lambda: found)
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        return found

    def test_a_prompt_by_a_pipe_is_answered(
        self, cli: Cli, built_in: demo.DemoModel, server: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("星影とは？\n"))
        ran = cli("demo")
        assert (ran.status, ran.out, ran.err) == (0, "hoshikage-tiny 1 「星影とは？」\x1b[2J\n", "")
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        ran = cli("demo")
        assert (ran.status, "hoshikage chat hoshikage-tiny" in ran.out) == (0, True), "nothing was asked"

    def test_a_prompt_by_a_pipe_is_answered_without_a_server_too(
        self,
        cli: Cli,
        demo_model: Path,
        library_file: Path,
        unused_tcp_port: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(
            demo, "find", lambda: demo.DemoModel("hoshikage-tiny", demo_model, demo_model.with_name("golden.json"))
        )
        monkeypatch.setattr(sys, "stdin", io.StringIO("星影とは何ですか？"))
        monkeypatch.setenv("HOSHIKAGE_LIB_PATH", str(library_file))
        ran = cli("demo", "--port", str(unused_tcp_port))
        assert (ran.status, ran.err) == (0, "")
        assert "GGUF" in ran.out

    def test_registers_the_built_in_model_and_says_how_to_go_on(
        self, cli: Cli, built_in: demo.DemoModel, registry: Registry, unused_tcp_port: int
    ) -> None:
        for _ in range(2):
            ran = cli("demo", "--port", str(unused_tcp_port))
            assert ran.status == 0
            assert "hoshikage chat hoshikage-tiny" in ran.out
        assert [(spec.label, spec.file) for spec in registry.specs()] == [("hoshikage-tiny", built_in.model)]

    def test_says_what_to_install(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(demo, "find", lambda: None)
        ran = cli("demo")
        assert ran.status == 2
        assert "pip install ./demo" in ran.err
