"""`hoshikage` and `hoshikage serve`: runs the server until it is told to stop. Main thread."""

from __future__ import annotations

import argparse
import errno
import socket
from typing import Final

from hoshikage import logs
from hoshikage.cli import terminal_log
from hoshikage.cli.context import Context
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.errors import Unavailable

IN_USE_BY: Final = {"own": "cli.port_in_use_own", "hoshikage": "cli.port_in_use_hoshikage"}


def register(commands: Commands) -> None:
    commands.add("serve", commands.text("cli.serve_summary"))


def run(args: argparse.Namespace, context: Context) -> CommandResult:
    from hoshikage.api.app import request_id, serve

    host, port = context.settings.host, context.settings.port
    try:
        with logs.running(context.settings, terminal_log.handler(context.environ), request_id):
            serve(context.settings, context.environ)
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
            from hoshikage.cli.server import Server

            key = IN_USE_BY.get(Server.of(context).peer() or "other", key)
        raise Unavailable(key, host=host, port=port, other=port + 1) from None
    return CommandResult()
