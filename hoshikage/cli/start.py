"""Leaves behind what the next start needs that is like this one (`sleeper.start`). Any thread; blocking."""

from __future__ import annotations

import ipaddress
import marshal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from hoshikage import durable
from hoshikage.cli.context import CommandContext
from hoshikage.options import SETTINGS
from hoshikage.settings import LANGUAGE_VARIABLE, config_dir
from hoshikage.sleeper import start

ALSO: Final = (
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "LANGUAGE",
    "LC_ALL",
    "LC_MESSAGES",
    "LANG",
    LANGUAGE_VARIABLE,
)
"""A start depends on these variables beside the settings' own."""


def remember_start(context: CommandContext) -> None:
    """Writes it where such a start can be: with one literal address of this machine, and without TLS and tokens."""
    settings = context.settings
    address = None
    with suppress(ValueError):
        address = ipaddress.ip_address(settings.host)
    plain = settings.tls_cert_file is None and settings.unix_socket is None and settings.require_token == "auto"
    if sys.platform != "linux" or address is None or not address.is_loopback or not plain:
        return
    from hoshikage.http.origin_policy import OriginPolicy

    policy = OriginPolicy.of(settings, exposed=False)
    variables = sorted({*ALSO, *(name for row in SETTINGS for name in (row.variable, *row.aliases))})
    files = [str(Path.cwd() / ".env"), str(config_dir() / ".env")]
    health = {
        "route": "/health",
        "needs": "nothing",
        "headers": ["Content-Type: application/json"],
        "body": b'{"status":"ok"}',
        "full": b'{"status":"ok"}',
    }
    state = {
        "variables": variables,
        "files": files,
        "key": start.key(variables, files),
        "host": str(address),
        "port": settings.port,
        "ready": context.text("http.ready", url="{url}"),
        "names": sorted(policy.names),
        "exposed": False,
        "needs_token": False,
        "tokens": [],
        "token_file": "",
        "token_signature": None,
        "admin": "",
        "pages": {"/health": health, "/v1/health": {**health, "route": "/v1/health"}},
        "headers": ["Vary: Origin"] if policy.origins and not policy.origins.any else [],
        "html": [],
        "prefix": settings.api_prefix,
        "unix_path": "",
        "kept": None,
    }
    target = Path(start.file())
    data = marshal.dumps(state)
    with suppress(OSError):
        if not target.exists() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            durable.replace(target, data, mode=0o600)
