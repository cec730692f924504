"""Tests the house's rules: who may import whom, what a server process never loads, what a test may not do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.architecture import (
    MAY_IMPORT,
    OPTIONS,
    PACKAGE,
    RUNNER_SIDE,
    VALUES,
    cycles,
    imports_of,
    room,
    sources_of,
    violations,
)
from tests.trees import nodes_of, text_of, tree_of

ROOT: Final = Path(__file__).resolve().parent.parent
NEVER_IN_THE_SERVER: Final = ("hoshikage._ffi", "hoshikage.llama", "hoshikage.engine", "numpy", "jinja2", "rich")


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return sources_of(ROOT / PACKAGE)


def test_every_import_is_allowed(sources: dict[str, str]) -> None:
    assert len(sources) > 40
    assert violations(sources) == []


def test_no_module_imports_itself_round_a_corner(sources: dict[str, str]) -> None:
    assert cycles(sources) == []


def test_every_module_says_first_what_it_owns(sources: dict[str, str]) -> None:
    silent = [module for module, source in sources.items() if source and not ast.get_docstring(tree_of(source))]
    assert silent == []


def test_no_module_is_longer_than_the_house_allows(sources: dict[str, str]) -> None:
    assert [module for module, source in sources.items() if source.count("\n") > 400] == []


RUNNERS_ENTRIES: Final = ("hoshikage.runner.launch", "hoshikage.runner.embedded")


def test_others_take_the_runners_entries_alone(sources: dict[str, str]) -> None:
    taken = {
        item.imported
        for module, source in sources.items()
        if room(module) not in RUNNER_SIDE
        for item in imports_of(module, source)
        if item.imported.startswith("hoshikage.runner")
    }
    assert [one for one in taken if not one.startswith(RUNNERS_ENTRIES)] == []


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "ARCHITECTURE.ja.md"])
def test_the_table_of_floors_says_what_may_be_imported(page: str) -> None:
    """A row is of one room whose cell names rooms; others point to the table of the tests."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| [^|]+ \|$", text, re.MULTILINE)
    documented = {name: _named(cell) for name, cell in rows if _named(cell) or cell in {"nothing", "なし"}}
    assert len(documented) > 15
    assert documented == {name: MAY_IMPORT[name] for name in documented}


def _named(cell: str) -> frozenset[str]:
    """Returns the rooms that a cell names; the values are one word, and `options` stands for `option`, too."""
    names = frozenset(re.findall(r"`(\w+)`", cell))
    if re.search("values|値", cell):
        names |= VALUES
    return names | OPTIONS if "options" in names else names


PRIVATE_WORDS: Final = frozenset({"asked", "found", "given", "least", "most", "told", "tongue"})
"""These names of locals and arguments say nothing to a stranger: what it is that was found or given does."""
PRIVATE_HEADS: Final = frozenset({"ASKED", "FEWEST", "FOUND", "GIVEN", "LEAST", "MOST", "TOLD"})
"""No constant's name begins like this: a bound is MIN_ or MAX_."""


def test_locals_have_names_that_a_stranger_knows(sources: dict[str, str]) -> None:
    private = {
        f"{module}:{function.lineno}: {function.name}: {name}"
        for module, source in sources.items()
        for function in nodes_of(source)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if (name := _bound(node)) in PRIVATE_WORDS
    }
    assert private == set()


def test_constants_have_names_that_a_stranger_knows(sources: dict[str, str]) -> None:
    names = {
        f"{module}: {node.id}"
        for module, source in sources.items()
        for node in nodes_of(source)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id.isupper()
        if node.id.partition("_")[0] in PRIVATE_HEADS
    }
    assert names == set()


def test_one_place_makes_json_answers(sources: dict[str, str]) -> None:
    makers = {
        module
        for module, source in sources.items()
        if "Response(" in source
        for node in nodes_of(source)
        if isinstance(node, ast.Call)
        and any(one.arg == "content_type" and _is_json(one.value) for one in node.keywords)
    }
    assert makers == {"hoshikage.http.json_response"}


