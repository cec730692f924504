"""Builds the wheels and installs them as people do: pip in a fresh environment, `uv tool install`, in an empty home.

`python3 scripts/release.py [PYTHON …]`: each PYTHON is an interpreter to try; without any, those of 3.10 to 3.14 that
are on PATH. The version is that of `hoshikage/__init__.py`; a tag of this commit must name it, and the changelog must
have it. Standard library only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from screen import Screen  # it makes the package importable

from hoshikage.messages import language_of  # isort: skip

ROOT: Final = Path(__file__).resolve().parent.parent
KEPT: Final = ("PATH", "SYSTEMROOT", "TEMP", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What an empty home has of this environment, beside what tells pip and uv where packages are."""
PYTHONS: Final = tuple(f"python3.{minor}" for minor in range(10, 15))
Problem = tuple[str, dict[str, str]]
"""A row of the scripts' texts, and what fills it."""
VERSION: Final = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)


def main(pythons: Sequence[str]) -> int:
    screen = Screen(language_of(os.environ))
    version = own_version()
    problems = [*tag_problems(version), *changelog_problems(version)]
    for key, details in problems:
        screen.say(key, version=version, **details)
    if problems:
        return 1
    result = pythons or [name for name in PYTHONS if shutil.which(name)]
    with tempfile.TemporaryDirectory() as folder:
        wheels = build(Path(folder) / "dist")
        for number, python in enumerate(result):
            said = installed_by_pip(python, wheels, Path(folder) / f"pip{number}")
            screen.say("release_pip", python=python, version=said)
            if said != version:
                return 1
        if shutil.which("uv"):
            said = installed_by_uv(wheels, Path(folder) / "uv")
            screen.say("release_uv", version=said)
            if said != version:
                return 1
    return 0 if result else 1


def own_version() -> str:
    match = VERSION.search((ROOT / "hoshikage" / "__init__.py").read_text("utf-8"))
    assert match is not None
    return match[1]


def tag_problems(version: str) -> list[Problem]:
    tags = run(["git", "tag", "--points-at", "HEAD"], ROOT, {}).split()
    wrong = [tag for tag in tags if re.match(r"v\d", tag) and tag != f"v{version}"]
    return [("release_tag", {"tag": tag}) for tag in wrong]


def changelog_problems(version: str) -> list[Problem]:
    lines = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    known = any(line == f"## {version}" or line.startswith(f"## {version} ") for line in lines)
    return [] if known else [("release_changelog", {})]


def build(target: Path) -> list[Path]:
    """The wheels of the server and of the built-in model, made of a copy: nothing is written into the clone."""
    copy = target.parent / "source"
    kept = shutil.ignore_patterns(".git", ".venv", ".cache", "node_modules", "__pycache__", "*.egg-info", "build")
    shutil.copytree(ROOT, copy, ignore=kept)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(target), ".", "./demo"]
    subprocess.run(command, cwd=copy, check=True)
    return sorted(target.glob("*.whl"))


def installed_by_pip(python: str, wheels: Sequence[Path], folder: Path) -> str:
    environ = empty_home(folder)
    run([python, "-m", "venv", str(folder / "venv")], folder, environ)
    program = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run([str(program / "python"), "-m", "pip", "install", "-q", "--isolated", *map(str, wheels)], folder, environ)
    return tried(program / "hoshikage", folder, environ)


def installed_by_uv(wheels: Sequence[Path], folder: Path) -> str:
    environ = {**empty_home(folder), "UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    main_wheel, demo = (
        next(one for one in wheels if one.name.startswith(name)) for name in ("hoshikage-", "hoshikage_demo-")
    )
    run(["uv", "tool", "install", "-q", str(main_wheel), "--with", str(demo)], folder, environ)
    return tried(folder / "bin" / "hoshikage", folder, environ)


def tried(program: Path, folder: Path, environ: Mapping[str, str]) -> str:
    """What the installed command says of itself, after it has registered the built-in model and listed it."""
    run([str(program), "demo"], folder, environ)
    assert "hoshikage-tiny" in run([str(program), "list", "--json"], folder, environ)
    return run([str(program), "--version"], folder, environ).strip()


def empty_home(folder: Path) -> dict[str, str]:
    home = folder / "home"
    home.mkdir(parents=True)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    indexes = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    return {**kept, **indexes, "HOME": str(home), "USERPROFILE": str(home), "HOSHIKAGE_LANG": "en"}


def run(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**environ} or None, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
