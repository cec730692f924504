"""Lets a command change and read the registry: by the running server, else by the locked file. Main thread.

Both ways have the same outcome. `told` is given a line that says which one was used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoshikage.cli import result
from hoshikage.cli.client import Server
from hoshikage.cli.context import CommandContext
from hoshikage.registry import NO_OPTIONS, ModelSpec, OwnOptions, Registry, own_options


@dataclass(frozen=True, slots=True)
class Listing:
    """This is registered, and the rest was passed over."""

    file: Path
    specs: tuple[ModelSpec, ...]
    problems: tuple[str, ...]


class Registering:
    """This is one command's way to the registry. `verbose` says on stderr which one it was."""

    def __init__(self, context: CommandContext, *, verbose: bool) -> None:
        self._context = context
        self._server = Server.of(context)
        self._registry = Registry(
            context.settings.model_map_file, context.settings.model_dir, context.settings.registry_root
        )
        self._lines: set[str] = set()
        self._absent = False
        self.reloads = False
        """`reloads` tells whether the server has a loaded copy of what was added, as it was registered before."""
        self._tell: Callable[[str], None] = result.note if verbose else lambda _: None

    def add(
        self, label: str, file: Path, stop: Sequence[str] | None, options: OwnOptions, *, itself: bool = False
    ) -> bool:
        """Does what Registry.add does; also raises ServerSaid, ServerRefused.

        With `itself` the file is written here also where a server runs that reads it: the user may name a template
        that a request may not.
        """
        if itself and self.listing().file == self._registry.file:
            self._by_file()
            return self._registry.add(label, file, stop, options)
        body = {"name": label, "path": str(file), **options.given()}
        if stop is not None:
            body["stop"] = list(stop)
        if (outcome := self._ask("POST", "models", body=body)) is not None:
            answer, where = outcome
            self._by_server(where)
            self.reloads = bool(answer.get("reloads"))
            return bool(answer["replaced"])
        self._by_file()
        return self._registry.add(label, file, stop, options)

    def kept(self, label: str, file: Path) -> OwnOptions:
        """Returns the settings that this file is registered with under that label, which registering again keeps."""
        specs = self.listing().specs if label else ()
        same = (one for one in specs if (one.label, one.file, one.source) == (label, file, "registry"))
        return next((one.options for one in same), NO_OPTIONS)

    def remove(self, label: str) -> None:
        """Does what Registry.remove does; also raises ServerSaid, ServerRefused."""
        if (outcome := self._ask("DELETE", "models", label)) is not None:
            self._by_server(outcome[1])
            return
        self._by_file()
        self._registry.remove(label)

    def listing(self) -> Listing:
        if (outcome := self._ask("GET", "models")) is not None:
            answer, where = outcome
            self._by_server(where)
            specs = tuple(
                ModelSpec(
                    model["name"],
                    Path(model["path"]),
                    tuple(model["stop"]),
                    model["created"],
                    own_options(model),
                    model["source"],
                )
                for model in answer["models"]
            )
            return Listing(Path(answer["file"]), specs, tuple(answer["problems"]))
        self._by_file()
        registry = self._registry
        problems = tuple(self._context.text(outcome.key, **outcome.details) for outcome in registry.problems())
        return Listing(registry.file, registry.specs(), problems)

    def _ask(self, method: str, *path: str, body: Mapping[str, Any] | None = None) -> tuple[Any, str] | None:
        """Asks as Server.admin does; where no server could be asked once, none is tried again."""
        outcome = None if self._absent else self._server.admin(method, *path, body=body)
        self._absent = outcome is None
        return outcome

    def _by_server(self, where: str) -> None:
        self._tell_once(self._context.text("cli.via_server", where=where))

    def _by_file(self) -> None:
        self._tell_once(self._context.text("cli.via_file", file=self._registry.file))

    def _tell_once(self, line: str) -> None:
        """A command that asks before it changes something goes the same way twice."""
        if line not in self._lines:
            self._lines.add(line)
            self._tell(line)
