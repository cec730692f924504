"""Says who may use the server from elsewhere: `hoshikage token create|list|rotate|revoke`. Main thread.

A running server sees each change with the next request.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hoshikage.access.tokens import Scope, TokenStore
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import moment
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult
from hoshikage.settings import config_dir

if TYPE_CHECKING:
    from rich.console import Console


def register(commands: Commands) -> None:
    parser = commands.add("token", commands.text("cli.token_summary"))
    parser.add_json()
    verbs = parser.commands(dest="action")
    for action in ("create", "rotate", "revoke"):
        verb = verbs.add(action, commands.text(f"access.help_{action}"))
        verb.add_argument("name", metavar="NAME", help=commands.text("access.help_name"))
        if action == "create":
            verb.add_argument("--admin", action="store_true", help=commands.text("access.help_admin"))
        verb.add_json()
    verbs.add("list", commands.text("access.help_list")).add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    store = TokenStore(config_dir() / "tokens.json")
    if args.action == "create":
        scope: Scope = "admin" if args.admin else "api"
        return _shown_once(args.name, store.create(args.name, scope), context.text(f"access.created_{scope}"), context)
    if args.action == "rotate":
        return _shown_once(args.name, store.rotate(args.name), context.text("access.rotated"), context)
    if args.action == "revoke":
        store.revoke(args.name)
        return CommandResult(data={"name": args.name}, lines=(context.text("access.revoked", name=args.name),))
    return _list(store, context)


def _shown_once(name: str, token: str, heading: str, context: CommandContext) -> CommandResult:
    lines = (heading, "", f"  {token}", "", context.text("access.how_to_use"))
    return CommandResult(data={"name": name, "token": token}, lines=lines)


def _list(store: TokenStore, context: CommandContext) -> CommandResult:
    tokens = store.tokens()

    def view(console: Console) -> None:
        from rich.table import Table

        if not tokens:
            console.print(context.text("access.list_empty"))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("name", "scope", "created"):
            table.add_column(context.text(f"access.list_{name}"), overflow="fold")
        for token in tokens:
            created = moment(token.created)
            table.add_row(token.name, context.text(f"access.scope_{token.scope}"), created)
        console.print(table)

    data = [{"name": token.name, "scope": token.scope, "created": token.created} for token in tokens]
    return CommandResult(data={"file": str(store.file), "tokens": data}, view=view)
