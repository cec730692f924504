"""Lists the lanes of the tests: which tests each one runs, and what has to be there for it. Values; standard library
only.

A new lane is a row here, a mark of its name in setup.cfg, and its line of help in texts.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

SLOW: Final = ("native", "process", "long", "memory")
"""Marks of tests that need a library, start a process, take seconds, or need the packages of memory: the unit lane
leaves them out."""


@dataclass(frozen=True, slots=True)
class Lane:
    """This is one way to run the tests."""

    name: str
    """Its option is `--NAME`; the first lane needs none."""
    libraries: Literal["none", "tested", "all"] = "tested"
    """The libllama releases that it needs."""
    extras: tuple[str, ...] = ("test", "dev")
    """It needs the `extras` of setup.cfg."""
    whole: bool = False
    """`whole` tells whether it runs every test but those with the mark of another lane; else it runs those with its own
    mark."""
    lint: bool = False
    """`lint` tells whether ruff and mypy run first."""
    arguments: tuple[str, ...] = ()
    """`arguments` are what pytest is given beside the marks."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The tests find `variables` in their environment."""


QUICK: Final = {"FEW_EXAMPLES": "1", "PYTHONDONTWRITEBYTECODE": ""}
"""Hypothesis tries a quarter of the examples that it tries elsewhere; and what pytest makes of the tests is kept for
the next run, also in containers that keep no bytecode otherwise."""
UNIT: Final = Lane("unit", libraries="none", lint=True, arguments=("-n", "auto", "--dist", "loadfile"), variables=QUICK)
WHOLE: Final = ("test", "dev", "memory")
"""These are the extras of the lanes that run every test."""
FULL: Final = Lane("full", extras=WHOLE, whole=True, lint=True)
LONG: Final = {"STRESS_ANSWERS": "1000", "CONVERSATIONS": "20"}
NIGHTLY: Final = Lane("nightly", extras=WHOLE, whole=True, lint=True, variables=LONG)
MODELS: Final = Lane("models", libraries="all")
CLIENTS: Final = Lane("clients", arguments=("clients",))
PAGE: Final = Lane("page")
"""This lane has the page in a real browser, its build, and the real Prometheus; it brings what it lacks."""
RPC: Final = Lane("rpc")
"""This lane has two processes that share a model by ggml's RPC; its backend is compiled for it."""
RAY: Final = Lane("ray", extras=("test", "dev", "ray"))
"""This lane has a Ray cluster of three nodes on this machine, with a node that is killed."""
LANES: Final = (UNIT, FULL, NIGHTLY, MODELS, CLIENTS, PAGE, RPC, RAY)
"""These are all lanes, the one that runs where none is asked for first."""


def marks(lane: Lane) -> str:
    """The lane's tests as pytest's `-m` takes them. Tests of the further lanes run in their own lane alone."""
    further = tuple(other.name for other in LANES if other is not UNIT and not other.whole)
    if lane is UNIT:
        return " and ".join(f"not {mark}" for mark in (*SLOW, *further))
    if lane.whole:
        return " and ".join(f"not {mark}" for mark in further)
    return lane.name
