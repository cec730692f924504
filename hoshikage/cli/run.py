"""Asks one question and writes one answer for pipes: `hoshikage run MODEL [PROMPT]`; standard output is its text alone.
Main thread.

A server of this user's is used where one runs; else the command loads the model itself.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import Any, Final

from hoshikage.cli.asking import shown
from hoshikage.cli.context import CommandContext
from hoshikage.cli.options import number_of
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import UsageError

MAX_TOKENS: Final = 1_000_000


def register(commands: Commands) -> None:
    parser = commands.add("run", commands.text("run.summary"))
    parser.add_argument("model", metavar="LABEL|FILE.gguf", help=commands.text("run.model"))
    parser.add_argument("prompt", metavar="PROMPT", nargs="?", help=commands.text("run.prompt"))
    parser.add_argument("--system", metavar="TEXT", help=commands.text("run.system"))
    parser.add_argument("--json-schema", metavar="FILE|JSON", help=commands.text("run.json_schema"))
    parser.add_argument("--image", metavar="FILE", action="append", default=[], help=commands.text("run.image"))
    parser.add_argument("--audio", metavar="FILE", action="append", default=[], help=commands.text("run.audio"))
    parser.add_argument("--tokens", metavar="N", help=commands.text("run.tokens"))
    parser.add_argument("--temperature", metavar="X", help=commands.text("run.temperature"))
    parser.add_argument("--seed", metavar="N", help=commands.text("run.seed"))


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    fields = _fields(args)
    messages = [{"role": "user", "content": _content(_prompt(args.prompt), args.image, args.audio)}]
    if args.system:
        messages.insert(0, {"role": "system", "content": args.system})
    return shown(args.model, messages, fields, context)


def _prompt(words: str | None) -> str:
    """Returns what was given, and below it what comes by standard input where that is no terminal. Raises
    UsageError."""
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read().strip()
    prompt = "\n\n".join(part for part in (words or "", piped) if part.strip())
    if not prompt:
        raise UsageError("run.empty")
    return prompt


def _content(prompt: str, images: list[str], sounds: list[str]) -> str | list[dict[str, Any]]:
    """Returns the content as the API takes it, which says itself what a model does not read."""
    if not images and not sounds:
        return prompt
    return [
        *({"type": "image_url", "image_url": {"url": f"data:;base64,{_encoded(one)}"}} for one in images),
        *({"type": "input_audio", "input_audio": {"data": _encoded(one)}} for one in sounds),
        {"type": "text", "text": prompt},
    ]


def _encoded(file: str) -> str:
    """Encodes a file in base64; what it is, its first bytes say."""
    return base64.b64encode(_read(file)).decode()


def _fields(args: argparse.Namespace) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if args.tokens is not None:
        fields["max_tokens"] = number_of("--tokens", args.tokens, int, 1, MAX_TOKENS)
    if args.seed is not None:
        fields["seed"] = number_of("--seed", args.seed, int, 0, 2**32 - 1)
    if args.temperature is not None:
        fields["temperature"] = number_of("--temperature", args.temperature, float, 0, 2)
    if args.json_schema is not None:
        schema = _schema(args.json_schema)
        fields["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return fields


def _schema(value: str) -> dict[str, Any]:
    """Returns the schema itself, or that of the file it stands in. Raises UsageError."""
    text = value if value.lstrip().startswith("{") else _read(value).decode("utf-8", "replace")
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise UsageError("run.schema_invalid", reason=str(error)) from None
    if not isinstance(schema, dict):
        raise UsageError("run.schema_invalid", reason=type(schema).__name__)
    return schema


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError("run.file_unreadable", file=file, reason=error.strerror or str(error)) from None
