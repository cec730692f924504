"""Holds grammars over a model's tokens: llguidance says which token may come next. Used in the engine thread.

One Grammars is made for a model at its first request with a grammar; a vocabulary of 150,000 takes about half a second
and 60 MB. llguidance knows one token more than the model: its end mark, which stands for all tokens that end an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from hoshikage.errors import InvalidRequest, NotSupported
from hoshikage.llama import bounds, call_layout, endless, gbnf, json_schema
from hoshikage.llama.refused_part import RefusedPart, refused_part
from hoshikage.llama.vocab import Vocab
from hoshikage.native_os.interrupt import Deadline, Interrupted
from hoshikage.params import Grammar

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

PACKAGE: Final = "llguidance"
WHITESPACE: Final = r"( |\n{1,2}[ \t]{0,20})?"
"""Such white space may stand between the marks of JSON. Without a bound, small models make it until their limit."""

LEAD: Final = "[ \\t\\r\\n]"
"""This white space may come in front of what is held, where other text is before it."""
OPTIONS: Final[Any] = {"lenient": False, "coerce_one_of": False, "whitespace_pattern": WHITESPACE}
JSON_REFUSAL: Final = "failed to compile JSON schema: "
LISTING: Final = re.compile(r"\n +\d+ \| ")
"""The grammar's lines begin with this, behind a refusal of what stands in it."""
NOTHING_FOLLOWS: Final = "NoExtensionBias"

COMPILE_SECONDS: Final = 5.0
"""Python's part of a compilation may take so long; llguidance's own part is bounded by its limits and
json_schema.checked."""
SHOWN_CHARACTERS: Final = 300


