"""Makes the clone's virtual environment: makes it, installs the packages into it, and knows when nothing is left to do.

Main thread; standard library only. The install is editable: quickstart and the tests share one environment that
always runs the clone's own source, so a `git pull` needs no new install and the stamp covers only what pip reads.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from screen import MIN_PYTHON, ROOT, Refused, Screen

READ_BY_PIP: Final = (
    "setup.cfg",
    "pyproject.toml",
    "demo/setup.cfg",
    "demo/pyproject.toml",
    "demo/hoshikage_demo/__init__.py",
)
"""These files decide what an editable install does. Its version is what git said when it was installed."""
STAMP: Final = "hoshikage-install.json"
SHOWN_LINES: Final = 15
_COMING: Final = re.compile(r"\s*Downloading (?P<file>[^\s/]+?)(?:\.metadata)? \((?P<size>[^)]+)\)")


@dataclass(frozen=True, slots=True)
class Environment:
    """This is a virtual environment on disk."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def command(self, name: str) -> Path:
        """Returns the file of a command that a package installed here."""
        return self.python.with_name(f"{name}.exe" if os.name == "nt" else name)


def prepare(screen: Screen, extras: Sequence[str], folder: Path = ROOT / ".venv") -> tuple[Environment, bool]:
    """Returns an environment with Hoshikage, its built-in model and the packages of `extras`, and whether it had to
    change.

    Raises Refused.
    """
    environment = Environment(folder)
    if not _works(environment):
        _make(environment)
    stamp = folder / STAMP
    source = _digest(environment)
    installed = _read_stamp(stamp, source)
    if installed is not None and installed >= set(extras):
        return environment, False
    wanted = sorted((installed or set()) | set(extras))
    stamp.unlink(missing_ok=True)
    _install(screen, environment, wanted)
    stamp.write_text(json.dumps({"source": source, "extras": wanted}), encoding="utf-8")
    return environment, True


def _works(environment: Environment) -> bool:
    """Returns whether the environment's Python runs and has pip."""
    try:
        done = subprocess.run(
            [environment.python, "-c", f"import pip, sys; sys.exit(sys.version_info < {MIN_PYTHON})"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _make(environment: Environment) -> None:
    folder = environment.folder
    ours = (folder / "pyvenv.cfg").is_file() or not folder.exists() or not any(folder.iterdir())
    if not ours:
        raise Refused("venv_in_the_way", path=folder)
    if importlib.util.find_spec("ensurepip") is None:
        raise Refused("no_ensurepip")
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0 or not _works(environment):
        raise Refused("venv_failed", output="\n".join(done.stdout.splitlines()[-SHOWN_LINES:]))


def _digest(environment: Environment) -> str:
    """Makes a digest of what the install is made of: the files pip reads, where the clone lies, which Python it is
    for."""
    digest = hashlib.sha256(str(ROOT).encode())
    digest.update((environment.folder / "pyvenv.cfg").read_bytes())
    for name in READ_BY_PIP:
        digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return digest.hexdigest()


def _read_stamp(stamp: Path, source: str) -> set[str] | None:
    """Returns the extras that are installed; None where nothing is, or something else."""
    try:
        record = json.loads(stamp.read_text(encoding="utf-8"))
        return set(record["extras"]) if record["source"] == source else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _install(screen: Screen, environment: Environment, extras: Sequence[str]) -> None:
    package = str(ROOT) + (f"[{','.join(extras)}]" if extras else "")
    command = [str(environment.python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "-e", package, "-e", str(ROOT / "demo")]
    last: deque[str] = deque(maxlen=SHOWN_LINES)
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            last.append(line.rstrip())
            if coming := _COMING.match(line):
                if ".metadata" not in line:
                    screen.note(f"{coming['file']} ({coming['size']})")
            elif line.strip():
                screen.progress(line.strip())
    if pip.returncode != 0:
        raise Refused("pip_failed", status=pip.returncode, output="\n".join(last))
