"""Kills servers, commands and what works for them, at any moment of whatever they do, counts the processes that are
left, and starts the same again in the same folder. Main thread. Linux.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import model_host
import processes
import siege_phases
from screen import Refused
from serving import Chat, Server
from siege_phases import PHASES, NeverSeen, Phase, Tree
from siege_totals import Totals

PATIENCE_S: Final = 5.0
"""So long may a process take to end once its parent has."""
AGAIN_S: Final = 60.0
MIN_TREES: Final = 4


class Prepared(NamedTuple):
    """This is a folder with a model, and how a program is run there."""

    program: list[str]
    environ: dict[str, str]
    model: Path


Preparing = Callable[[Path, dict[str, str]], Prepared]
SERVE: Final = ("--port", "0")


def kill_trees(
    prepare: Preparing, folder: Path, model: str, seconds: float, totals: Totals, dice: random.Random
) -> None:
    """Kills servers and commands for so long, one after the other, each in a phase; MIN_TREES at least."""
    ends = time.monotonic() + seconds
    phases = dice.sample([*PHASES], len(PHASES))
    number = 0
    while number < MIN_TREES or time.monotonic() < ends:
        name = phases[number % len(phases)]
        place = folder / f"tree-{number}"
        place.mkdir()
        _kill_one(prepare, place, name, model, totals, dice)
        totals.write()
        number += 1


def _kill_one(
    prepare: Preparing, folder: Path, name: str, model: str, totals: Totals, dice: random.Random
) -> None:  # fmt: skip
    phase, mark = PHASES[name], uuid.uuid4().hex
    settings = {key: value.format(model=model) for key, value in phase.settings.items()}
    if "RAMDISK_PATH" in settings:
        settings["RAMDISK_PATH"] = str(folder / settings["RAMDISK_PATH"])
        Path(settings["RAMDISK_PATH"]).mkdir(0o700)
    prepared = prepare(folder, settings)
    if "RAMDISK_PATH" in settings:
        siege_phases.weigh(prepared.model)
    with _working(prepared, phase, folder, model, mark) as tree:
        try:
            phase.begin(tree)
        except NeverSeen:
            totals.counts["trees_unseen"] += 1
            totals.counts[f"unseen: {name}"] += 1
        # Kills come at moments that nothing announces: each of these waits is the drawn moment itself.
        time.sleep(dice.random() * phase.spread_s * dice.choice((0.0, 0.1, 1.0)))
        there = processes.marked(mark)
        others = there - {tree.process.pid}
        if others and dice.random() < 0.5:  # somebody else first, and the others in whatever comes of that
            with suppress(ProcessLookupError):
                os.kill(dice.choice(sorted(others)), signal.SIGKILL)
            time.sleep(dice.random() * 0.3)
            there |= processes.marked(mark)
        tree.process.kill()
        tree.process.wait()
        left = _left(there, mark)
        totals.counts["trees"] += 1
        totals.counts[f"trees: {name}"] += 1
        totals.counts["trees_processes"] += len(there)
        totals.counts["trees_left"] += len(left)
        for pid in left:
            totals.counts[f"left: {name}: {processes.words(pid)}"] += 1
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for thread in tree.threads:
        thread.join()
    if not _goes_again(prepared, phase, model):
        totals.counts["trees_not_again"] += 1
        totals.counts[f"not again: {name}"] += 1


def _left(there: set[int], mark: str) -> set[int]:
    """Returns who is left after a while, those among them that were being started when the kill came: these see that
    their parent has gone when they have begun."""
    ends = time.monotonic() + PATIENCE_S
    left = processes.left(there, PATIENCE_S) | processes.marked(mark)
    while left and time.monotonic() < ends:
        left = processes.left(left, ends - time.monotonic()) | processes.marked(mark)
    return left


@contextmanager
def _working(prepared: Prepared, phase: Phase, folder: Path, model: str, mark: str) -> Iterator[Tree]:
    """Runs the program; it is ended in any case."""
    environ = {**prepared.environ, processes.MARK: mark}
    if phase.awaited and not phase.command:
        with Server([*prepared.program, *SERVE], environ) as server:
            yield Tree(server.process, server.url, folder, model, mark)
        return
    with ExitStack() as stack:
        url = stack.enter_context(model_host.giving(prepared.model, phase.pace)) if phase.pace else ""
        process = subprocess.Popen(
            [*prepared.program, *_arguments(phase, model, url)], env=environ, text=True, **_UNHEARD
        )
        try:
            yield Tree(process, "", folder, model, mark)
        finally:
            process.kill()
            process.wait()


_UNHEARD: Final[dict[str, Any]] = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.DEVNULL,
    "stderr": subprocess.DEVNULL,
    "start_new_session": True,
}


def _arguments(phase: Phase, model: str, url: str) -> list[str]:
    return [word.format(model=model, url=url) for word in phase.command or SERVE]


def _goes_again(prepared: Prepared, phase: Phase, model: str) -> bool:
    """Tells whether the same works as if nothing had been: a server answers, a model comes whole."""
    label = model
    if phase.pace:
        with model_host.giving(prepared.model, 0.0) as url:
            command = [*prepared.program, *_arguments(phase, model, url)]
            done = subprocess.run(command, env=prepared.environ, timeout=AGAIN_S, check=False, **_UNHEARD)
        if done.returncode != 0:
            return False
        label = phase.command[-1]
    with suppress(Refused), Server([*prepared.program, *SERVE], prepared.environ) as server:
        chat = Chat(server.url, label, "hello", 4)
        return bool("".join(chat) or chat.tokens)
    return False