class Grammars:
    """Compiles grammars for one vocabulary."""

    def __init__(self, vocab: Vocab) -> None:
        """Raises NotSupported where llguidance is not installed."""
        try:
            from llguidance import LLMatcher, LLParserLimits, LLTokenizer
        except ImportError:
            raise NotSupported("engine.grammar_package", package=PACKAGE) from None
        self._matcher = LLMatcher
        # Each step is bounded to about a fifth of a second.
        self._limits = LLParserLimits(
            max_items_in_row=20_000,
            step_max_items=400_000,
            step_lexer_fuel=2_000_000,
            initial_lexer_fuel=10_000_000,
            max_grammar_size=500_000,
            verbose_errors=False,
        )
        self._tokenizer = _Tokenizer(vocab)
        self._tokenizer.engine = LLTokenizer(self._tokenizer)  # type: ignore[arg-type]  # asks for attributes, not the class

    def compile(
        self, grammar: Grammar, ends: Iterable[int], *, led: bool = False, special: Mapping[int, bytes] = {}
    ) -> Matcher:
        """Makes a matcher at the start of `grammar`; `ends` are the tokens that may come where it is fulfilled. `led`:
        it follows other text, so that there may be white space in front. `special`: control tokens that have a text.

        Raises InvalidRequest for what is no grammar, or cannot be enforced.
        """
        try:
            with Deadline(COMPILE_SECONDS):
                inner, dropped = self._compiled(grammar, led, special)
        except (Interrupted, RecursionError):
            raise InvalidRequest("engine.grammar_slow", param=grammar.param, seconds=COMPILE_SECONDS) from None
        return Matcher(inner, grammar, self._tokenizer, ends, dropped)

    def _compiled(self, grammar: Grammar, led: bool, special: Mapping[int, bytes]) -> tuple[LLMatcher, tuple[str, ...]]:
        """Returns the grammar, compiled, and what was left out of a schema. llguidance names what it cannot enforce,
        one kind after the other."""
        refused: frozenset[str] = frozenset()
        left_out: tuple[str, ...] = ()
        while True:
            source, dropped = self._source(grammar, refused, led, special)
            inner = self._matcher(self._tokenizer.engine, source, log_level=0, limits=self._limits)
            if not inner.is_error():
                return inner, (*dropped, *left_out)
            reason = inner.get_error()
            if JSON_REFUSAL in reason:  # of a schema inside a grammar; what follows is where it stands
                reason = LISTING.split(reason.partition(JSON_REFUSAL)[2])[0]
            more: frozenset[str] = frozenset()
            if grammar.kind not in ("gbnf", "regex"):
                more = json_schema.refusals(reason) or self._refused_patterns(grammar.text, reason)
            if more <= refused:
                part = self._refused_part(grammar, refused)
                if part is None or part.strict or part.place in left_out or not part.path:
                    raise _refusal(grammar, reason) if part is None else _part_refusal(grammar, part)
                tree = json.loads(grammar.text)
                part.left_out(tree)
                grammar = replace(grammar, text=json.dumps(tree))
                left_out = (*left_out, part.place)
            refused |= more

    def _refused_part(self, grammar: Grammar, refused: frozenset[str]) -> RefusedPart | None:
        """Returns what of its schemas is refused, where it has any."""

        def why(schema: Any) -> str:
            try:
                made = _checked(schema, grammar, refused).schema
            except (bounds.TooLarge, endless.Endless, json_schema.Unenforceable):
                return ""
            source = self._matcher.grammar_from_json_schema(made, overrides=OPTIONS)
            inner = self._matcher(self._tokenizer.engine, source, log_level=0, limits=self._limits)
            return inner.get_error() if inner.is_error() else ""

        if grammar.kind in ("gbnf", "regex"):
            return None
        return refused_part(json.loads(grammar.text), grammar.param, strict=grammar.strict, why=why)

    def _refused_patterns(self, schema: str, reason: str) -> frozenset[str]:
        """Returns the expressions that are refused, each tried alone, where the refusal speaks of one: it names but
        one, in another form, and not all of its kinds say why."""
        if "regex" not in reason:
            return frozenset()
        made = json_schema.patterns(json.loads(schema))
        return frozenset(json_schema.refusal_of(pattern) for pattern in made if self._is_refused(made[pattern]))

    def _is_refused(self, pattern: str) -> bool:
        source = self._matcher.grammar_from_json_schema({"type": "string", "pattern": pattern})
        return self._matcher(self._tokenizer.engine, source, log_level=0, limits=self._limits).is_error()

    def _source(
        self, grammar: Grammar, refused: frozenset[str], led: bool, special: Mapping[int, bytes]
    ) -> tuple[str, tuple[str, ...]]:
        try:
            bounds.check_text(grammar.text)
            if grammar.kind == "gbnf":
                return self._matcher.grammar_from_lark(gbnf.to_lark(grammar.text, f"/{LEAD}/" if led else "")), ()
            if grammar.kind == "regex":
                return self._matcher.grammar_from_regex(_expression(grammar.text, led=led)), ()
            tree = json.loads(grammar.text)
            if grammar.kind == "layout":
                return self._laid_out(tree, grammar, refused, special)
            result = _checked(tree, grammar, refused)
        except (gbnf.Malformed, bounds.TooLarge) as error:
            raise _tool_refusal(grammar.tool, error) if grammar.tool else _text_refusal(grammar, error) from None
        except call_layout.ToolRefused as refused_tool:
            raise _tool_refusal(refused_tool.tool, refused_tool.error) from None
        except endless.Endless as error:
            if grammar.tool:
                raise _tool_refusal(grammar.tool, error) from None
            param = grammar.param if grammar.kind == "gbnf" else error.place
            raise InvalidRequest("engine.grammar_endless", param=param, place=error.place) from None
        except json_schema.Unenforceable as error:
            raise InvalidRequest("engine.schema_keyword", param=grammar.param, keywords=error.place) from None
        if not led:
            return self._matcher.grammar_from_json_schema(result.schema, overrides=OPTIONS), result.dropped
        lead = f"start: LEAD? held\nLEAD: /{LEAD}{{1,{gbnf.MAX_LEAD}}}/\n"
        lark = f"%llguidance {{}}\n{lead}held: %json {_written(result.schema)}\n"
        return self._matcher.grammar_from_lark(lark), result.dropped

    def _laid_out(
        self, layout: Any, grammar: Grammar, refused: frozenset[str], special: Mapping[int, bytes]
    ) -> tuple[str, tuple[str, ...]]:
        """Control tokens that have a text of their own in the vocabulary are no others than their texts."""
        dropped: list[str] = []

        def value(schema: Any) -> str:
            result = _checked(schema, grammar, refused)
            dropped.extend(result.dropped)
            return _written(result.schema)

        tokens = {text.decode(): token for token, text in special.items() if not self._tokenizer.has_text(token)}
        lark, left_out = call_layout.to_lark(layout, tokens, value, refused)
        return self._matcher.grammar_from_lark(lark), (*dropped, *left_out)


