"""Shows what the running server has loaded, who waits, and how the last requests went: `hoshikage status`. Main
thread."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import parameters, size
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult

if TYPE_CHECKING:
    from rich.console import Console

STYLES: Final = {"ready": "bold green", "loading": "yellow", "quarantined": "bold red"}
STATES: Final = ("ready", "loading", "unloading", "unloaded", "quarantined")
Rows = list[tuple[str, str, str]]
"""Each line has name, value and style."""


def register(commands: Commands) -> None:
    commands.add("status", commands.text("cli.status_summary")).add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    """Shows the server's state; the exit status is 1 where none answers."""
    server = Server.of(context)
    status = server.require_status()
    rows = [*_server(status, server.url, context), *_model(status, context), *_memory(status, context)]

    def view(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for name, value, style in rows:
            table.add_row(context.text(f"cli.status_{name}"), value, style=style)
        console.print(table)
        if requests := status.get("last_requests"):
            console.print()
            console.print(_requests(requests, context))

    return CommandResult(data=status, view=view)


def _server(status: dict[str, Any], url: str, context: CommandContext) -> Rows:
    queue = status["queue"]
    rows: Rows = [
        ("server", context.text("cli.status_version", url=url, version=status["version"]), ""),
        ("queue", context.text("cli.status_requests", running=queue["running"], waiting=queue["waiting"]), ""),
    ]
    if status.get("state") == "sleeping":
        rows.insert(1, ("state", context.text("cli.status_sleeping"), ""))
    if queue.get("waiting_for"):
        rows.append(("waiting_for", ", ".join(queue["waiting_for"]), ""))
    if library := status.get("library"):
        rows.append(("library", f"{library['version']} · {library['path']}", ""))
    return rows


def _model(status: dict[str, Any], context: CommandContext) -> Rows:
    model = status["model"]
    state = "quarantined" if model.get("quarantined") else str(model["state"])
    shown = context.text(f"cli.status_{state}") if state in STATES else state
    label = f"{model['id']} · " if model.get("id") and state != "unloaded" else ""
    rows: Rows = [("model", label + shown, STYLES.get(state, ""))]
    if "n_params" in model:
        what = (model["description"], parameters(model["n_params"]), size(model["size_bytes"]))
        rows.append(("what", " · ".join(part for part in what if part), ""))
        rows.append(
            ("context", context.text("cli.status_tokens", n_ctx=model["n_ctx"], maximum=model["n_ctx_train"]), "")
        )
    return rows


def _memory(status: dict[str, Any], context: CommandContext) -> Rows:
    rows: Rows = []
    runner, held, returned = (status.get(name) for name in ("runner", "ramdisk", "last_unload"))
    if runner and runner.get("pid"):
        rows.append(("runner", f"pid {runner['pid']} · {size(runner['resident_bytes'])}", ""))
    for other in status.get("runners", ()):
        if other["pid"] != (runner or {}).get("pid"):
            rows.append(("beside", f"{other['model']} · {other['kind']} · {size(other['resident_bytes'])}", ""))
    if held:
        rows.append(("ramdisk", f"{held['source']} · {size(held['bytes'])}", ""))
    copy = status.get("ramdisk_copy") or {}
    if copy.get("progress") is not None:
        rows.append(("ramdisk", context.text("cli.status_copying", percent=100 * copy["progress"]), ""))
    if returned:
        amounts = {"memory": size(returned["resident_bytes"]), "vram": size(returned["vram_bytes"])}
        rows.append(("returned", context.text("cli.status_amounts", **amounts), ""))
    return rows


def _requests(requests: list[dict[str, Any]], context: CommandContext) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("time", "label", "prompt", "answer", "wait", "first", "speed", "end"):
        right = name not in ("time", "label", "end")
        table.add_column(context.text(f"cli.status_col_{name}"), justify="right" if right else "left")
    for request in requests:
        table.add_row(
            time.strftime("%H:%M:%S", time.localtime(request["finished_at"])),
            request["model"],
            str(request["prompt_tokens"]),
            str(request["completion_tokens"]),
            _duration(request["queue_ms"]),
            _duration(request["first_token_ms"]),
            f"{request['tokens_per_second']:.1f}",
            request["reason"],
        )
    return table


def _duration(millis: float) -> str:
    return f"{millis:.0f} ms" if millis < 1000 else f"{millis / 1000:.1f} s"
