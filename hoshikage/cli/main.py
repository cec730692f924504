"""This is the `hoshikage` command: loads settings, imports the verb's module alone, and runs it. Main thread."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from hoshikage import __version__
from hoshikage.cli import result
from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands, Parser
from hoshikage.errors import HoshikageError, UsageError
from hoshikage.messages import LANGUAGES, Language, language_of, text
from hoshikage.settings import LANGUAGE_VARIABLE, LoadedSettings, load

DEFAULT: Final = "serve"
COMMANDS: Final = {
    "serve": "cli.serve_summary",
    "add": "cli.add_summary",
    "pull": "pull.summary",
    "rm": "cli.rm_summary",
    "list": "cli.list_summary",
    "status": "cli.status_summary",
    "load": "cli.load_summary",
    "unload": "cli.unload_summary",
    "alias": "alias.summary",
    "persona": "cli.persona_summary",
    "chat": "cli.chat_summary",
    "run": "run.summary",
    "connect": "connect.summary",
    "bench": "cli.bench_summary",
    "tune": "tune.summary",
    "demo": "cli.demo_summary",
    "lib": "cli.lib_summary",
    "doctor": "cli.doctor_summary",
    "config": "cli.config_summary",
    "memory": "remember.summary",
    "cache": "cli.cache_summary",
    "import": "cli.import_summary",
    "token": "cli.token_summary",
    "service": "service.summary",
}
"""Maps a verb to its line in the help. The verb's module has its name and is imported only to run or explain that
verb."""
HELP: Final = frozenset({"-h", "--help"})
"""With one of these before the verb all verbs are listed, and each of them needs a parser."""
ALIASES: Final = {"remove": "rm"}
FLAGS: Final = {"lang": LANGUAGE_VARIABLE, "host": "HOST", "port": "PORT"}
"""Options that every verb takes -> the setting each one gives."""


class Command(Protocol):
    """A verb's module offers this."""

    def register(self, commands: Commands) -> None: ...

    def run(self, args: argparse.Namespace, context: CommandContext) -> result.CommandResult: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit status: 0 done, 1 failed, 2 wrong use or setting, 130 interrupted."""
    result.prepare_streams()
    environ = dict(os.environ)
    language = language_of(environ)
    debug = environ.get("LOG_LEVEL", "").lower() == "debug"
    try:
        flags, rest = _common_options(list(sys.argv[1:] if argv is None else argv), language)
        if (flag := flags.get(LANGUAGE_VARIABLE, "").lower()) in LANGUAGES:
            language = language_of({LANGUAGE_VARIABLE: flag})
        loaded = _settings(flags, environ)
        if isinstance(loaded, LoadedSettings):
            language, debug = loaded.settings.lang, loaded.settings.log_level == "debug"
        args, command = _parse(rest, language)
        if isinstance(loaded, HoshikageError):  # only now, so that --help and --version work with a bad setting
            raise loaded
        for warning in loaded.warnings:
            result.note(f"{text(language, 'cli.warning')}: {text(language, warning.key, **warning.details)}")
        context = CommandContext(loaded.settings, loaded.sources, language, environ, loaded.warnings)
        gc.freeze()  # or the first collection looked through all that was imported
        gc.enable()
        return result.show(command.run(args, context), as_json=getattr(args, "json", False))
    except HoshikageError as error:
        return result.show_error(error, language)
    except SystemExit as leaving:  # argparse, after --help or --version
        return leaving.code if isinstance(leaving.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        result.drop_stdout()
        return 1
    except Exception as error:  # noqa: BLE001  the last net: a person gets a message, not a traceback
        return result.show_unexpected(error, language, debug=debug)


def _common_options(argv: list[str], language: Language) -> tuple[dict[str, str], list[str]]:
    """Takes out the options that every verb takes, and returns them as settings, and the rest. They may stand before or
    after the verb."""
    end = argv.index("--") if "--" in argv else len(argv)
    parser = Parser(language=language, prog="hoshikage")
    _add_common(parser)
    outcome, rest = parser.parse_known_args(argv[:end])
    flags = {FLAGS[name]: value for name, value in vars(outcome).items() if value is not None}
    return flags, [*rest, *argv[end:]]


def _add_common(parser: Parser) -> None:
    group = parser.add_argument_group(parser.text("cli.help_common"))
    group.add_argument("--host", help=parser.text("cli.help_host"))
    group.add_argument("--port", help=parser.text("cli.help_port"))
    group.add_argument("--lang", metavar="ja|en", help=parser.text("cli.help_lang"))


def _settings(flags: Mapping[str, str], environ: Mapping[str, str]) -> LoadedSettings | HoshikageError:
    try:
        return load(flags, environ, Path.cwd())
    except HoshikageError as error:
        return error


def _parse(argv: list[str], language: Language) -> tuple[argparse.Namespace, Command]:
    """Returns the parsed arguments and the module of their verb. Raises UsageError; SystemExit for --help and
    --version."""
    named = next((word for word in argv if not word.startswith("-")), None)
    verb = ALIASES.get(named, named) if named else DEFAULT
    parser = Parser(language=language, prog="hoshikage")
    parser.description = parser.text("cli.description")
    parser.epilog = parser.text("cli.epilog")
    parser.offer_help()
    parser.add_argument("--version", action="version", version=__version__, help=parser.text("cli.help_version"))
    commands = parser.commands(dest="command")
    if verb not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(verb, [*COMMANDS, *ALIASES], n=1)
        hint = parser.text("cli.did_you_mean", name=near[0]) if near else ""
        raise UsageError("cli.unknown_command", name=verb, hint=hint)
    command = cast("Command", import_module(f"hoshikage.cli.{verb}"))
    before = argv[: argv.index(named)] if named else argv
    listed = COMMANDS if HELP.intersection(before) else (verb,)
    for name in listed:
        if name == verb:
            command.register(commands)
        else:
            commands.add(name, parser.text(COMMANDS[name]))
    _add_common(parser)
    return parser.parse_args(argv), command
