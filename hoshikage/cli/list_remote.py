"""Lists what a repository elsewhere has, and what of it fits this machine: `hoshikage list --remote REPO`. Main
thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli.context import CommandContext
from hoshikage.cli.format import size
from hoshikage.cli.result import CommandResult, one_line
from hoshikage.dispatch.headroom import available_memory
from hoshikage.errors import UsageError
from hoshikage.hub.address import Address
from hoshikage.hub.choice import ModelVariant, choose, contents
from hoshikage.hub.sources import source
from hoshikage.settings import cache_dir

if TYPE_CHECKING:
    from rich.console import Console

BESIDE_WEIGHTS: Final = 1.15
"""A model takes so many times its file's size, for a short context: the file's header, which would tell exactly, is not
here."""


def list_remote(text: str, context: CommandContext) -> CommandResult:
    """Raises HoshikageError."""
    origin = source(Address.of(text), cache_dir() / "models", context.environ)
    result = contents(origin.files())
    if not result.variants:
        raise UsageError("pull.no_gguf", where=origin.where)
    available = available_memory()
    usual = _usual(result, origin.where)
    rows = [_row(one, available, is_usual=one is usual) for one in result.variants]
    beside = {"projectors": result.projectors, "drafts": result.drafts}
    data = {
        "where": origin.where,
        "available_bytes": available or None,
        "variants": rows,
        **{name: [{"path": one.path, "size_bytes": one.size} for one in files] for name, files in beside.items()},
    }

    def view(console: Console) -> None:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("quant", "size", "files", "fits"):
            table.add_column(context.text(f"pull.list_{name}"), overflow="fold")
        for row in rows:
            fits = {True: "yes", False: "no", None: "unknown"}[row["fits"]]
            words = context.text(f"pull.fits_{fits}") + (context.text("pull.is_usual") if row["usual"] else "")
            names = row["files"][0] + (f" (+{len(row['files']) - 1})" if len(row["files"]) > 1 else "")
            if row["missing"]:
                words = context.text("pull.is_torn")
            table.add_row(one_line(row["quant"]), size(row["size_bytes"]), one_line(names), words)
        console.print(table)
        for name, files in beside.items():
            for one in files:
                console.print(f"{context.text(f'pull.list_{name}')}: {one_line(one.path)} · {size(one.size)}")

    return CommandResult(data=data, view=view)


def _usual(contents: Any, where: str) -> ModelVariant | None:
    """Returns what `pull` takes where nobody says which."""
    try:
        return choose(contents, where, None, None).variant
    except UsageError:
        return None


def _row(variant: ModelVariant, available: int, *, is_usual: bool) -> dict[str, Any]:
    return {
        "quant": variant.quant,
        "size_bytes": variant.size,
        "files": [file.path for file in variant.files],
        "missing": list(variant.missing),
        "fits": variant.size * BESIDE_WEIGHTS <= available if available else None,
        "usual": is_usual,
    }
