"""Tells a program of this server, shown, written into its files, or tried: `hoshikage connect PROGRAM`. Main thread.

A file that is written keeps its other parts byte for byte, and its former state beside it.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from hoshikage import durable
from hoshikage.access.tokens import PREFIX, TokenStore
from hoshikage.cli import result
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.loop import event_loop
from hoshikage.cli.parser import Commands
from hoshikage.cli.probe import probe
from hoshikage.cli.result import CommandResult
from hoshikage.errors import UsageError
from hoshikage.programs.connection import ProgramContext, ServedModel, Setup
from hoshikage.programs.edits import Edit
from hoshikage.programs.lines import parted
from hoshikage.programs.table import AGENT_TOKENS, PROGRAMS, Program
from hoshikage.registry import Registry
from hoshikage.settings import config_dir

if TYPE_CHECKING:
    from rich.console import Console

BACKUP: Final = ".before-hoshikage"
PRIVATE: Final = 0o600
TOKEN_NAME: Final = "connect-{program}"
HIDDEN: Final = "***"
REFERENCE: Final = "${input:"
"""An editor writes this in front of the name of a secret that it keeps elsewhere."""
SECRETS: Final = re.compile(rf"{PREFIX}[\w-]+|{re.escape(REFERENCE)}[\w.-]+\}}")


def register(commands: Commands) -> None:
    parser = commands.add("connect", commands.text("connect.summary"))
    parser.add_argument("program", metavar="PROGRAM", nargs="?", help=commands.text("connect.program"))
    parser.add_argument("--model", metavar="LABEL", help=commands.text("connect.model"))
    parser.add_argument("--url", metavar="URL", help=commands.text("connect.url"))
    parser.add_argument("--token", action="store_true", help=commands.text("connect.token"))
    parser.add_argument("--write", action="store_true", help=commands.text("connect.write"))
    parser.add_argument("--yes", action="store_true", help=commands.text("connect.yes"))
    parser.add_argument("--check", action="store_true", help=commands.text("connect.check"))
    parser.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    if args.program is None:
        return _list(context)
    program = PROGRAMS.get(args.program)
    if program is None:
        raise UsageError("connect.unknown", name=args.program, known=", ".join(PROGRAMS))
    server = Server.of(context)
    url = _checked_url(args.url) if args.url else server.url
    outcome = _capabilities(server, context)
    model, models = _chosen(args.model, outcome, program, context)
    connection = ProgramContext(url, None, model, models, Path.home(), context.environ, sys.platform)
    if args.model is None:
        model = _standing(program, connection) or model
    others = (one for one in models if one != model)
    connection = replace(connection, model=model, models=(model, *others))
    setup = program.setup(connection)
    if args.write and not setup.edits:
        raise UsageError("connect.no_file", title=program.title, program=args.program)
    token = _token(args.program) if args.token else None
    known = token
    if token is None and (args.write or args.check):
        known = _kept_token(setup, url, own=args.write and not args.url)
    if known is not None:
        setup = program.setup(replace(connection, token=known))
    lines: list[str] = []
    if known is None and outcome["token_needed"]:
        result.note(_warning("connect.token_needed", context, program=args.program))
    for warning in _warnings(program, model, context):
        result.note(warning)
    written = _write(setup, context, yes=args.yes) if args.write else []
    if not args.write and not args.check:
        lines += _shown(setup, context)
    elif args.write:
        lines += [context.text("connect.start", commands="\n  ".join(setup.commands))] if setup.commands else []
    checked = None
    if args.check:
        certificate = context.settings.tls_cert_file
        trusted = str(certificate) if certificate is not None and not args.url else None
        shown = None if known is not None and known.startswith(REFERENCE) else known
        checked = probe(url, program.form, model.id, shown, trusted, context.language)
        lines.append(context.text("connect.checked", title=program.title, path=checked, model=model.id))
    data = {
        "program": args.program,
        "url": url,
        "model": model.id,
        "token": token,
        "files": [{"file": str(edit.file), "text": edit.applied("")} for edit in setup.edits],
        "written": written,
        "commands": list(setup.commands),
        "checked": checked,
    }
    return CommandResult(data=data, lines=tuple(lines))


def _checked_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise UsageError("connect.url_invalid", url=value)
    return value.rstrip("/").removesuffix("/v1")


def _capabilities(server: Server, context: CommandContext) -> dict[str, Any]:
    """Returns what the running server says; where none runs, what it would say."""
    answer = server.capabilities()
    if answer is not None:
        return answer
    from hoshikage.answer.capabilities import capabilities
    from hoshikage.answer.chat_formats import ChatFormats
    from hoshikage.answer.model_files import ModelFiles

    settings = context.settings
    registry = Registry(settings.model_map_file, settings.model_dir, settings.registry_root)
    needed = settings.require_token == "always" or not server.local
    made = capabilities(registry, ModelFiles(), ChatFormats(), settings, runners=(), token_needed=needed)
    with event_loop() as loop:
        outcome: dict[str, Any] = loop.run(made)
    result.note(context.text("connect.no_server", url=server.url))
    return outcome


def _chosen(
    name: str | None, models: dict[str, Any], program: Program, context: CommandContext
) -> tuple[ServedModel, tuple[ServedModel, ...]]:
    """Returns the model for the program, and all that write text. Raises UsageError."""
    writing = [one for one in models["models"] if one["capabilities"]["text"]]
    able = [one for one in writing if program.form != "infill" or one["capabilities"]["infill"]]
    if not writing:
        raise UsageError("cli.chat_no_models")
    if name is not None:
        named = [one for one in writing if name == one["id"] or name in one["aliases"]]
        if not named:
            raise UsageError("connect.model_unknown", label=name, known=", ".join(one["id"] for one in writing))
        able = named
    elif not able:
        able = writing
        result.note(_warning("connect.no_infill", context, title=program.title))
    usual = context.settings.default_model
    by_default = [one for one in able if usual is not None and (usual == one["id"] or usual in one["aliases"])]
    first = next(iter([*by_default, *(one for one in able if one["loaded"]), *able]))
    return ServedModel.of(first), tuple(map(ServedModel.of, writing))


def _standing(program: Program, connection: ProgramContext) -> ServedModel | None:
    """Returns the model that the program's files name: the one with which most of their lines would be written again.
    None where they name none, or all alike."""
    present = cache(_present)

    def again(model: ServedModel) -> int:
        edits = program.setup(replace(connection, model=model)).edits
        return sum(line in present(edit.file) for edit in edits for line in _bare(edit.applied("")))

    scores = [again(model) for model in connection.models]
    return connection.models[scores.index(max(scores))] if len(set(scores)) > 1 else None


def _present(file: Path) -> frozenset[str]:
    try:
        return frozenset(_bare(file.read_text("utf-8-sig")))
    except (OSError, UnicodeDecodeError):  # it is told where the file is written
        return frozenset()


def _bare(text: str) -> list[str]:
    """Returns the lines without what depends on where they stand."""
    return [line.strip(" \t,") for line in text.splitlines()]


def _token(program: str) -> str:
    """Makes a token of the program's own; an earlier one of it ends."""
    store, name = TokenStore(config_dir() / "tokens.json"), TOKEN_NAME.format(program=program)
    known = any(token.name == name for token in store.tokens())
    return store.rotate(name) if known else store.create(name, "api")


