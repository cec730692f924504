"""Reads a package's imports with `ast` and says which of them break the house's rules. Pure functions; no state."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.trees import nodes_of

PACKAGE: Final = "hoshikage"
VALUES: Final = frozenset({"errors", "params", "infos", "wire", "kv_file"})
OPTIONS: Final = frozenset({"option", "options"})
FOR_ALL: Final = frozenset({"frozen"})
"""Every room may import these: it says nothing of what the product does."""
MAY_IMPORT: Final[Mapping[str, frozenset[str]]] = {
    "frozen": frozenset(),
    "errors": frozenset(),
    "holds": frozenset(),
    "adapter_set": frozenset(),
    "medium": frozenset(),
    "params": frozenset({"adapter_set", "holds", "medium"}),
    "infos": frozenset(),
    "kv_file": frozenset(),
    "digests": frozenset(),
    "durable": frozenset(),
    "locked_file": frozenset({"durable"}),
    "architectures": frozenset(),
    "cores": frozenset(),
    "heap": frozenset(),
    "urls": frozenset(),
    "messages": frozenset({"errors"}),
    "wire": frozenset({"errors", "params", "infos"}),
    "gguf": frozenset({"errors", "architectures"}),
    "envfile": frozenset({"errors"}),
    "env_trust": frozenset(),
    "setting_values": frozenset({"params"}),
    "option": frozenset({"env_trust", "setting_values"}),
    "options": frozenset({"params", "option", "setting_values"}),
    "settings": frozenset({"errors", "messages", "option", "options", "params", "env_trust", "envfile"}),
    "registry": frozenset({"errors", "option", "options", "params", "durable", "locked_file", "gguf"}),
    "logs": frozenset({"settings", "log_file"}),
    "log_file": frozenset({"errors"}),
    "in_force": frozenset({"options", "settings"}),
    "service": frozenset({"errors", "durable"}),
    "access": frozenset({"errors", "locked_file"}),
    "page": frozenset(),
    "sleeper": frozenset(),
    "programs": frozenset({"errors"}),
    "hub": frozenset({"errors", "gguf", "urls", "digests", "durable"}),
    # the runner's side, from the bottom up
    "native_os": frozenset({"errors"}),
    "_ffi": frozenset({"errors", "infos"}),
    "llama": VALUES | {"architectures", "cores", "gguf", "_ffi", "native_os"},
    "engine": VALUES | {"cores", "_ffi", "llama"},
    "lab": VALUES | {"_ffi", "llama"},
    "runner": VALUES | {"native_os", "_ffi", "llama", "engine", "lab"},
    # beside both: what keeps memory
    "keeper": frozenset({"errors", "native_os", "durable"}),
    # the server's side, from the bottom up
    "library": frozenset(
        {"runner", "errors", "params", "infos", "urls", "digests", "durable", "locked_file", "messages"}
    ),
    "tools": frozenset({"errors", "params"}),
    "dispatch": VALUES
    | {
        "cores",
        "heap",
        "runner",
        "library",
        "registry",
        "gguf",
        "durable",
        "option",
        "options",
        "settings",
        "messages",
    },
    "http": VALUES | {"dispatch", "registry", "settings", "messages", "access", "heap"},
    "memory": VALUES | {"keeper", "runner", "dispatch", "registry", "gguf", "settings", "messages"},
    "answer": VALUES | {"memory", "http", "dispatch", "registry", "gguf", *OPTIONS, "settings", "messages", "tools"},
    "protocols": VALUES
    | {"answer", "http", "dispatch", "registry", "gguf", *OPTIONS, "settings", "messages", "service", "access"}
    | {"tools", "page", "in_force", "sleeper", "hub", "memory", "heap"},
    "cli": VALUES
    | {
        "protocols",
        "answer",
        "tools",
        "http",
        "dispatch",
        "library",
        "registry",
        "gguf",
        "option",
        "options",
        "settings",
        "messages",
        "durable",
    }
    | {"logs", "service", "access", "cores", "in_force", "programs", "hub", "memory", "sleeper", "heap"},
    "cluster": frozenset({"messages", "library"}),
    "embedding": VALUES | {"answer", "dispatch", "option", "options", "registry", "settings", "tools"},
    "": frozenset({"_version", "embedding"}),
    "_version": frozenset(),  # there once the package has been built or installed
    "__main__": frozenset({"cli", "sleeper"}),
}
"""Maps a room to the other rooms that it may import. A room that stands in no row is a violation itself."""

RUNNER_SIDE: Final = frozenset({"native_os", "_ffi", "llama", "engine", "lab", "runner"})
APARTMENTS: Final = frozenset({"protocols"})
"""These are rooms whose inner rooms must not know each other: no protocol imports another."""
OWNERS: Final[Mapping[str, frozenset[str]]] = {
    "ctypes": frozenset({"_ffi", "heap", "native_os"}),
    "aiohttp.web": frozenset({"http", "answer", "protocols"}),
    "rich": frozenset({"cli"}),
    "numpy": RUNNER_SIDE | {"keeper"},
    "sklearn": frozenset({"keeper"}),
    "chromadb": frozenset({"keeper"}),
    "sentencex": frozenset({"keeper"}),
    "ray": frozenset({"cluster"}),
    "huggingface_hub": frozenset({"hub"}),
    "jinja2": RUNNER_SIDE,
    "llguidance": frozenset({"llama"}),
}
"""Maps a foreign package to the rooms that may import it."""

FORBIDDEN: Final[Mapping[str, frozenset[str]]] = {
    "llama": frozenset({"asyncio", "threading", "concurrent", "http", "socket", "aiohttp"}),
}
"""Maps a room to the foreign packages that it must not import: llama is synchronous and confined to one thread."""


@dataclass(frozen=True, slots=True)
class Import:
    importer: str
    """`importer` is the dotted name of the importing module."""
    imported: str
    """`imported` is the dotted name of what is imported: a module, or a module and a name in it."""
    line: int
    typing_only: bool
    """Under `if TYPE_CHECKING:`, so it never happens at run time."""


def module_name(file: Path, root: Path) -> str:
    parts = list(file.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources_of(package: Path) -> dict[str, str]:
    """Maps the dotted name to the source text of every module of a package on disk."""
    return {module_name(file, package.parent): file.read_text("utf-8") for file in sorted(package.rglob("*.py"))}


@cache
def imports_of(module: str, source: str) -> list[Import]:
    """Lists every import of a module, also those in functions."""
    kinds = (ast.Import, ast.ImportFrom, ast.If)
    nodes = [node for node in nodes_of(source) if isinstance(node, kinds)]
    typing_lines = {
        line
        for node in nodes
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }
    return [
        Import(module, name, node.lineno, node.lineno in typing_lines)
        for node in nodes
        if not isinstance(node, ast.If)
        for name in _names(node, module)
    ]


def _names(node: ast.Import | ast.ImportFrom, module: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parents = module.split(".")[: -node.level]
        base = ".".join([*parents, *([base] if base else [])])
    yield from (f"{base}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """Returns the room of a module of the package: `hoshikage.http.sse` is in `http`, the package itself in ``."""
    return module.split(".")[1] if "." in module else ""


def inner_room(module: str, sources: Mapping[str, str]) -> str:
    """Returns the room within its room of a module: `hoshikage.protocols.ollama.writer` is in `ollama`; `` for one that
    is in none, as `hoshikage.protocols.app`.
    """
    parts = module.split(".")
    return parts[2] if len(parts) > 3 or f"{module}.__init__" in sources else ""


def violations(sources: Mapping[str, str]) -> list[str]:
    """Writes one line for each import that breaks a rule."""
    found = [f"{module}: the room {room(module)!r} has no row" for module in sources if not _known(room(module))]
    for module, source in sources.items():
        for item in imports_of(module, source):
            found.extend(f"{module}:{item.line}: {reason}" for reason in _faults(item, sources))
    return found


def _known(name: str) -> bool:
    return name == "" or name in MAY_IMPORT


def _faults(item: Import, sources: Mapping[str, str]) -> Iterator[str]:
    importer = room(item.importer)
    if item.imported.split(".")[0] == PACKAGE:
        target = room(_module_of(item.imported, sources))
        if target and target != importer and target not in FOR_ALL | MAY_IMPORT.get(importer, frozenset()):
            yield f"{importer or PACKAGE} must not import {target}"
        elif importer == target and importer in APARTMENTS:
            here, there = inner_room(item.importer, sources), inner_room(_module_of(item.imported, sources), sources)
            if here and there and here != there:
                yield f"{importer}.{here} must not import {importer}.{there}"
        return
    for name, owners in OWNERS.items():
        if _within(item.imported, name) and importer not in owners:
            yield f"only {', '.join(sorted(owners))} may import {name}"
    for name in FORBIDDEN.get(importer, ()):
        if _within(item.imported, name):
            yield f"{importer} must not import {name}"


def _within(imported: str, name: str) -> bool:
    return imported == name or imported.startswith(f"{name}.")


def _module_of(imported: str, sources: Mapping[str, str]) -> str:
    """`hoshikage.wire.Token` is a name in `hoshikage.wire`; `hoshikage.wire` is that module."""
    while imported not in sources and "." in imported:
        imported = imported.rpartition(".")[0]
    return imported


def cycles(sources: Mapping[str, str]) -> list[str]:
    """Lists rings of modules that import each other at run time, each as `a -> b -> a`."""
    graph = {
        module: sorted(
            {_module_of(item.imported, sources) for item in imports_of(module, source) if not item.typing_only}
            & set(sources) - {module}
        )
        for module, source in sources.items()
    }
    rings: set[str] = set()
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            ring = trail[trail.index(module) :]
            turn = ring.index(min(ring))
            rings.add(" -> ".join([*ring[turn:], *ring[:turn], ring[turn]]))
        elif module not in done:
            for imported in graph[module]:
                visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())
    return sorted(rings)
