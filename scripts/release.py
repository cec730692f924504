"""Builds the wheels and installs them as people do: pip in a fresh environment, `uv tool install`, in an empty home.

`python3 scripts/release.py [--library FILE] [PYTHON …]`: each PYTHON is an interpreter to try; without any, those
of 3.10 to 3.14 that are on PATH. With a library each of them also serves an answer. What is built is the last commit,
in a clone of it; its version is what git's tags say, and where the commit has a tag, the changelog must have the
version with its date. Main thread, and one that reads a server's log; standard library only.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from screen import ROOT, Refused, Screen, run
from serving import Chat, Server, get_json, hoshikage_version

KEPT: Final = ("PATH", "SYSTEMROOT", "TEMP", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""An empty home has these of this environment, beside what tells pip and uv where packages are."""
PYTHONS: Final = tuple(f"python3.{minor}" for minor in range(10, 15))
TAG: Final = re.compile(r"v\d\S*")
HEADING: Final = re.compile(r"^## (?P<version>\S+) - (?P<date>\d{4}-\d{2}-\d{2}|unreleased)$", re.MULTILINE)
"""The changelog names a version like this."""
MODEL: Final = "hoshikage-tiny"
ANSWER_TOKENS: Final = 16
PATIENCE_S: Final = 5.0
UV: Final = "uv tool"


def main(screen: Screen) -> int:
    parser = argparse.ArgumentParser(description=screen.text("release_about"))
    parser.add_argument("--library", metavar="FILE", type=Path, help=screen.text("release_library_help"))
    parser.add_argument("pythons", metavar="PYTHON", nargs="*", help=screen.text("release_pythons_help"))
    options = parser.parse_args()
    pythons = options.pythons or [name for name in PYTHONS if shutil.which(name)]
    library = options.library.resolve(strict=True) if options.library else None
    if not pythons:
        raise Refused("release_no_python", names=", ".join(PYTHONS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if output(["git", "status", "--porcelain"], ROOT):
            screen.say("release_uncommitted")
        with screen.step("release_build"):
            wheels = built(folder)
            version = wheels[0].name.split("-")[1]
            checked(version, tags(ROOT), (ROOT / "CHANGELOG.md").read_text("utf-8"))
            screen.note(version)
        for number, python in enumerate((*pythons, *([UV] if shutil.which("uv") else []))):
            with screen.step("release_try", python=python):
                place = folder / str(number)
                environ = empty_home(place, library)
                program = by_uv(wheels, place, environ) if python == UV else by_pip(python, wheels, place, environ)
                screen.note(tried(program, version, place, environ, serve=library is not None))
    return 0


def checked(version: str, tagged: Sequence[str], changelog: str) -> None:
    """Raises Refused where a tag of the commit says another version, or the changelog does not have it with a date."""
    for tag in tagged:
        if tag != f"v{version}":
            raise Refused("release_tag", tag=tag, version=version)
    dates = {match["version"]: match["date"] for match in HEADING.finditer(changelog)}
    if tagged and dates.get(version, "unreleased") == "unreleased":
        raise Refused("release_changelog", version=version)


def tags(clone: Path) -> list[str]:
    """Returns the versions that a clone's last commit is tagged with."""
    return [tag for tag in output(["git", "tag", "--points-at", "HEAD"], clone).split() if TAG.fullmatch(tag)]


def built(folder: Path) -> list[Path]:
    """The wheels of the server and of the built-in model, in this order. Nothing is written into this clone."""
    source, target, builder = folder / "source", folder / "dist", folder / "builder"
    output(["git", "clone", "-q", str(ROOT), str(source)], folder)
    output([sys.executable, "-m", "venv", str(builder)], folder)
    pip = [str(programs(builder) / "python"), "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(target)]
    output([*pip, ".", "./demo"], source)
    return sorted(target.glob("*.whl"))


def by_pip(python: str, wheels: Sequence[Path], folder: Path, environ: Mapping[str, str]) -> Path:
    """Returns the command as pip installs it."""
    output([python, "-m", "venv", str(folder / "venv")], folder, environ)
    found = programs(folder / "venv")
    output([str(found / "python"), "-m", "pip", "install", "-q", "--isolated", *map(str, wheels)], folder, environ)
    return found / "hoshikage"


def by_uv(wheels: Sequence[Path], folder: Path, environ: Mapping[str, str]) -> Path:
    """Returns the command as `uv tool install` installs it."""
    own = {**environ, "UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    server, demo = map(str, wheels)
    output(["uv", "tool", "install", "-q", "--with", demo, server], folder, own)
    return folder / "bin" / "hoshikage"


def tried(program: Path, version: str, folder: Path, environ: Mapping[str, str], *, serve: bool) -> str:
    """Returns what the installed command answers, in words. Raises Refused where it says another version."""
    output([str(program), "--help"], folder, environ)
    output([str(program), "demo"], folder, environ)
    listed = output([str(program), "list", "--json"], folder, environ)
    said = {output([str(program), "--version"], folder, environ).strip()}
    answer = listed.strip().splitlines()[0]
    if serve:
        with Server([str(program), "serve", "--port", "0"], environ) as server:
            answer = "".join(Chat(server.url, MODEL, "Hello", ANSWER_TOKENS))
            said.add(str(hoshikage_version(server.url, PATIENCE_S)))
            said.add(get_json(server.url, "/v1/status")["version"])
            said.add(get_json(server.url, "/openapi.json")["info"]["version"])
    if said != {version} or MODEL not in listed or not answer:
        raise Refused("release_differs", version=version, said=", ".join(sorted(said)), answer=answer)
    return answer


def programs(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin")


def empty_home(folder: Path, library: Path | None) -> dict[str, str]:
    home = folder / "home"
    home.mkdir(parents=True)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    indexes = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    chosen = {"HOSHIKAGE_LIB_PATH": str(library)} if library else {}
    return {**kept, **indexes, **chosen, "HOME": str(home), "USERPROFILE": str(home), "HOSHIKAGE_LANG": "en"}


def output(command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> str:
    """Returns what a command writes. Raises Refused where it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=None if environ is None else {**environ},
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        raise Refused("command_failed", command=" ".join(command[:4]), status=done.returncode, output=said)
    return done.stdout


if __name__ == "__main__":
    sys.exit(run(main))
