"""Makes, lists and removes models with a character, used by a name of their own: `hoshikage persona add|list|rm`. Main
thread.

A running server sees each change with the next request.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hoshikage.cli.context import CommandContext
from hoshikage.cli.options import add_options, chosen, shown
from hoshikage.cli.parser import Commands
from hoshikage.cli.result import CommandResult, one_line
from hoshikage.errors import UsageError
from hoshikage.options import PERSONA
from hoshikage.registry import ModelSpec, Persona, Registry, persona_options

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS: Final = ("name", "model", "system", "options", "state")
STYLES: Final = {"usable": "green", "missing": "red"}
SHOWN_CHARACTERS: Final = 40
"""The list shows no more characters of the system text; `--json` has all of it."""


def register(commands: Commands) -> None:
    parser = commands.add("persona", commands.text("cli.persona_summary"))
    parser.add_json()
    verbs = parser.commands(dest="action")
    add = verbs.add("add", commands.text("cli.persona_add"))
    add.add_argument("name", metavar="NAME", help=commands.text("cli.persona_help_name"))
    add.add_argument("--model", metavar="LABEL", required=True, help=commands.text("cli.persona_help_model"))
    add.add_argument("--system", metavar="TEXT|@FILE", required=True, help=commands.text("cli.persona_help_system"))
    add_options(add, PERSONA)
    add.add_json()
    verbs.add("list", commands.text("cli.persona_list")).add_json()
    rm = verbs.add("rm", commands.text("cli.persona_rm"), aliases=("remove",))
    rm.add_argument("name", metavar="NAME", help=commands.text("cli.persona_help_name"))
    rm.add_json()


def run(args: argparse.Namespace, context: CommandContext) -> CommandResult:
    registry = Registry(context.settings.model_map_file, context.settings.model_dir, context.settings.registry_root)
    if args.action == "add":
        return _add(args, registry, context)
    if args.action in ("rm", "remove"):
        registry.remove_persona(args.name)
        return CommandResult(data={"name": args.name}, lines=(context.text("cli.persona_removed", name=args.name),))
    return _list(registry, context)


def _add(args: argparse.Namespace, registry: Registry, context: CommandContext) -> CommandResult:
    sampling = persona_options(chosen(args, PERSONA))
    replaced = registry.add_persona(args.name, args.model, _system(args.system), sampling)
    key = "cli.persona_replaced" if replaced else "cli.persona_added"
    data = {"name": args.name, "model": args.model, "replaced": replaced, "options": sampling.given()}
    return CommandResult(data=data, lines=(context.text(key, name=args.name, model=args.model),))


def _system(text: str) -> str:
    """Returns the text itself, or what the file after `@` holds. Raises UsageError."""
    if not text.startswith("@"):
        return text
    file = Path(text[1:])
    try:
        return file.read_text("utf-8-sig").strip()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError("cli.persona_file_unreadable", file=str(file), reason=reason) from None
    except ValueError:
        raise UsageError("cli.persona_file_no_text", file=str(file)) from None


def _list(registry: Registry, context: CommandContext) -> CommandResult:
    personas = registry.personas()
    problems = [context.text(result.key, **result.details) for result in registry.persona_problems()]
    rows = [_data(persona) for persona in personas]

    def view(console: Console) -> None:
        from rich.table import Table

        if rows:
            table = Table(box=None, pad_edge=False, header_style="bold")
            for name in COLUMNS:
                table.add_column(context.text(f"cli.persona_column_{name}"), overflow="fold")
            for row in rows:
                table.add_row(*_cells(row, context))
            console.print(table)
        elif not problems:
            console.print(context.text("cli.persona_list_empty"))
        for problem in problems:
            console.print(f"{context.text('cli.warning')}: {problem}", style="yellow")

    return CommandResult(data={"file": str(registry.personas_file), "personas": rows, "problems": problems}, view=view)


def _data(entry: ModelSpec | Persona) -> dict[str, Any]:
    persona = entry if isinstance(entry, Persona) else entry.persona
    assert persona is not None
    return {
        "name": persona.name,
        "model": persona.model,
        "system": persona.system,
        "options": persona.sampling.given(),
        "created": persona.created,
        "state": "missing" if isinstance(entry, Persona) else "usable",
    }


def _cells(row: dict[str, Any], context: CommandContext) -> tuple[Any, ...]:
    from rich.text import Text

    system = one_line(" ".join(row["system"].split()))
    if len(system) > SHOWN_CHARACTERS:
        system = system[:SHOWN_CHARACTERS] + "…"
    state = Text(context.text(f"cli.persona_state_{row['state']}"), style=STYLES[row["state"]])
    return row["name"], row["model"], system, shown(row["options"]) or "–", state