def _is_json(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value == "application/json"


LLAMA_SERVERS: Final = frozenset({"answer", "dispatch", "engine", "llama", "params", "protocols", "wire"})
"""These rooms know llama-server's slots; elsewhere nothing has that name, and in the queue, tickets run on lanes."""


def test_a_slot_is_what_llama_server_means_by_it(sources: dict[str, str]) -> None:
    others = {
        module: source
        for module, source in sources.items()
        if "slot" in source and (room(module) not in LLAMA_SERVERS or module == "hoshikage.dispatch.queue")
    }
    named = {(module, name) for module, source in others.items() for name in _names_of(source) if "slot" in name}
    assert named == set()
    assert _names_of("def f(a, *, b: int) -> None:\n    c = self.d(slots=True)\nclass E(slots=True):\n    g: int") >= {
        *("f", "a", "b", "c", "d", "e", "g")
    }


def _names_of(source: str) -> set[str]:
    """Returns what is defined, bound or asked for, in small letters; not what is told to `dataclass` and Python
    itself."""
    nodes = [node for node in nodes_of(source) if not isinstance(node, ast.keyword)]
    names = {getattr(node, field, None) for node in nodes for field in ("id", "attr", "arg", "name")}
    return {name.lower() for name in names if isinstance(name, str)} - {"__slots__"}


def _bound(node: ast.AST) -> str | None:
    if isinstance(node, ast.arg):
        return node.arg
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else None


def test_no_class_name_stands_for_two_things(sources: dict[str, str]) -> None:
    modules: dict[str, list[str]] = {}
    for module, source in sources.items():
        for node in tree_of(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules.setdefault(node.name, []).append(module)
    assert {name: its for name, its in modules.items() if len(its) > 1} == {}


def test_nothing_is_decided_by_a_texts_key(sources: dict[str, str]) -> None:
    """Every difference is a class of its own, or a field: a text may be renamed without a look at who compares it."""
    found = [
        f"{module}:{node.lineno}"
        for module, source in sources.items()
        for node in nodes_of(source)
        if isinstance(node, ast.Compare | ast.Call) and _asks_for_a_key(node)
    ]
    assert found == []


def _asks_for_a_key(node: ast.Compare | ast.Call) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "startswith" and _is_key(node.func.value)
    sides = [node.left, *node.comparators]
    words = any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides)
    return any(map(_is_key, sides)) and (words or isinstance(node.ops[0], ast.In | ast.NotIn))


def _is_key(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in {"key", "code"}


@pytest.mark.parametrize(
    ("source", "decides"),
    [
        ("error.key == 'library.missing'", True),
        ("'library.missing' != error.key", True),
        ("error.key in KEYS", True),
        ("refusal.error.key.startswith('lacks.')", True),
        ("error.code == 'unavailable'", True),
        ("ticket.key == self._key", False),
        ("text(language, error.key)", False),
    ],
)
def test_a_decision_by_a_key_is_seen(source: str, *, decides: bool) -> None:
    node = ast.parse(source, mode="eval").body
    assert isinstance(node, ast.Compare | ast.Call)
    assert _asks_for_a_key(node) == decides


@pytest.mark.process
def test_the_server_loads_nothing_of_the_runner() -> None:
    program = "import sys, hoshikage.protocols.app; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.split()
    assert "hoshikage.protocols.app" in loaded
    assert [name for name in loaded if name.startswith(NEVER_IN_THE_SERVER)] == []


EVASIVE: Final = re.compile(r"\bskip\b|xfail|importorskip|sleep")
"""A file without these words need not be read by its grammar."""


def test_no_test_skips_or_sleeps() -> None:
    """What another system has not (`skipif`, a module of the standard library) may be left out there, nothing else."""
    found = []
    for file in (ROOT / "tests").rglob("*.py"):
        source = text_of(file)
        for node in nodes_of(source) if EVASIVE.search(source) else ():
            if _is_evasion(node):
                found.append(f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    assert found == []


def _is_evasion(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) in {"pytest.mark.skip", "pytest.mark.xfail", "pytest.skip", "pytest.xfail"}
    if not isinstance(node, ast.Call):
        return False
    called, given = ast.unparse(node.func), [ast.literal_eval(a) for a in node.args if isinstance(a, ast.Constant)]
    if called == "pytest.importorskip":
        return given[0] not in sys.stdlib_module_names
    return called == "time.sleep" or (called == "asyncio.sleep" and given != [0])


NUMPY: Final = "only _ffi, engine, keeper, lab, llama, native_os, runner may import numpy"
APART: Final = "protocols.ollama must not import protocols.openai"


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("hoshikage.protocols.app", "import ctypes", "only _ffi, heap, native_os may import ctypes"),
        ("hoshikage.protocols.app", "from hoshikage._ffi import library", "protocols must not import _ffi"),
        ("hoshikage.cli.list", "def run():\n    from hoshikage.llama.vocab import Vocab", "cli must not import llama"),
        ("hoshikage.dispatch.client", "from aiohttp import web", "only answer, http, protocols may import aiohttp.web"),
        ("hoshikage.dispatch.client", "import numpy as np", NUMPY),
        ("hoshikage.http.sse", "from rich.console import Console", "only cli may import rich"),
        ("hoshikage.llama.text", "import threading", "llama must not import threading"),
        ("hoshikage.llama.text", "from ..engine import worker", "llama must not import engine"),
        ("hoshikage.errors", "from hoshikage import settings", "errors must not import settings"),
        ("hoshikage.attic", "", "the room 'attic' has no row"),
        ("hoshikage.protocols.ollama.writer", "from hoshikage.protocols.openai import chat", APART),
        ("hoshikage.http.sse", "from hoshikage.protocols.openai import chat", "http must not import protocols"),
    ],
)
def test_a_broken_rule_is_seen(module: str, source: str, fault: str) -> None:
    rooms = {
        f"hoshikage.{name}": ""
        for name in ("_ffi", "llama", "llama.vocab", "engine", "engine.worker", "settings", "protocols.openai.chat")
    }
    assert [line.partition(": ")[2] for line in violations({**rooms, module: source})] == [fault]


def test_a_ring_is_seen_and_a_typing_import_is_none() -> None:
    ring = {"hoshikage.a": "import hoshikage.b", "hoshikage.b": "def f():\n    from hoshikage.a import x"}
    assert cycles(ring) == ["hoshikage.a -> hoshikage.b -> hoshikage.a"]
    ring["hoshikage.b"] = "if TYPE_CHECKING:\n    from hoshikage.a import x"
    assert cycles(ring) == []
