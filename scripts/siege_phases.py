"""Holds what servers and commands are about when the siege kills them: each is set to work, and seen to be at it. Main
thread, and one for each request that nobody waits for. Linux.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import processes
from serving import get_json

SEEN_S: Final = 30.0
"""So long may it take until what was set to work is seen to be at it."""
LOOK_S: Final = 0.005
RAM: Final = "ram"
"""This is the folder of the copies, within the tree's own."""
BUSY: Final = 64 << 20
"""A model of so many bytes takes a while to copy; most of them are a hole."""
RUNNER, CHECK, TEMPLATE = "hoshikage.runner.main", "hoshikage.runner.check", "hoshikage.runner.template_check"
TUNE, KEEPER, SLEEPER = "hoshikage.runner.tune", "hoshikage.keeper.main", "sleeper"


class NeverSeen(Exception):
    """What was set to work was not seen to be at it."""


@dataclass
class Tree:
    """This is what is to be killed, and those who work for it."""

    process: subprocess.Popen[str]
    url: str
    """`url` is empty for what is no server, or not yet."""
    folder: Path
    model: str
    mark: str
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def others(self) -> set[int]:
        return processes.marked(self.mark) - {self.process.pid}

    def until(self, is_seen: Callable[[], bool]) -> None:
        """Returns when it is. Raises NeverSeen, also where the process ended before."""
        ends = time.monotonic() + SEEN_S
        while not is_seen():
            if time.monotonic() > ends or self.process.poll() is not None:
                raise NeverSeen
            time.sleep(LOOK_S)  # the system tells nobody of another's children: they can only be looked for

    def child(self, *modules: str) -> None:
        """Returns when somebody runs one of the modules for it."""
        self.until(lambda: any(processes.runs(pid, module) for pid in self.others for module in modules))

    def becomes(self, *, asleep: bool) -> None:
        self.until(lambda: processes.runs(self.process.pid, SLEEPER) is asleep)

    def status(self) -> dict[str, Any]:
        return get_json(self.url, "/v1/status") or {"queue": {"running": 0}}

    def chat(self, *, tokens: int = 400, stream: bool = False) -> None:
        messages = [{"role": "user", "content": "hello"}]
        body = {"model": self.model, "messages": messages, "max_tokens": tokens, "stream": stream}
        self.ask("/v1/chat/completions", body)

    def answers(self) -> None:
        """Returns when an answer is being computed."""
        self.until(lambda: self.status()["queue"]["running"] > 0)

    def ask(self, path: str, body: dict[str, Any]) -> None:
        """Asks; nobody waits for what comes of it."""
        thread = threading.Thread(target=_ask, args=(self.url, path, body, _token(self.folder)), daemon=True)
        self.threads.append(thread)
        thread.start()


def _nothing(tree: Tree) -> None:
    """Returns at once: the drawn moment alone says when."""


def _starts(tree: Tree) -> None:
    tree.child(RUNNER, CHECK)


def _judges_a_library(tree: Tree) -> None:
    tree.chat(tokens=1)
    tree.child(CHECK)


def _loads(tree: Tree) -> None:
    tree.chat(tokens=1)
    tree.child(RUNNER)


def _answers(tree: Tree) -> None:
    for _ in range(3):
        tree.chat()
    tree.answers()


def _streams(tree: Tree) -> None:
    for _ in range(3):
        tree.chat(stream=True)
    tree.answers()


def _examines(tree: Tree) -> None:
    tree.ask("/admin/models/check", {"path": str(tree.folder / "model.gguf")})
    tree.child(TEMPLATE, CHECK)


def _unloads(tree: Tree) -> None:
    tree.chat(tokens=1)
    tree.until(lambda: tree.status()["model"]["state"] == "ready")
    tree.ask("/admin/unload", {})


def _copies(tree: Tree) -> None:
    tree.chat(tokens=1)
    tree.until(lambda: any(file.is_file() for file in (tree.folder / RAM).rglob("*")))


def _sleeps(tree: Tree) -> None:
    tree.becomes(asleep=True)


def _wakes(tree: Tree) -> None:
    tree.becomes(asleep=True)
    tree.chat(tokens=1)
    tree.becomes(asleep=False)


def _stops(tree: Tree) -> None:
    _streams(tree)
    tree.process.send_signal(signal.SIGTERM)


def _remembers(tree: Tree) -> None:
    tree.chat(tokens=1)
    tree.child(KEEPER)


def _tunes(tree: Tree) -> None:
    tree.child(TUNE)


def _brings(tree: Tree) -> None:
    tree.until(lambda: any(part.stat().st_size for part in tree.folder.rglob("*.part")))


def _examines_what_came(tree: Tree) -> None:
    tree.child(TEMPLATE, CHECK)


@dataclass(frozen=True)
class Phase:
    """This is one of the things that go on when a kill comes."""

    begin: Callable[[Tree], None]
    """`begin` sets it to work, and returns when it is seen to be at it. Raises NeverSeen."""
    settings: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    """`command` is killed in a server's place; `{model}` and `{url}` stand for the model and where it is."""
    awaited: bool = True
    """`awaited` tells whether the server listens before anything is asked of it."""
    spread_s: float = 0.4
    """The kill comes within so many seconds behind that."""
    pace: float = 0.0
    """A host of models takes `pace` seconds for each piece of one; 0 has no host."""


SLEEPY: Final = {"SLEEP_TIMEOUT": "0.1", "IDLE_TIMEOUT": "0.1"}
PULL: Final = ("pull", "{url}", "pulled")
PHASES: Final[dict[str, Phase]] = {
    "start": Phase(_nothing, {"RUNNER_AHEAD": "on"}, awaited=False),
    "started ahead": Phase(_starts, {"RUNNER_AHEAD": "on"}, awaited=False),
    "judging a library": Phase(_judges_a_library),
    "loading": Phase(_loads),
    "answering": Phase(_answers, spread_s=1.5),
    "streaming": Phase(_streams, spread_s=1.5),
    "examining": Phase(_examines),
    "unloading": Phase(_unloads),
    "copying": Phase(_copies, {"RAMDISK_PATH": RAM}),
    "sleeping": Phase(_sleeps, SLEEPY),
    "waking": Phase(_wakes, SLEEPY),
    "stopping": Phase(_stops, {"DRAIN_TIMEOUT": "30"}),
    "remembering": Phase(_remembers, {"MEMORY": "on", "EMBEDDING_MODEL": "{model}"}, spread_s=1.5),
    "tune": Phase(_tunes, command=("tune", "{model}", "--budget", "20"), spread_s=3.0),
    "pull": Phase(_brings, command=PULL, pace=0.05),
    "pull, examining": Phase(_examines_what_came, command=PULL, pace=0.0001),
}
"""Maps what is killed, about which of its works, to how; what a path of the settings names is in its own folder."""


def _token(folder: Path) -> str:
    try:
        return next(folder.rglob("admin.token")).read_text("ascii").strip()
    except (StopIteration, OSError):
        return ""


def _ask(url: str, path: str, body: dict[str, Any], token: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST", path, json.dumps(body), headers)
        connection.getresponse().read()
    connection.close()


def weigh(model: Path) -> None:
    """Makes a model one that takes a while to copy."""
    os.truncate(model, max(BUSY, model.stat().st_size))
