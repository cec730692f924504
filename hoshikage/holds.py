"""Says what an answer, or a part of it, is held to: frozen request values. Any thread."""

from __future__ import annotations

from typing import Literal

from hoshikage.frozen import Frozen


class Grammar(Frozen, frozen=True):
    """The whole answer must be an instance of this."""

    kind: Literal["json_schema", "gbnf", "regex", "layout"]
    text: str
    """The schema as JSON, the grammar, the regular expression, or how calls are laid out (hoshikage.tools.layout) as
    JSON."""
    param: str
    """`param` is the request's field, for refusals."""
    strict: bool = True
    """A schema of which something cannot be enforced is refused; else that is left out, and told."""
    tool: str = ""
    """`tool` is the function whose text was described in another language: what is wrong is told of that, not of this
    text."""


class ThoughtBudget(Frozen, frozen=True):
    """A ThoughtBudget says where an answer's thoughts are, and how many tokens they may have: then the mark that ends
    them is put in.

    A grammar beside it holds what comes behind the thoughts.
    """

    tokens: int | None
    """None is no bound."""
    opens: str
    """`opens` is the mark before thoughts; an answer that does not begin with it has none, unless the prompt ends with
    it."""
    closes: str
    """The mark behind them, as the answer's text has it."""
    lead_in: str = ""
    """`lead_in` must stand between that mark and what a grammar holds."""
    always: bool = False
    """`always` tells whether an answer that a grammar holds begins with thoughts; else the model may leave them out."""


class HeldCalls(Frozen, frozen=True):
    """These are calls that an answer need not make; what it writes of one is held to a schema from where that
    begins."""

    header: str
    """`header` is the regular expression of the text in front of what is held, to its end. A group that has met is the
    name of the function whose schema counts; where none has, it is that of no name."""
    grammars: tuple[tuple[str, Grammar], ...]
    """Each function's name comes with the grammar of its calls; calls of others are not held."""
    thoughts: ThoughtBudget | None = None
    """`thoughts` says where the answer thinks, so that no call is looked for there."""
