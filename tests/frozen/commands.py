"""Records what the commands print: help in both languages, `--json`, and what a person sees. Main thread."""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Final

from hoshikage.cli.main import COMMANDS, main
from hoshikage.cli.parser import Parser
from hoshikage.messages import LANGUAGES
from tests.frozen.normal import normal
from tests.gguf_files import Gguf

RUN: Final[tuple[tuple[str, ...], ...]] = (
    ("list", "--json"), ("list",), ("add", "small.gguf", "first", "--json"), ("add", "small.gguf", "first"),
    ("add", "small.gguf", "second", "### END", "--n-ctx", "256"), ("add", "missing.gguf", "third"), ("add",),
    ("list", "--json"), ("list",), ("rm", "second"), ("rm", "nobody"),
    ("config", "--json"), ("config",), ("token", "list", "--json"), ("token", "list"),
    ("persona", "list", "--json"), ("persona", "list"), ("lib", "list", "--json"), ("lib", "use", "nothing"),
    ("status", "--json"), ("status",), ("load", "first"), ("unload",), ("chat", "first", "hello"),
    ("nothing",), ("chatt",), ("--nothing",), ("--port", "x", "list"), ("--version",),
)  # fmt: skip
"""These commands need neither a library nor a server, in an empty home, one after the other."""


def record(scratch: Path) -> dict[str, str]:
    """The working folder has to be `scratch`."""
    Gguf().write(scratch / "small.gguf")
    found = {}
    for language in LANGUAGES:
        shown = [_run(scratch, "--lang", language, *verbs, "--help") for verbs in _verbs()]
        found[f"help_{language}.txt"] = "".join(shown)
    for language in LANGUAGES:
        runs = [_run(scratch, "--lang", language, *arguments) for arguments in RUN]
        found[f"commands_{language}.txt"] = "".join(runs)
        _run(scratch, "rm", "first")
    return found


def _verbs() -> Iterator[tuple[str, ...]]:
    """Yields every command and every one under it; the command without a verb first."""
    yield ()
    for verb in COMMANDS:
        parser = Parser(language="en", prog="hoshikage")
        import_module(f"hoshikage.cli.{verb}").register(parser.commands(dest="command"))
        yield from _under(parser, ())


def _under(parser: argparse.ArgumentParser, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield (*above, name)
                yield from _under(inner, (*above, name))


def _run(scratch: Path, *arguments: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = main(arguments)
    shown = f"=== hoshikage {' '.join(arguments)}\n{status}\n{out.getvalue()}--- stderr\n{err.getvalue()}"
    return re.sub(r"[ \t]+\n", "\n", normal(shown, scratch)) + "\n"
