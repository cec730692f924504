"""Kills servers and what works for them, at any moment of whatever they do, and counts the processes that are left.

Main thread, and one for each request that nobody waits for. Linux.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Final

import processes
from serving import Server
from siege_totals import Totals

PATIENCE_S: Final = 5.0
"""So long may a process take to end once its parent has."""
LATEST_S: Final = 1.5
"""A kill comes at this moment at the latest, behind the first request."""
PHASES: Final[dict[str, dict[str, str]]] = {
    "start": {"RUNNER_AHEAD": "on"},
    "answering": {},
    "streaming": {},
    "examining": {},
    "unloading": {},
    "copying": {"RAMDISK_PATH": "ram"},
    "sleeping": {"SLEEP_TIMEOUT": "0.1", "IDLE_TIMEOUT": "0.1"},
    "stopping": {"DRAIN_TIMEOUT": "30"},
}
"""Maps what a server is about when it is killed to its settings; a path is in its own folder."""
Starting = Callable[[Path, dict[str, str]], AbstractContextManager[Server]]


def kill_trees(start: Starting, folder: Path, model: str, seconds: float, totals: Totals, dice: random.Random) -> None:
    """Kills servers for so long, one after the other, each in a phase; at least one in each."""
    ends = time.monotonic() + seconds
    phases = dice.sample([*PHASES], len(PHASES))
    number = 0
    while number < len(phases) or time.monotonic() < ends:
        phase = phases[number % len(phases)]
        place = folder / f"tree-{number}"
        place.mkdir()
        settings = dict(PHASES[phase])
        if "RAMDISK_PATH" in settings:
            settings["RAMDISK_PATH"] = str(place / settings["RAMDISK_PATH"])
            Path(settings["RAMDISK_PATH"]).mkdir(0o700)
        _kill_one(start, place, settings, phase, model, totals, dice)
        number += 1


def _kill_one(
    start: Starting, folder: Path, settings: dict[str, str], phase: str, model: str, totals: Totals, dice: random.Random
) -> None:
    mark = uuid.uuid4().hex
    with start(folder, {**settings, processes.MARK: mark}) as server:
        asked = _occupy(server, folder, phase, model)
        # Kills come at moments that nothing announces: each of these waits is the drawn moment itself.
        time.sleep(dice.random() * (0.2 if phase == "start" else LATEST_S))
        if phase == "stopping":
            server.process.send_signal(signal.SIGTERM)
            time.sleep(dice.random() * 0.2)
        tree = processes.marked(mark)
        others = tree - {server.process.pid}
        if others and dice.random() < 0.5:  # somebody else first, and the server in whatever comes of that
            with suppress(ProcessLookupError):
                os.kill(dice.choice(sorted(others)), signal.SIGKILL)
            time.sleep(dice.random() * 0.3)
            tree |= processes.marked(mark)
        server.process.kill()
        server.process.wait()
        left = processes.left(tree, PATIENCE_S) | processes.marked(mark)
        totals.counts["trees"] += 1
        totals.counts[f"trees: {phase}"] += 1
        totals.counts["trees_processes"] += len(tree)
        totals.counts["trees_left"] += len(left)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for thread in asked:
        thread.join()


def _occupy(server: Server, folder: Path, phase: str, model: str) -> list[threading.Thread]:
    """Sets the server to work; nobody waits for it."""
    chat = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 400}
    token = {"Authorization": f"Bearer {_token(folder)}"}
    checked = {"path": str(folder / "model.gguf")}
    work: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "answering": [("/v1/chat/completions", chat)] * 3,
        "streaming": [("/v1/chat/completions", {**chat, "stream": True})] * 3,
        "examining": [("/admin/models/check", checked)] * 2,
        "unloading": [("/v1/chat/completions", {**chat, "max_tokens": 1}), ("/admin/unload", {})],
        "copying": [("/v1/chat/completions", {**chat, "max_tokens": 1})],
        "sleeping": [("/v1/chat/completions", {**chat, "max_tokens": 1})],
        "stopping": [("/v1/chat/completions", {**chat, "stream": True})],
    }
    made = [
        threading.Thread(target=_ask, args=(server.url, path, body, token), daemon=True)
        for path, body in work.get(phase, [])
    ]
    for thread in made:
        thread.start()
    return made


def _token(folder: Path) -> str:
    try:
        return next(folder.rglob("admin.token")).read_text("ascii").strip()
    except (StopIteration, OSError):
        return ""


def _ask(url: str, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
        connection.getresponse().read()
    connection.close()
