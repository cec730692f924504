"""Reads the sources of this tree as Python parses them; each is parsed and walked through once. Any thread."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def text_of(file: Path) -> str:
    return file.read_text("utf-8")


@cache
def tree_of(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def nodes_of(source: str) -> tuple[ast.AST, ...]:
    """Returns every node, in the order of `ast.walk`."""
    return tuple(ast.walk(tree_of(source)))
