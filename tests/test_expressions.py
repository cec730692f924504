"""Tests every regular expression of the package: twice the text is at most about twice the work, whatever the text.

Work is counted in steps of a matcher, over texts made from what each expression speaks of.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import random
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import hoshikage
from tests.step_matcher import Counter, Matcher, TooManySteps, shapes
from tests.trees import nodes_of, text_of, tree_of

PACKAGE: Final = Path(hoshikage.__file__).parent
OWN: Final = ("hoshikage.cli.parser",)
"""The expressions of these modules see the command line alone."""
ELSEWHERE: Final = frozenset({"ray", "chromadb", "sentencex", "sklearn"})
"""Not every lane has these packages."""
BY_A_FUNCTION: Final = {"_LIBRARY": {"fullmatch"}}
"""Maps patterns that a function hands out to what is done with them."""
ANCHORED: Final = frozenset({"match", "fullmatch"})
FUNCTIONS: Final = ANCHORED | {"search", "sub", "subn", "split", "findall", "finditer"}
CALLED: Final = re.compile(rf"\.(?:{'|'.join(sorted(FUNCTIONS))})\(")
SHAPES: Final = 96
LENGTHS: Final = (9, 18, 36)
GROWTH: Final = 2.5
"""The steps grow by this that the next nine and eighteen repetitions add; it is 2 for what is linear, 4 for what is
square."""
FEW: Final = 60
MAX_STEPS: Final = 200_000


def modules() -> list[str]:
    return [
        found.name
        for found in pkgutil.walk_packages([str(PACKAGE)], "hoshikage.")
        if not found.name.endswith("__main__") and found.name not in OWN
    ]


def source_of(module: str) -> str:
    file = PACKAGE.joinpath(*module.split(".")[1:])
    return text_of(file / "__init__.py" if file.is_dir() else file.with_suffix(".py"))


def variables_of(module: str) -> dict[str, Any]:
    """Returns what stands in it by name; of one that needs a package which is not here, its expressions alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning
        )  # what is outdated in a package of others is not looked at here
        try:
            return vars(importlib.import_module(module))
        except ModuleNotFoundError as error:
            if error.name not in ELSEWHERE:
                raise
    known: dict[str, Any] = {"re": re, "Final": Final}
    for node in tree_of(source_of(module)).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and "re.compile(" in ast.unparse(node):
            exec(ast.unparse(node), known)
    return known


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Yields every call of a method with the name of one of a pattern's: module, call, method."""
    for name in modules():
        for node in nodes_of(source_of(name)) if CALLED.search(source_of(name)) else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FUNCTIONS:
                yield name, node, node.func.attr


def patterns_in(value: Any, seen: set[int], depth: int = 0) -> Iterator[re.Pattern[str]]:
    if id(value) in seen or depth > 4:
        return
    seen.add(id(value))
    if isinstance(value, re.Pattern):
        yield re.compile(value.pattern.decode("latin-1")) if isinstance(value.pattern, bytes) else value
    elif isinstance(value, dict):
        yield from (found for part in value.values() for found in patterns_in(part, seen, depth + 1))
    elif isinstance(value, (tuple, list)):
        yield from (found for part in value for found in patterns_in(part, seen, depth + 1))
    elif type(value).__module__.startswith("hoshikage") and not isinstance(value, type):
        names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
        yield from (found for name in names for found in patterns_in(getattr(value, name, None), seen, depth + 1))


def collected() -> dict[str, tuple[re.Pattern[str], bool, bool]]:
    """Maps a name to the expression, whether it is only tried at a text's beginning, whether the whole must match."""
    methods: dict[str, set[str]] = dict(BY_A_FUNCTION)
    found: dict[str, tuple[re.Pattern[str], bool, bool]] = {}
    for module, call, method in calls():
        assert isinstance(call.func, ast.Attribute)
        owner = call.func.value
        if isinstance(owner, ast.Name) and owner.id == "re":
            if isinstance(call.args[0], ast.Constant):
                pattern = re.compile(str(call.args[0].value))
                found[f"{module}:{call.lineno}"] = (pattern, method in ANCHORED, method == "fullmatch")
            continue
        if isinstance(owner, ast.Subscript):
            owner = owner.value
        if isinstance(owner, (ast.Name, ast.Attribute)):
            methods.setdefault(owner.id if isinstance(owner, ast.Name) else owner.attr, set()).add(method)
    seen: set[int] = set()
    for module in modules():
        for name, value in variables_of(module).items():
            used = methods.get(name, {"search"})
            for number, pattern in enumerate(patterns_in(value, seen)):
                found[f"{module}.{name}[{number}]"] = (pattern, used <= ANCHORED, used == {"fullmatch"})
    return found


COLLECTED: Final = collected()


def steps(matcher: Matcher, text: str, *, anchored: bool, whole: bool) -> int:
    counter = Counter(MAX_STEPS)
    try:
        matcher.found(text, counter, anchored=anchored, whole=whole)
    except TooManySteps:
        return MAX_STEPS
    return counter.steps


def worst(pattern: re.Pattern[str], *, anchored: bool, whole: bool) -> tuple[float, tuple[str, str, str]]:
    """Returns by how much the work grows for the shape that makes it grow most."""
    matcher = Matcher(pattern)
    found = (0.0, ("", "", ""))
    for begin, pump, end in shapes(pattern, SHAPES):
        work = [steps(matcher, begin + pump * length + end, anchored=anchored, whole=whole) for length in LENGTHS]
        growth = (work[2] - work[1] - FEW) / max(1, work[1] - work[0])
        found = max(found, (growth, (begin, pump, end)))
    return found


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(COLLECTED))
def test_twice_the_text_is_twice_the_work(name: str) -> None:
    pattern, anchored, whole = COLLECTED[name]
    growth, shape = worst(pattern, anchored=anchored, whole=whole)
    assert growth <= GROWTH, f"{pattern.pattern!r} over {shape}"


def test_those_that_see_what_clients_and_files_say_are_among_them() -> None:
    names = " ".join(COLLECTED)
    for place in (
        *("llama.gbnf", "llama.json_pattern", "llama.sandbox", "tools.detect", "tools.harmony", "tools.json_text"),
        *("schema.validation", "schema.sampling", "gguf.parts", "registry.entries", "registry.folder", "llama.vocab"),
    ):
        assert place in names, place


@pytest.mark.parametrize(
    "pattern", [r"\{\s*(\d{1,9})\s*(?:(,)\s*(\d{1,9})?\s*)?\}", "a.*b", r"(?:ab|a)+c", r"-*[^-a]+-*"]
)
def test_the_measure_sees_square_work(pattern: str) -> None:
    assert worst(re.compile(pattern), anchored=False, whole=False)[0] > GROWTH


@pytest.mark.parametrize("name", sorted(COLLECTED))
def test_the_counting_matcher_finds_what_python_finds(name: str) -> None:
    pattern, *_ = COLLECTED[name]
    matcher = Matcher(pattern, lowered=False)
    dice = random.Random(1)
    for begin, pump, end in shapes(pattern, 24, seed=1):
        text = begin + pump * dice.randrange(4) + end
        spans = [met.span() for met in pattern.finditer(text)]
        ours = matcher.found(text, Counter(10**6), anchored=False)
        assert [span for span in ours if span[0] < span[1]] == [span for span in spans if span[0] < span[1]]
