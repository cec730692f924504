"""Shows a library: its data for `--json`, its rows for people. Main thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import size
from hoshikage.library import contents, gpu, staging
from hoshikage.library.case import judged_words
from hoshikage.library.check_report import CheckReport
from hoshikage.library.dependencies import Lack

if TYPE_CHECKING:
    from rich.console import Console

Rows = list[tuple[str, str]]


def data(
    file: Path, record: staging.InstallRecord | None, verdict: CheckReport, context: CommandContext
) -> dict[str, Any]:
    return {
        "file": str(file),
        "release": record.release if record else contents.release(file.parent, file) or verdict.version,
        "origin": record.origin if record else None,
        "installed_at": record.installed_at if record else None,
        "size_bytes": contents.size(file),
        "backends": contents.backends(file.parent),
        "cards": gpu.cards_of(file),
        "devices": [asdict(device) for device in verdict.devices],
        "usable": verdict.ok,
        "verdict": {
            "key": verdict.key,
            "message": "" if verdict.ok else context.text(verdict.key, **verdict.details),
            "golden": verdict.golden,
            "handshake": verdict.handshake,
            "model_layout": verdict.model_layout,
            "context_layout": verdict.context_layout,
            "calibrated": verdict.calibrated,
            "features_lacking": list(verdict.lacks),
            "fingerprint": verdict.fingerprint,
        },
    }


def rows(file: Path, record: staging.InstallRecord | None, verdict: CheckReport, context: CommandContext) -> Rows:
    shown = data(file, record, verdict, context)
    result = [
        ("file", str(file)),
        ("release", shown["release"]),
        ("origin", record.origin if record else context.text("library.by_hand")),
        ("backends", ", ".join(shown["backends"])),
        *(("devices", device(one)) for one in shown["devices"]),
        *([("cards", shown["cards"])] if shown["cards"] else []),
    ]
    result.append(("size", size(shown["size_bytes"])))
    if verdict.model_layout:
        result.append(("layouts", f"{verdict.model_layout}, {verdict.context_layout}"))
    result.append(("verdict", judged(verdict, context)))
    return [(context.text(f"library.row_{name}"), value) for name, value in result]


def judged(verdict: CheckReport, context: CommandContext) -> str:
    return judged_words(verdict, context.language)


def device(shown: dict[str, Any]) -> str:
    memory = f", {size(shown['memory_total'])}" if shown["memory_total"] else ""
    return f"{shown['name']} ({shown['kind']}): {shown['description']}{memory}"


def lacks(lacking: Sequence[Lack], context: CommandContext) -> list[dict[str, str]]:
    """Lists what the set's files lack, each with its words."""
    return [{"key": lack.key, "message": context.text(lack.key, **lack.details)} for lack in lacking]


def draw(console: Console, shown: Rows) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    former = ""
    for name, value in shown:
        table.add_row("" if name == former else name, value)
        former = name
    console.print(table)