def _kept_token(setup: Setup, url: str, *, own: bool) -> str | None:
    """Returns the token that the program's files have for this server, and would lose without one. `own`: a token of
    this machine's server has to hold."""
    for edit in setup.edits:
        try:
            old, new = _change(edit)
        except UsageError:  # it is told where the file is written
            continue
        for token in SECRETS.findall(old or ""):
            if token in new or url not in (old or ""):
                continue
            if (
                not own
                or token.startswith(REFERENCE)
                or TokenStore(config_dir() / "tokens.json").verify(token) is not None
            ):
                return str(token)
    return None


def _warnings(program: Program, model: ServedModel, context: CommandContext) -> list[str]:
    outcome = []
    if program.is_agent and model.context_length < AGENT_TOKENS:
        details = {"model": model.id, "n_ctx": model.context_length, "needed": AGENT_TOKENS}
        key = "connect.small_training" if 0 < model.trained_length < AGENT_TOKENS else "connect.small_context"
        outcome.append(_warning(key, context, **details))
    return outcome


def _warning(key: str, context: CommandContext, **details: object) -> str:
    return f"{context.text('cli.warning')}: {context.text(key, **details)}"


def _shown(setup: Setup, context: CommandContext) -> list[str]:
    """Shows the files as they would be if nothing else stood in them, the commands, and what to know."""
    lines: list[str] = []
    for edit in setup.edits:
        lines += [f"# {edit.file}", *edit.applied("").splitlines(), ""]
    if setup.commands:
        lines += [*setup.commands, ""]
    lines += [context.text(note) for note in setup.notes]
    return lines[:-1] if lines and not lines[-1] else lines