class Matcher:
    """Follows one answer through its grammar."""

    def __init__(
        self,
        inner: LLMatcher,
        grammar: Grammar,
        tokenizer: _Tokenizer,
        ends: Iterable[int],
        dropped: tuple[str, ...] = (),
    ) -> None:
        end = tokenizer.eos_token_id
        self._tokenizer = tokenizer
        self.param = grammar.param
        self.dropped = dropped
        """`dropped` has the places of what the schema asks for and nobody enforces."""
        self._inner = inner
        self._grammar = grammar
        self._end = end
        """This is llguidance's end mark, one above the last token."""
        self._end_set = frozenset(ends)
        self._ends = np.fromiter(self._end_set, np.intp)
        self._bits = np.zeros(end // 32 + 1, np.int32)
        self._bytes = self._bits.view(np.uint8)

    @property
    def complete(self) -> bool:
        """Nothing but the end may come."""
        return self._inner.is_stopped()

    def mask(self) -> NDArray[np.bool_]:
        """Returns which tokens may come next; good until the next call. Raises InvalidRequest where it cannot be
        told."""
        self._inner.unsafe_compute_mask_ptr(self._bits.ctypes.data, self._bits.nbytes)
        if self._inner.is_error():
            raise _refusal(self._grammar, self._inner.get_error())
        mask = np.unpackbits(self._bytes, bitorder="little", count=self._end + 1).view(np.bool_)
        mask[self._ends] = mask[self._end]
        return mask[: self._end]

    def due(self) -> None:
        """Returns None: no token must come whatever else is forbidden."""

    def takes(self, _token: int) -> bool:
        """Returns True: the mask has said all about the tokens that it lets through."""
        return True

    def accept(self, token: int) -> int:
        """Goes on behind a token that the mask allowed; one that ends the answer changes nothing."""
        if token not in self._end_set:
            self._inner.consume_token(token)
            if self._inner.is_error():
                raise _refusal(self._grammar, self._inner.get_error())
        return token

    def forced(self, maximum: int) -> list[int]:
        """Goes on behind the tokens that the grammar leaves no choice of, at most `maximum`, and returns them."""
        tokens = self._inner.compute_ff_tokens()[:maximum]
        if tokens:
            self._inner.consume_tokens(tokens)
            if self._inner.is_error():
                raise _refusal(self._grammar, self._inner.get_error())
        return tokens

    def takes_text(self, text: bytes) -> bool:
        """Returns whether the grammar goes on with this text."""
        tokens = self.tokens_of(text)
        return self._inner.validate_tokens(tokens) == len(tokens)

    def accept_text(self, text: bytes) -> None:
        """Goes on behind a text that `takes_text` takes: the end of a token that began before the grammar did."""
        if text:
            self._inner.consume_tokens(self.tokens_of(text))

    def tokens_of(self, text: bytes) -> list[int]:
        """Returns tokens that are this text."""
        return self._tokenizer.engine.tokenize_bytes(text)

    @property
    def spaced(self) -> NDArray[np.bool_]:
        """Tells which tokens begin with white space."""
        return self._tokenizer.spaced

    def beginning(self, mark: bytes) -> NDArray[np.bool_]:
        """Returns which tokens may be the first of a text that begins with `mark`."""
        return self._tokenizer.beginning(mark)

    def again(self) -> Matcher:
        """Makes another matcher at the grammar's start."""
        inner = self._inner.deep_copy()
        inner.reset()
        return Matcher(inner, self._grammar, self._tokenizer, self._end_set)


class _Tokenizer:
    """LLTokenizer asks this of a tokenizer."""

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, vocab: Vocab) -> None:
        self._vocab = vocab
        self.engine: LLTokenizer
        self._beginnings: dict[bytes, NDArray[np.bool_]] = {}
        self.eos_token_id = vocab.n_tokens
        self._pieces = [*map(vocab.piece, range(vocab.n_tokens))]
        self.special_token_ids = [
            token for token, piece in enumerate(self._pieces) if not piece and vocab.is_control(token)
        ]
        # One without a name would be let through wherever another may come.
        self.tokens = [*self._pieces, b""]
        for token in self.special_token_ids:
            self.tokens[token] = vocab.text(token).encode()

    def has_text(self, token: int) -> bool:
        """Returns whether the token is one of text, which no other stands for."""
        return bool(self._pieces[token])

    @cached_property
    def spaced(self) -> NDArray[np.bool_]:
        """Tells which tokens begin with white space. The first call goes over the vocabulary, about 20 ms per
        100,000."""
        return np.fromiter((piece[:1].isspace() for piece in self._pieces), np.bool_, self.eos_token_id)

    def beginning(self, mark: bytes) -> NDArray[np.bool_]:
        """Returns which tokens may be the first of a text that begins with `mark`. The first call for each mark goes
        over the vocabulary; a model has one or two marks."""
        known = self._beginnings.get(mark)
        if known is None:
            fits = (bool(piece) and (mark.startswith(piece) or piece.startswith(mark)) for piece in self._pieces)
            known = self._beginnings[mark] = np.fromiter(fits, np.bool_, self.eos_token_id)
        return known

    def __call__(self, text: str) -> list[int]:
        """Returns the model's own way to write `text`, which is proposed for texts that the grammar forces."""
        tokens = self._vocab.tokenize(text, parse_special=False)
        if b"".join(map(self._vocab.piece, tokens)) == text.encode():
            return tokens
        return self.engine.greedy_tokenize(text)  # a vocabulary that puts a space in front


