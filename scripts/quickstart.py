"""Leads from a fresh clone to a chat: environment, package, library, built-in model, server, one streamed exchange.

`python3 scripts/quickstart.py` keeps serving until Ctrl-C; `--check` stops after the chat. Main thread; standard
library only. Writes nothing but `.venv` in the clone and what Hoshikage keeps in its config and cache folders.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bootstrap import SHOWN_LINES, Environment, prepare
from screen import INDENT, ROOT, Refused, Screen, run
from serving import Chat, Server, hoshikage_version

QUESTIONS: Final = {
    "ja": ("星影とは何ですか？", "How do I add my own model?"),
    "en": ("How do I add my own model?", "星影とは何ですか？"),
}
PROBE_S: Final = 1.0
CHAT_LINE: Final = "POST /v1/chat/completions 200"
"""In the server's log, once an answer has ended."""


def main(screen: Screen) -> int:
    parser = argparse.ArgumentParser(description=screen.text("quickstart_about"))
    parser.add_argument("--check", action="store_true", help=screen.text("quickstart_check_help"))
    check = parser.parse_args().check
    with screen.step("quickstart_environment") as nothing_to_do:
        environment, changed = prepare(screen, ())
        if not changed:
            nothing_to_do()
    with screen.step("quickstart_library") as nothing_to_do:
        if not _ensure_library(screen, environment):
            nothing_to_do()
    facts = _facts(environment)
    model = facts["model"]
    if model is None:
        raise Refused("quickstart_no_model", path=ROOT / "demo" / "hoshikage_demo")
    with screen.step("quickstart_model", label=model["label"]) as nothing_to_do:
        if model["registered"] == model["file"]:
            nothing_to_do()
        else:
            _run(environment, "add", model["file"], model["label"])
    with _serve(screen, environment, facts) as server:
        with screen.step("quickstart_chat"):
            try:
                for question in QUESTIONS[screen.language]:
                    _chat(screen, server, model["label"], question)
            except Refused:
                screen.note(screen.text("quickstart_log", output=server.output))
                raise
        if check:
            server.stop()
            screen.line()
            screen.say("quickstart_checked")
            return 0
        return _keep_serving(screen, environment, server, model["label"])


def _facts(environment: Environment) -> Any:
    return json.loads(_output([str(environment.python), str(ROOT / "scripts" / "facts.py")], "facts.py"))


def _run(environment: Environment, *arguments: str) -> None:
    """Runs one `hoshikage` command, its words kept back unless it fails."""
    _output([str(environment.command("hoshikage")), *arguments], f"hoshikage {arguments[0]}")


def _output(command: list[str], shown: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-SHOWN_LINES:])
        raise Refused("command_failed", command=shown, status=done.returncode, output=said)
    return done.stdout


def _ensure_library(screen: Screen, environment: Environment) -> bool:
    """Installs a library where there is none, or only an unusable one of the system. Whether it had to."""
    library = _facts(environment)["library"]
    installed: bool = library["state"] != "ok"
    if library["state"] == "refused":
        if library.get("source") != "system":
            raise Refused(
                "quickstart_library_bad", reason=library["reason"], command=_shown(environment, "lib install")
            )
        screen.note(screen.text("quickstart_library_replaced", reason=library["reason"]))
    if installed:
        command = [str(environment.command("hoshikage")), "lib", "install"]
        status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
        if status != 0:
            raise Refused("command_failed", command="hoshikage lib install", status=status, output="")
        library = _facts(environment)["library"]
        if library["state"] != "ok":
            reason = library.get("reason", library["state"])
            raise Refused("quickstart_library_bad", reason=reason, command=_shown(environment, "lib install"))
    screen.note(screen.text("quickstart_library_found", path=library["file"]))
    return installed


def _serve(screen: Screen, environment: Environment, facts: Any) -> Server:
    host, port = facts["host"], facts["port"]
    with screen.step("quickstart_server"):
        busy = _is_busy(host, port)
        there = hoshikage_version(f"http://{_in_url(host)}:{port}", PROBE_S) if busy else None
        command = [str(environment.command("hoshikage")), "serve", "--port", "0" if busy else str(port)]
        server = Server(command)
        if busy:
            other = server.url.rpartition(":")[2]
            if there is not None:
                screen.note(screen.text("quickstart_port_hoshikage", port=port, version=there, other=other))
            else:
                screen.note(screen.text("quickstart_port_busy", port=port, other=other))
        screen.note(screen.text("quickstart_serving", url=server.url))
    return server


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_busy(host: str, port: int) -> bool:
    """Returns whether somebody else has the port. A host that cannot be bound at all is left to the server to
    explain."""
    if port == 0:
        return False
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return False
    except OSError:
        return _answers(host, port)


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=PROBE_S):
            return True
    except OSError:
        return False


def _chat(screen: Screen, server: Server, label: str, question: str) -> None:
    """Shows one exchange as it comes."""
    screen.note(f"{screen.text('quickstart_you')}: {question}")
    screen.write(f"{INDENT}{label}: ")
    chat = Chat(server.url, label, question)
    answer = ""
    try:
        for piece in chat:
            answer += piece
            screen.write(piece.replace("\n", "\n" + INDENT))
    finally:
        screen.line()
    if not answer.strip():
        raise Refused("quickstart_empty_answer")
    figures = screen.text("quickstart_figures", tokens=chat.tokens, first=chat.first_s, total=chat.total_s)
    screen.note(f"({figures})")


def _keep_serving(screen: Screen, environment: Environment, server: Server, label: str) -> int:
    screen.line()
    screen.say("quickstart_next", base=server.url, label=label, command=_shown(environment))
    screen.line()
    server.echo = _without_late_lines(screen.line, server.output, len(QUESTIONS[screen.language]))
    try:
        status = server.wait()
    except KeyboardInterrupt:
        server.stop()
        screen.say("quickstart_ended")
        return 0
    raise Refused("server_gone", status=status, output=server.output)


def _without_late_lines(show: Callable[[str], None], output: str, chats: int) -> Callable[[str], None]:
    """Returns `show`, but for the log's lines on this script's own chats, which may come after the answers' end."""
    late = [CHAT_LINE] * (chats - output.count(CHAT_LINE))

    def echo(line: str) -> None:
        if late and CHAT_LINE in line:
            late.pop()
        else:
            show(line)

    return echo


def _shown(environment: Environment, *words: str) -> str:
    """Writes the `hoshikage` command as a person types it in the working directory."""
    command = environment.command("hoshikage")
    try:
        shown = str(command.relative_to(Path.cwd()))
    except ValueError:
        shown = str(command)
    return " ".join([shown, *words])


if __name__ == "__main__":
    sys.exit(run(main))