def _write(setup: Setup, context: CommandContext, *, yes: bool) -> list[str]:
    """Writes each file that changes, after its difference was shown; the names of those written."""
    changes = [(edit, old, new) for edit in setup.edits for old, new in [_change(edit)] if old != new]
    for edit, old, new in changes:
        for line in _difference(edit.file, old or "", new):
            result.note(line)
    if not changes:
        result.note(context.text("connect.unchanged"))
    elif not yes and sys.stdin is not None and sys.stdin.isatty():
        answer = result.ask(context.text("connect.ask")).strip().lower()
        if answer not in ("y", "yes"):
            raise UsageError("connect.not_written")
    written = []
    for edit, old, new in changes:
        _replace(edit.file, old, new)
        written.append(str(edit.file))
        result.note(context.text("connect.written", file=edit.file))
        if old is not None:
            result.note(context.text("connect.backup", file=_backup(edit.file)))
    return written


def _change(edit: Edit) -> tuple[str | None, str]:
    """Returns what stands there, None where there is no such file, and what shall. Raises UsageError."""
    try:
        old: str | None = edit.file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        old = None
    except OSError as error:
        raise UsageError("run.file_unreadable", file=str(edit.file), reason=error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        raise UsageError("connect.file_no_text", file=str(edit.file), position=error.start + 1) from None
    return old, edit.applied(old or "")


def _difference(file: Path, old: str, new: str) -> Sequence[str]:
    """Returns the lines that `diff -u` would show, without secrets: a screen is often shared."""
    before, after = (parted(text)[1].splitlines(keepends=True) for text in (old, new))  # its end is a part of a line
    lines = difflib.unified_diff(before, after, str(file), str(file), lineterm="", n=2)
    return [_without_token(line.rstrip("\r\n")) for line in lines]


def _without_token(line: str) -> str:
    return re.sub(rf"{PREFIX}[\w-]+", PREFIX + HIDDEN, line)


def _replace(file: Path, old: str | None, new: str) -> None:
    """The file's former state goes beside it first. What may hold a token is its owner's alone. Raises UsageError."""
    target = Path(os.path.realpath(file))  # a link of a dotfiles' folder stays one
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if old is not None and not _backup(file).exists():
            durable.replace(_backup(file), old.encode(), mode=PRIVATE)
        durable.replace(target, new.encode(), mode=None if old is not None else PRIVATE)
    except OSError as error:
        raise UsageError("connect.file_unwritable", file=str(file), reason=error.strerror or str(error)) from None


def _backup(file: Path) -> Path:
    """Names the copy of the file as it was before it was first written here; later writes leave it."""
    return file.with_name(file.name + BACKUP)


def _list(context: CommandContext) -> CommandResult:
    def view(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("program", "title", "form"):
            table.add_column(context.text(f"connect.list_{name}"))
        for name, program in PROGRAMS.items():
            table.add_row(name, program.title, program.form)
        console.print(table)
        console.print()
        console.print(context.text("connect.how"))

    data = [{"program": name, "title": one.title, "form": one.form} for name, one in PROGRAMS.items()]
    return CommandResult(data=data, view=view)