def _checked(schema: Any, grammar: Grammar, refused: frozenset[str]) -> json_schema.CheckedSchema:
    bounds.check_schema(schema)
    endless.check_schema(schema, grammar.param)
    return json_schema.checked(schema, refused, place=grammar.param, strict=grammar.strict)


def _expression(pattern: str, *, led: bool) -> str:
    """Returns the pattern, which is of the whole text anyhow, without anchors at its ends."""
    bounds.check_pattern(pattern)
    body = pattern.removeprefix("^")
    if body.endswith("$") and not call_layout.is_escaped(body):
        body = body[:-1]
    return f"(?:{LEAD}){{0,{gbnf.MAX_LEAD}}}(?:{body})" if led else body


def _written(schema: Any) -> str:
    """Writes a schema as a part of a grammar in Lark."""
    return json.dumps({**_as_object(schema), json_schema.OPTIONS: OPTIONS})


def _as_object(schema: Any) -> dict[str, Any]:
    """Returns a schema that is true or false as one that can have keywords."""
    return schema if isinstance(schema, dict) else {} if schema else {"not": {}}


def _text_refusal(grammar: Grammar, error: gbnf.Malformed | bounds.TooLarge) -> InvalidRequest:
    """Makes the refusal of what the request itself has: it says where the grammar is wrong, or which bound it
    exceeds."""
    if isinstance(error, bounds.TooLarge):
        return InvalidRequest("engine.grammar_too_large", param=grammar.param, limit=error.limit, most=error.most)
    return InvalidRequest(
        "engine.gbnf_malformed", param=grammar.param, line=error.line, column=error.column, reason=error.reason
    )


def _tool_refusal(tool: str, error: gbnf.Malformed | bounds.TooLarge | endless.Endless) -> InvalidRequest:
    """Makes the refusal of a grammar that was made from a tool's definition: it is well formed, and can but be too
    large, or lead back to itself."""
    if isinstance(error, endless.Endless):
        return InvalidRequest("engine.tool_grammar_endless", param=f"tools.{tool}", tool=tool)
    if isinstance(error, bounds.TooLarge):
        limit, maximum = error.limit, error.most
    elif isinstance(error, gbnf.TooOften):
        limit, maximum = "max_repeat", gbnf.MAX_REPEAT
    else:
        limit, maximum = "max_depth", gbnf.MAX_DEPTH
    return InvalidRequest(f"engine.tool_grammar_{limit}", param=f"tools.{tool}", tool=tool, most=maximum)


def _refusal(grammar: Grammar, reason: str) -> InvalidRequest:
    if NOTHING_FOLLOWS in reason and grammar.tool:
        return InvalidRequest("engine.tool_grammar_endless", param=grammar.param, tool=grammar.tool)
    if NOTHING_FOLLOWS in reason:
        return InvalidRequest("engine.grammar_endless", param=grammar.param, place=grammar.param)
    return InvalidRequest("engine.grammar_refused", param=grammar.param, reason=_shown(reason))


def _part_refusal(grammar: Grammar, part: RefusedPart) -> InvalidRequest:
    param = part.owner or grammar.param
    return InvalidRequest("engine.schema_refused", param=param, place=part.place, reason=_shown(part.reason))


def _shown(reason: str) -> str:
    reason = " ".join(reason.removesuffix("<non-verbose/>").split())
    return reason if len(reason) <= SHOWN_CHARACTERS else reason[:SHOWN_CHARACTERS] + "…"
