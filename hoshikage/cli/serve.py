"""Runs the server until it is told to stop: `hoshikage` and `hoshikage serve`. Main thread."""

from __future__ import annotations

import argparse
import errno
import socket
from functools import partial
from typing import Final

from hoshikage import heap, logs
from hoshikage.cli import result, terminal_log
from hoshikage.cli.context import CommandContext
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import HoshikageError, LibraryMissing, Unavailable

IN_USE_BY: Final = {"own": "cli.port_in_use_own", "hoshikage": "cli.port_in_use_hoshikage"}


def register(commands: Commands) -> None:
    commands.add("serve", commands.text("cli.serve_summary"))


@heap.growing()
def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    from hoshikage.http import server_half

    heap.tame()
    settings = context.settings
    plain = settings.tls_cert_file is None and settings.tls_key_file is None and not settings.allow_remote_images
    server_half.alone(plain=plain)
    from hoshikage.protocols.app import request_id, serve
    from hoshikage.protocols.hoshikage.insight import Insight

    host, port = context.settings.host, context.settings.port
    try:
        with logs.running(context.settings, terminal_log.handler(context.environ), request_id) as tail:
            insight = Insight(context.sources, context.environ, tail.after)
            serve(context.settings, context.environ, partial(_ready, context), insight)
    except socket.gaierror:
        raise Unavailable("cli.host_unknown", host=host) from None
    except OSError as error:
        keys = {
            errno.EADDRINUSE: "cli.port_in_use",
            errno.EACCES: "cli.port_refused",
            errno.EADDRNOTAVAIL: "cli.host_unknown",
        }
        if error.errno not in keys:
            raise
        key = keys[error.errno]
        if error.errno == errno.EADDRINUSE:
            from hoshikage.cli.client import Server
            from hoshikage.cli.connection import PROBE_S

            key = IN_USE_BY.get(Server.of(context).peer(PROBE_S) or "other", key)
        raise Unavailable(key, host=host, port=port, other=port + 1) from None
    return CommandResult()


def _ready(context: CommandContext) -> None:
    """Is called in a thread of its own when the server answers."""
    from hoshikage.cli.start import remember_start

    _warn(context)
    remember_start(context)


def _warn(context: CommandContext) -> None:
    """Says what keeps the server from answering chats, beside the line that it is ready; and tidies up."""
    from hoshikage.library import leftovers, locate
    from hoshikage.registry import Registry
    from hoshikage.settings import cache_dir

    leftovers.sweep(cache_dir())

    settings = context.settings
    said = []
    try:
        locate.find(settings.lib_path, settings.lib_dir, context.environ)
    except HoshikageError as error:
        missing = isinstance(error, LibraryMissing)
        said.append(
            context.text("cli.serve_no_library")
            if missing
            else context.text("cli.serve_library", reason=context.text(error.key, **error.details))
        )
    if not Registry(settings.model_map_file, settings.model_dir, settings.registry_root).specs():
        said.append(context.text("cli.serve_no_models"))
    for line in said:
        result.note(f"{context.text('cli.warning')}: {result.printable(line)}")
